/** Fetches an MTA-STS policy as a sender does, from a given address. */
import { request } from "node:https";
import { rootCertificates } from "node:tls";
import type { PolicyFacts } from "./sending-checks.ts";

export interface PolicyPlace {
  readonly zone: string;
  readonly host: string;
  readonly port: number;
  /** Who is trusted besides the public authorities, PEM. */
  readonly ca: readonly string[];
  readonly wanted: string;
  readonly timeoutMs: number;
}

/** RFC 8461 section 3.2: more than this is no policy. */
const MAX_BYTES = 65_536;

/** Never throws. */
export function fetchPolicy({ zone, host, port, ca, wanted, timeoutMs }: PolicyPlace): Promise<PolicyFacts> {
  const servername = `mta-sts.${zone}`;
  const url = `https://${servername}/.well-known/mta-sts.txt`;
  const { promise, resolve } = Promise.withResolvers<PolicyFacts>();
  const failed = (error: Error & { code?: string }): void =>
    resolve({ url, wanted, fault: error.code === "ABORT_ERR" ? "ETIMEDOUT" : (error.code ?? error.message) });
  const asked = request(
    {
      ...{ host, port, servername, ca: [...ca, ...rootCertificates], agent: false },
      ...{ path: "/.well-known/mta-sts.txt", headers: { host: servername } },
      signal: AbortSignal.timeout(timeoutMs),
    },
    (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > MAX_BYTES) response.destroy(new Error("it is longer than 64 KiB"));
      });
      response.on("error", failed);
      response.on("end", () => resolve({ url, wanted, status: response.statusCode, body }));
    },
  );
  asked.on("error", failed);
  asked.end();
  return promise;
}
