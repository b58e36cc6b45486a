/** Carries a message into a person's box over LMTP (RFC 2033). */
import { deliver } from "../net/client.ts";
import type { Log } from "../net/log.ts";
import type { ClientTimeouts } from "../net/types.ts";
import { connectOutcome } from "./classify.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

export interface BoxCourierDeps {
  /** Our name in LHLO. */
  readonly hostname: string;
  /** The port on which every box speaks LMTP. */
  readonly port: number;
  readonly log: Log;
  readonly timeouts?: Partial<ClientTimeouts>;
}

/** Delivers to the box named `host`; one result per recipient. */
export type BoxCourier = (host: string, delivery: Delivery, signal?: AbortSignal) => Promise<Result[]>;

/**
 * One delivery at a time into one box: many at once into one Maildir run into its lock, and Dovecot answers
 * temporary failures.
 */
export function createBoxCourier(deps: BoxCourierDeps): BoxCourier {
  const tails = new Map<string, Promise<unknown>>();
  return (host, delivery, signal) => {
    const before = tails.get(host) ?? Promise.resolve();
    const mine = before.then(() => deliverToBox(host, delivery, { ...deps, ...(signal && { signal }) }));
    const tail = mine.catch(() => {});
    tails.set(host, tail);
    void tail.then(() => {
      if (tails.get(host) === tail) tails.delete(host);
    });
    return mine;
  };
}

/** One delivery, without waiting for others into the same box. */
export async function deliverToBox(
  host: string,
  delivery: Delivery,
  deps: BoxCourierDeps & { readonly signal?: AbortSignal },
): Promise<Result[]> {
  const { hostname, port, log, timeouts, signal } = deps;
  const { from, recipients, body, eightBit, smtputf8 } = delivery;
  const report = await deliver(
    {
      host,
      port,
      session: { protocol: "lmtp", hostname, tls: "never" },
      ...(timeouts === undefined ? {} : { timeouts }),
      ...(signal === undefined ? {} : { signal }),
    },
    { from, recipients, size: body.length, eightBit, smtputf8 },
    body,
  );
  if (report.kind === "done") return report.outcomes.map((outcome) => ({ ...outcome, host }));
  const { stage, reply } = report.failure;
  log.warn("lmtp.unreachable", { host, stage, reply });
  // The box is ours: whatever it says before the envelope is our fault, and the sender shall try again.
  return forAll(recipients, { ...connectOutcome(stage, reply), kind: "temporary", host });
}
