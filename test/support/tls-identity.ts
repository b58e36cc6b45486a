/** Certificates for servers that a test runs itself. */
import { issueAuthority, issueCertificate } from "../../components/providers/certificate/issue.ts";
import type { TlsIdentity } from "../../mailserver/net/types.ts";

const DAY = 86_400_000;

/** A certificate for a name and 127.0.0.1, with the authority that vouches for it. */
export async function tlsIdentity(name: string): Promise<TlsIdentity & { readonly ca: string }> {
  // Issued a day ago, for clocks that disagree.
  const now = new Date(Date.now() - DAY);
  const authority = await issueAuthority("Test authority", 30, now);
  const issued = await issueCertificate(authority, {
    ...{ dnsNames: [name], ipAddresses: ["127.0.0.1"], days: 30, now },
  });
  return { certificate: issued.certificatePem, key: issued.privateKeyPem, ca: authority.certificatePem };
}
