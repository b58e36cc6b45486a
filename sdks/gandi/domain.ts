import * as pulumi from "@pulumi/pulumi";
import { connect } from "./client.ts";
import { explain } from "./errors.ts";
import type { Auth, Deps } from "./http.ts";
import type { AuthArgs } from "./record.ts";

/** Which domain to look up. */
export interface GetDomainArgs {
  fqdn: string;
  auth?: Auth;
}

/** The same with outputs. */
export interface GetDomainOutputArgs {
  fqdn: pulumi.Input<string>;
  auth?: AuthArgs;
}

/** What LiveDNS says of a domain. */
export interface GetDomainResult {
  fqdn: string;
  /** The name servers that serve the zone; the registry's delegation should name them. */
  nameservers: string[];
}

/** Looks a domain up. Fails when LiveDNS doesn't know it or the token may not see it. */
export async function getDomain(args: GetDomainArgs): Promise<GetDomainResult> {
  try {
    const client = connect(args.auth ?? {});
    const [domain, nameservers] = await Promise.all([
      client.domain(args.fqdn),
      client.nameservers(args.fqdn),
    ]);
    return { fqdn: domain.fqdn, nameservers };
  } catch (error) {
    throw explain(error, `domain ${args.fqdn}`, args.fqdn);
  }
}

/** Looks a domain up once its arguments are known. */
export function getDomainOutput(args: GetDomainOutputArgs): pulumi.Output<GetDomainResult> {
  const auth = pulumi.output(args.auth ?? {}).apply(({ apiUrl, token }) => ({
    ...(apiUrl === undefined ? {} : { apiUrl }),
    ...(token === undefined ? {} : { token }),
  }));
  // What it says is public, though the token that asked is secret.
  return pulumi.unsecret(pulumi.all([args.fqdn, auth]).apply(([fqdn, auth]) => getDomain({ fqdn, auth })));
}

/** Which snapshots are kept. */
export interface TidySnapshotsArgs {
  /** The zone, e.g. `example.org`. */
  zone: string;
  /** How many of the newest stay. */
  keep: number;
  auth?: Auth;
}

/** Removes old snapshots of a zone that Records of this package had made, and no others; gives how many went. */
export async function tidySnapshots({ zone, keep, auth }: TidySnapshotsArgs, deps?: Deps): Promise<number> {
  try {
    return await connect(auth ?? {}, deps).tidySnapshots(zone, keep);
  } catch (error) {
    throw explain(error, `snapshots of ${zone}`, zone);
  }
}
