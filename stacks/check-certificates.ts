/** What the certificate needs that the services show, as far as the config says it. Pure. */
import type { Problem } from "./cross-check.ts";
import { certificateNames } from "./names.ts";

type Raw = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Raw =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const at = (raw: Raw, key: string): Raw => (isObject(raw[key]) ? raw[key] : {});

/** Let's Encrypt's limit, and that of most. */
const MOST_NAMES = 100;
/** Authorities by the domain of their directory, as CAA records name them (RFC 8659 section 4.2). */
const CAA_NAMES: Readonly<Record<string, string>> = {
  "letsencrypt.org": "letsencrypt.org",
  "pki.goog": "pki.goog",
  "zerossl.com": "sectigo.com",
  "buypass.com": "buypass.com",
};
const LETS_ENCRYPT = "letsencrypt.org";

/** Problems of `certificates`, held against the domains and their records. */
export function checkCertificates(raw: Raw, domain: string | undefined): Problem[] {
  const certificates = at(raw, "certificates");
  const files = checkFiles(certificates, at(raw, "dns"));
  if (certificates.kind !== "acme") return files;
  return [
    ...files,
    ...checkTerms(certificates),
    ...checkRecords(at(raw, "dns"), certificates),
    ...checkNames(raw, domain),
  ];
}

const FILES = ["certificateFile", "keyFile"] as const;

function checkFiles(certificates: Raw, dns: Raw): Problem[] {
  const path = (key: string) => `certificates.${key}`;
  if (certificates.kind !== "files")
    return FILES.filter((key) => certificates[key] !== undefined).map((key) => ({
      ...{ path: path(key), message: "is for certificates.kind files" },
    }));
  return [
    ...FILES.filter((key) => certificates[key] === undefined).map((key) => ({
      ...{ path: path(key), message: "is missing: certificates.kind files reads it" },
    })),
    ...(dns.signed === true
      ? [
          {
            path: "dns.signed",
            message:
              "needs certificates.kind own or acme, whose key stays: the TLSA record would be wrong as soon as a file has another key",
          },
        ]
      : []),
  ];
}

function checkTerms({ agreed }: Raw): Problem[] {
  if (agreed === true) return [];
  return [
    {
      path: "certificates.agreed",
      message: "must be true: read the authority's terms of service, and say here that you accept them",
    },
  ];
}

function checkRecords(dns: Raw, { directory }: Raw): Problem[] {
  const problems: Problem[] = [];
  if (dns.provider === undefined || dns.provider === "none")
    problems.push({
      path: "certificates.kind",
      message: "acme needs dns.provider gandi or dev: the authority is shown records that the stack writes",
    });
  const authority = caaName(directory);
  if (authority !== undefined && Array.isArray(dns.caa) && dns.caa.length > 0 && !dns.caa.includes(authority))
    problems.push({
      path: "dns.caa",
      message: `does not name ${authority}, which issues the certificate: add it`,
    });
  return problems;
}

/** How CAA records name who is behind the directory; undefined: we don't know. */
function caaName(directory: unknown): string | undefined {
  if (typeof directory !== "string") return LETS_ENCRYPT;
  const host = URL.canParse(directory) ? new URL(directory).hostname : "";
  return Object.entries(CAA_NAMES).find(([end]) => host === end || host.endsWith(`.${end}`))?.[1];
}

function checkNames(raw: Raw, domain: string | undefined): Problem[] {
  if (domain === undefined) return [];
  const domains = (Array.isArray(raw.domains) ? raw.domains : []).map(String);
  const portal = { enabled: at(raw, "portal").enabled === true };
  const { length } = certificateNames({ domain, domains, portal });
  if (length <= MOST_NAMES) return [];
  return [
    {
      path: "domains",
      message: `are too many for one certificate of a public authority: ${length} names, ${MOST_NAMES} are the most`,
    },
  ];
}
