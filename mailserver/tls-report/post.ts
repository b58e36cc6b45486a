/** Carries a report to an HTTPS server (RFC 8460 section 5.4). */
import { request } from "node:https";
import type { LookupFunction } from "node:net";
import type { Dns } from "../courier/mx.ts";
import type { TargetRule } from "../courier/target.ts";

export interface PostDeps {
  readonly dns: Pick<Dns, "resolve4" | "resolve6">;
  /** Asked for each address of the server: whoever publishes one must not point us at a service of ours. */
  readonly mayReach: TargetRule;
}

/** Resolves when the server says that it has the report (2xx). Follows no redirect. */
export type PostReport = (url: URL, zipped: Buffer, signal: AbortSignal) => Promise<void>;

/** All of the request. */
const POST_MS = 30_000;

export function createPostReport(deps: PostDeps): PostReport {
  const lookup = guardedLookup(deps);
  return (url, zipped, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sent = request(
      url,
      {
        method: "POST",
        headers: { "content-type": "application/tlsrpt+gzip", "content-length": zipped.length },
        lookup,
        // A connection of its own, which none that was opened under other rules can stand in for.
        agent: false,
        signal: AbortSignal.any([signal, AbortSignal.timeout(POST_MS)]),
      },
      (response) => {
        const { statusCode = 0 } = response;
        // What it says beyond that is of no use.
        response.destroy();
        if (statusCode >= 200 && statusCode < 300) resolve();
        else reject(new Error(`${url.hostname} answered ${statusCode}`));
      },
    );
    sent.on("error", reject);
    sent.end(zipped);
    return promise;
  };
}

/** Finds, by the stack's resolver, those addresses of a host to which we may connect. */
function guardedLookup({ dns, mayReach }: PostDeps): LookupFunction {
  const find = async (host: string) => {
    const [v4, v6] = await Promise.allSettled([dns.resolve4(host), dns.resolve6(host)]);
    const of = (answer: typeof v4, family: 4 | 6) =>
      answer.status === "rejected"
        ? []
        : answer.value.records.filter(mayReach).map((address) => ({ address, family }));
    const found = [...of(v4, 4), ...of(v6, 6)];
    if (found.length === 0) throw new Error(`${host} has no address that may be asked`);
    return found;
  };
  return (host, { all }, done) => {
    find(host).then(
      (found) => (all === true ? done(null, found) : done(null, found[0]?.address ?? "", found[0]?.family)),
      (error: Error) => done(error, ""),
    );
  };
}
