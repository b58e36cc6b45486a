/** Carries a message to smtp-out, which sends it on into the world. */
import type { Log } from "../net/log.ts";
import type { Connections } from "../net/pool.ts";
import type { ClientTimeouts } from "../net/types.ts";
import { type Delivery, forAll, type Result } from "./types.ts";

export interface RelayCourierDeps {
  /** Our name in EHLO. */
  readonly hostname: string;
  /** smtp-out's internal listener. */
  readonly relay: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly password: string;
  };
  readonly connections: Connections;
  readonly log: Log;
  readonly timeouts?: Partial<ClientTimeouts>;
}

export type RelayCourier = (delivery: Delivery, signal?: AbortSignal) => Promise<Result[]>;

export function createRelayCourier(deps: RelayCourierDeps): RelayCourier {
  const { hostname, connections, log, timeouts } = deps;
  const { host, port, user, password } = deps.relay;
  return async ({ from, recipients, dsn = {}, recipientDsn = [], body, eightBit, smtputf8 }, signal) => {
    const report = await connections.deliver(
      {
        host,
        port,
        // The internal network carries it, so the password goes in clear text.
        session: { protocol: "smtp", hostname, tls: "never", auth: { user, password } },
        ...(timeouts === undefined ? {} : { timeouts }),
        ...(signal === undefined ? {} : { signal }),
      },
      { from, recipients, dsn, recipientDsn, size: body.length, eightBit, smtputf8 },
      body,
    );
    if (report.kind === "done") return report.outcomes.map((outcome) => ({ ...outcome, host }));
    const { stage, reply } = report.failure;
    log.warn("relay.unreachable", { host, stage, reply });
    // Before the envelope every refusal is our own trouble.
    return forAll(recipients, { kind: "temporary", reply, host });
  };
}
