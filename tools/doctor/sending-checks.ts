/** Judges what others see of the host that sends (PTR), and whether the policy for TLS can be fetched. Pure. */
import type { Finding } from "../../stacks/dns/findings.ts";
import type { Check } from "./types.ts";

export interface PtrFacts {
  readonly address: string;
  /** Undefined: nobody could be asked. */
  readonly names: readonly string[] | undefined;
}

/** The address names the host that smtp-out greets as, and the host has that address (RFC 1912 section 2.1). */
export function checkPtr({ address, names }: PtrFacts, smtp: string): Check {
  const check = { area: "Sending host", about: `PTR ${address}` } as const;
  if (names === undefined) return { ...check, findings: [], unknown: "no resolver could be asked" };
  if (names.includes(smtp)) return { ...check, findings: [] };
  return {
    ...check,
    findings: [
      {
        severity: "error",
        rule: "PTR agrees with HELO, RFC 1912 section 2.1",
        record: `${address} PTR`,
        message:
          names.length === 0 ? "is missing" : `it names ${names.join(", ")}; smtp-out says HELO ${smtp}`,
        remedy: `Have whoever gives you the address set its PTR record to ${smtp}: many refuse mail without it.`,
      },
    ],
  };
}

export interface PolicyFacts {
  readonly url: string;
  readonly wanted: string;
  readonly status?: number | undefined;
  readonly body?: string | undefined;
  /** Why nothing came. */
  readonly fault?: string | undefined;
}

/** RFC 8461 section 3.3: over HTTPS with a valid certificate, 200, no redirect. */
export function checkPolicy({ url, wanted, status, body = "", fault }: PolicyFacts): Check {
  const finding = (message: string, remedy: string): Finding => ({
    severity: "error",
    rule: "MTA-STS policy, RFC 8461 section 3.3",
    record: url,
    ...{ message, remedy },
  });
  const serve = "Have the portal serve it there: semail:portal.enabled, and port 443 of the host led to it.";
  const problem =
    fault !== undefined
      ? finding(`it can't be fetched (${fault})`, serve)
      : status !== 200
        ? finding(`the answer is ${status}, not 200`, serve)
        : lines(body) !== lines(wanted)
          ? finding(
              "another policy is served than the stack's",
              "Run `npm run up`; senders keep an old one for its max_age.",
            )
          : undefined;
  return { area: "Sending host", about: `policy ${url}`, findings: problem ? [problem] : [] };
}

/** RFC 8461 section 3.2: CRLF or LF, and what follows the last one doesn't count. */
const lines = (text: string): string =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .join("\n")
    .trim();

/** The records lead people to an address at which nothing listens for them. */
export function checkBind(bind: string, address: string | undefined): Check[] {
  if (address === undefined) return [];
  const isLoopback = bind.startsWith("127.") && bind !== address;
  const finding: Finding = {
    severity: "error",
    rule: "the services listen where the records lead",
    record: `${address} A`,
    message: `the records lead to ${address}, but the services listen on ${bind} alone`,
    remedy: `Set semail:host.bind to ${address} or 0.0.0.0.`,
  };
  return [{ area: "Sending host", about: `listens at ${address}`, findings: isLoopback ? [finding] : [] }];
}
