/** Deliveries to hosts that are played: what each address answers, and what was asked of whom. */
import { createSmtpCourier, type SmtpCourierDeps } from "../../../mailserver/courier/smtp.ts";
import { createTargetRule } from "../../../mailserver/courier/target.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { Connections } from "../../../mailserver/net/pool.ts";
import { ConnectFailed, type ConnectOptions, type DeliveryReport } from "../../../mailserver/net/types.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import { noAnswer, reply } from "../../../mailserver/smtp/replies.ts";
import type { ClientStage, Outcome, Reply } from "../../../mailserver/smtp/types.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";

export const delivery = (...locals: string[]) => ({
  from: null,
  recipients: locals.map((local) => makeAddress(local, "one.test")),
  body: Buffer.from("\r\n"),
  eightBit: false,
  smtputf8: false,
});

export function courier(zone: Zone, connections: Connections, more: Partial<SmtpCourierDeps> = {}) {
  return createSmtpCourier({
    dns: fakeDns(zone),
    random: () => 0,
    ownNames: [],
    hostname: "smtp.semail.test",
    port: 25,
    mayReach: createTargetRule(),
    security: async () => async () => ({ kind: "opportunistic" }),
    connections,
    log: silentLog,
    ...more,
  });
}

export const failed = (stage: ClientStage, of: Reply): DeliveryReport => ({
  kind: "failed",
  failure: new ConnectFailed(stage, of),
});
export const done = (bodyBegan: boolean, ...outcomes: [Outcome["kind"], Reply][]): DeliveryReport => ({
  kind: "done",
  outcomes: outcomes.map(([kind, of]) => ({ kind, reply: of })),
  tls: undefined,
  bodyBegan,
});
export const taken = done(true, ["delivered", reply(250, "2.0.0", "ok")]);
const dead = failed("connect", noAnswer);

/** Peers by address; notes what was asked of whom. */
export function peers(answers: Readonly<Record<string, DeliveryReport>>) {
  const asked: string[] = [];
  const wishes: ConnectOptions[] = [];
  const connections: Connections = {
    deliver: async (options) => {
      asked.push(options.session.tls === "never" ? `${options.host} clear` : options.host);
      wishes.push(options);
      return answers[asked.at(-1) ?? ""] ?? dead;
    },
  };
  return { connections, asked, wishes };
}

export const TWO: Zone = {
  "one.test": {
    mx: [
      [10, "mx1.test"],
      [20, "mx2.test"],
    ],
  },
  "mx1.test": { a: ["1.0.0.1"] },
  "mx2.test": { a: ["1.0.0.2"] },
};
export const [FIRST, SECOND] = ["1.0.0.1", "1.0.0.2"];

export interface Case {
  readonly zone?: Zone;
  readonly answers: Readonly<Record<string, DeliveryReport>>;
  readonly asked: readonly string[];
  readonly result: string;
}
