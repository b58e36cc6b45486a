/** Carries a message into a person's box over LMTP (RFC 2033). */
import { isIP } from "node:net";
import type { SecureContext } from "node:tls";
import type { Log } from "../net/log.ts";
import type { Connections } from "../net/pool.ts";
import type { ClientTimeouts } from "../net/types.ts";
import { connectOutcome } from "./classify.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

export interface BoxCourierDeps {
  /** Our name in LHLO. */
  readonly hostname: string;
  /** The port on which every box speaks LMTP. */
  readonly port: number;
  /** Our certificate to the boxes; without one they are spoken to in clear text. */
  readonly door?: SecureContext | undefined;
  readonly connections: Connections;
  readonly log: Log;
  readonly timeouts?: Partial<ClientTimeouts>;
}

/** One delivery to the box named `host`, without waiting for others into the same box; one result per recipient. */
export async function deliverToBox(
  host: string,
  delivery: Delivery,
  deps: BoxCourierDeps & { readonly signal?: AbortSignal },
): Promise<Result[]> {
  const { hostname, port, door, connections, log, timeouts, signal } = deps;
  // An address that went from one box to another between the look-up and the connection must not get the one's mail.
  const named = door !== undefined && isIP(host) === 0;
  const { from, recipients, dsn = {}, recipientDsn = [], body, eightBit, smtputf8 } = delivery;
  const report = await connections.deliver(
    {
      host,
      port,
      session: { protocol: "lmtp", hostname, tls: "never", ...(named && { peerName: host }) },
      ...(door === undefined ? {} : { door }),
      ...(timeouts === undefined ? {} : { timeouts }),
      ...(signal === undefined ? {} : { signal }),
    },
    { from, recipients, dsn, recipientDsn, size: body.length, eightBit, smtputf8 },
    body,
  );
  if (report.kind === "done") return report.outcomes.map((outcome) => ({ ...outcome, host }));
  const { stage, reply } = report.failure;
  log.warn("lmtp.unreachable", { host, stage, reply });
  // The box is ours: whatever it says before the envelope is our fault, and the sender shall try again.
  return forAll(recipients, { ...connectOutcome(stage, reply), kind: "temporary", host });
}
