import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { createSmtpCourier, type SmtpCourierDeps } from "../../../mailserver/courier/smtp.ts";
import { createTargetRule } from "../../../mailserver/courier/target.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { ConnectionPool, type Connections } from "../../../mailserver/net/pool.ts";
import { ConnectFailed, type ConnectOptions, type DeliveryReport } from "../../../mailserver/net/types.ts";
import type { TlsDecision } from "../../../mailserver/policy/tls.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import {
  badPeerReply,
  certificateRefused,
  connectionLost,
  noAnswer,
  reply,
  tlsFailed,
  tlsNotOffered,
} from "../../../mailserver/smtp/replies.ts";
import type { ClientStage, Outcome, Reply } from "../../../mailserver/smtp/types.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";

const delivery = (...locals: string[]) => ({
  from: null,
  recipients: locals.map((local) => makeAddress(local, "one.test")),
  body: Buffer.from("\r\n"),
  eightBit: false,
  smtputf8: false,
});

function courier(zone: Zone, connections: Connections, more: Partial<SmtpCourierDeps> = {}) {
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

test("a host that keeps a connection for ever is left after the attempt's time, and the mail waits", {
  timeout: 10_000,
}, async () => {
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    socket.on("error", () => {}).write("220 mx.one.test ESMTP\r\n");
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const pool = new ConnectionPool({ idleMs: 1_000, messages: 1 });
  const { port } = server.address() as AddressInfo;
  const zone = { "one.test": { a: ["127.0.0.1", "127.0.0.2"] } };
  const carry = courier(zone, pool, { port, mayReach: () => true, attemptMs: 1_000 });
  const [result] = await carry("one.test", delivery("bob"), new AbortController().signal);
  server.close();
  assert.equal(result?.kind, "temporary");
  assert.equal(count, 1);
});

const failed = (stage: ClientStage, of: Reply): DeliveryReport => ({
  kind: "failed",
  failure: new ConnectFailed(stage, of),
});
const done = (bodyBegan: boolean, ...outcomes: [Outcome["kind"], Reply][]): DeliveryReport => ({
  kind: "done",
  outcomes: outcomes.map(([kind, of]) => ({ kind, reply: of })),
  tls: undefined,
  bodyBegan,
});
const taken = done(true, ["delivered", reply(250, "2.0.0", "ok")]);
const secretly: DeliveryReport = {
  ...{ kind: "done", outcomes: [{ kind: "delivered", reply: reply(250, "2.0.0", "ok") }], bodyBegan: true },
  tls: { version: "TLSv1.3", cipher: "x" },
};
const dead = failed("connect", noAnswer);
const strange = failed("helo", reply(550, "5.7.1", "who are you"));
const closed = failed("greeting", reply(554, "5.7.1", "no"));
const mute = failed("greeting", reply(521, "5.3.2", "no mail here"));
const dropped = done(false, ["temporary", connectionLost]);
const lost = done(true, ["temporary", connectionLost]);

/** Peers by address; notes what was asked of whom. */
function peers(answers: Readonly<Record<string, DeliveryReport>>) {
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

const TWO: Zone = {
  "one.test": {
    mx: [
      [10, "mx1.test"],
      [20, "mx2.test"],
    ],
  },
  "mx1.test": { a: ["1.0.0.1"] },
  "mx2.test": { a: ["1.0.0.2"] },
};
const [FIRST, SECOND] = ["1.0.0.1", "1.0.0.2"];

interface Case {
  readonly zone?: Zone;
  readonly answers: Readonly<Record<string, DeliveryReport>>;
  readonly asked: readonly string[];
  readonly result: string;
}

const cases: Readonly<Record<string, Case>> = {
  "the best host takes it": {
    answers: { [FIRST]: taken },
    asked: [FIRST],
    result: "delivered 250 by mx1.test",
  },
  "a dead host": {
    answers: { [SECOND]: taken },
    asked: [FIRST, SECOND],
    result: "delivered 250 by mx2.test",
  },
  "a host that refuses EHLO": {
    answers: { [FIRST]: strange, [SECOND]: taken },
    asked: [FIRST, SECOND],
    result: "delivered 250 by mx2.test",
  },
  "a host that greets with 521": {
    answers: { [FIRST]: mute, [SECOND]: taken },
    asked: [FIRST, SECOND],
    result: "delivered 250 by mx2.test",
  },
  "one refuses EHLO, the other is dead": {
    answers: { [FIRST]: strange },
    asked: [FIRST, SECOND],
    result: "temporary 451 by mx2.test",
  },
  "one is dead, the other refuses EHLO": {
    answers: { [SECOND]: strange },
    asked: [FIRST, SECOND],
    result: "temporary 451 by mx1.test",
  },
  "all refuse EHLO or all mail": {
    answers: { [FIRST]: strange, [SECOND]: mute },
    asked: [FIRST, SECOND],
    result: "permanent 521 by mx2.test",
  },
  "all greet with 554": {
    answers: { [FIRST]: closed, [SECOND]: closed },
    asked: [FIRST, SECOND],
    result: "temporary 554 by mx1.test",
  },
  "a host that hangs up before the body": {
    answers: { [FIRST]: dropped, [SECOND]: taken },
    asked: [FIRST, SECOND],
    result: "delivered 250 by mx2.test",
  },
  "a host that hangs up once the body began may have taken it": {
    answers: { [FIRST]: lost, [SECOND]: taken },
    asked: [FIRST],
    result: "temporary 451 by mx1.test",
  },
  "a host that answers the body with nonsense may have taken it": {
    answers: { [FIRST]: done(true, ["temporary", badPeerReply]), [SECOND]: taken },
    asked: [FIRST],
    result: "temporary 451 by mx1.test",
  },
  "what the best host said for now outlives a dead one": {
    answers: { [FIRST]: done(false, ["temporary", reply(450, "4.2.0", "grey")]) },
    asked: [FIRST, SECOND],
    result: "temporary 450 by mx1.test",
  },
  "a failed hand-shake": {
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, `${FIRST} clear`],
    result: "delivered 250 by mx1.test",
  },
  "a first host with many dead addresses": {
    zone: {
      ...TWO,
      "mx1.test": { a: [3, 4, 5, 6, 7, 8].map((last) => `1.0.0.${last}`), aaaa: ["2600::1"] },
    },
    answers: { [SECOND]: taken },
    asked: ["1.0.0.3", "1.0.0.4", "1.0.0.5", "2600::1", SECOND],
    result: "delivered 250 by mx2.test",
  },
  "a host inside, and one outside": {
    zone: { ...TWO, "mx1.test": { a: ["10.0.0.1", "127.0.0.1"], aaaa: ["::1", "fe80::1"] } },
    answers: { [SECOND]: taken },
    asked: [SECOND],
    result: "delivered 250 by mx2.test",
  },
  "an address inside among those of a host": {
    zone: { ...TWO, "mx1.test": { a: ["127.0.0.1", FIRST] } },
    answers: { [FIRST]: taken },
    asked: [FIRST],
    result: "delivered 250 by mx1.test",
  },
  "a host inside, and a dead one outside": {
    zone: { ...TWO, "mx1.test": { a: ["10.0.0.1"] } },
    answers: {},
    asked: [SECOND],
    result: "temporary 451 by mx2.test",
  },
  "hosts inside only": {
    zone: { ...TWO, "mx1.test": { a: ["10.0.0.1"] }, "mx2.test": { aaaa: ["fd00::1"] } },
    answers: {},
    asked: [],
    result: "permanent 550 by mx2.test",
  },
};
describe("one recipient:", () => {
  for (const [name, { zone = TWO, answers, asked, result }] of Object.entries(cases)) {
    test(name, async () => {
      const world = peers(answers);
      const carry = courier(zone, world.connections);
      const [of] = await carry("one.test", delivery("bob"), new AbortController().signal);
      assert.deepEqual(world.asked, asked);
      assert.equal(`${of?.kind} ${of?.reply.code} by ${of?.host}`, result);
    });
  }
});

const DANE: TlsDecision = {
  ...{ kind: "dane", by: "DANE", base: "mx1.test", names: ["mx1.test"] },
  records: [{ usage: 3, selector: 1, matching: 1, data: "ab" }],
};
const TESTING: TlsDecision = { kind: "testing", by: "MTA-STS", unlisted: false };
const refused: TlsDecision = {
  ...{ kind: "refuse", by: "DANE" },
  outcome: { kind: "temporary", reply: reply(451, "4.7.5", "bogus") },
};

const secured: Readonly<
  Record<string, Omit<Case, "zone"> & { readonly tls: TlsDecision; readonly noted: string }>
> = {
  "a failed hand-shake under DANE is no reason for clear text": {
    tls: DANE,
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test validation-failure",
    result: "temporary 4.7.5 by mx1.test",
  },
  "a wrong certificate under DANE": {
    tls: DANE,
    answers: { [FIRST]: failed("tls", certificateRefused), [SECOND]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test certificate-not-trusted, mx2.test ok",
    result: "delivered 2.0.0 by mx2.test",
  },
  "no STARTTLS under MTA-STS": {
    tls: { kind: "sts", by: "MTA-STS" },
    answers: { [FIRST]: failed("helo", tlsNotOffered), [`${FIRST} clear`]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test starttls-not-supported",
    result: "temporary 4.7.4 by mx1.test",
  },
  "a failed hand-shake with unusable TLSA records": {
    tls: { kind: "encrypted", by: "DANE" },
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test validation-failure",
    result: "temporary 4.7.5 by mx1.test",
  },
  "hosts that must not be used": {
    tls: refused,
    answers: {},
    asked: [],
    noted: "mx1.test dnssec-invalid, mx2.test dnssec-invalid",
    result: "temporary 4.7.5 by mx1.test",
  },
  "a failed hand-shake that nobody minds": {
    tls: { kind: "opportunistic" },
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, `${FIRST} clear`],
    noted: "mx1.test validation-failure",
    result: "delivered 2.0.0 by mx1.test",
  },
  "no STARTTLS, which nobody minds": {
    tls: { kind: "opportunistic" },
    answers: { [FIRST]: taken },
    asked: [FIRST],
    noted: "mx1.test starttls-not-supported",
    result: "delivered 2.0.0 by mx1.test",
  },
  "TLS that nobody asks for": {
    tls: { kind: "opportunistic" },
    answers: { [FIRST]: secretly },
    asked: [FIRST],
    noted: "mx1.test ok",
    result: "delivered 2.0.0 by mx1.test",
  },
  "a failed hand-shake in testing mode": {
    tls: TESTING,
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, `${FIRST} clear`],
    noted: "mx1.test validation-failure",
    result: "delivered 2.0.0 by mx1.test",
  },
};
describe("TLS that is demanded:", () => {
  for (const [name, { tls, answers, asked, noted, result }] of Object.entries(secured)) {
    test(name, async () => {
      const world = peers(answers);
      const notes: string[] = [];
      const policy = { type: "sts", strings: [], hosts: [] } as const;
      const carry = courier(TWO, world.connections, {
        security: async () => async () => ({ ...tls, policy }),
        noted: ({ host, failure }) => void notes.push(`${host} ${failure?.result ?? "ok"}`),
      });
      const [of] = await carry("one.test", delivery("bob"), new AbortController().signal);
      assert.deepEqual(world.asked, asked);
      assert.equal(`${of?.kind} ${of?.reply.enhanced} by ${of?.host}`, result);
      assert.equal(notes.join(", "), noted);
    });
  }

  test("testing mode reports what enforce would have refused", async () => {
    const told: unknown[] = [];
    const log = {
      ...silentLog,
      warn: (event: string, fields?: object) => void told.push({ event, ...fields }),
    };
    const doubtful = { ...taken, tls: { version: "TLSv1.3", cipher: "x", doubt: "is not for mx1.test" } };
    const world = peers({ [FIRST]: doubtful });
    await courier(TWO, world.connections, { log, security: async () => async () => TESTING })(
      ...(["one.test", delivery("bob"), new AbortController().signal] as const),
    );
    const reason = "the certificate is not for mx1.test";
    assert.deepEqual(told, [
      ...[
        {
          event: "tls.policy.violated",
          host: "mx1.test",
          address: FIRST,
          by: "MTA-STS",
          testing: true,
          reason,
        },
      ],
    ]);
  });
});

test("hosts that were not asked, since time was up, don't make a refusal final", async () => {
  const abort = new AbortController();
  const connections: Connections = {
    deliver: async () => {
      abort.abort();
      return strange;
    },
  };
  const [result] = await courier(TWO, connections)("one.test", delivery("bob"), abort.signal);
  assert.equal(result?.kind, "temporary");
});

test("ten hosts are asked at most, each for ten seconds at most", async () => {
  const names = Array.from({ length: 30 }, (_, index) => `mx${index}.test`);
  const zone: Zone = {
    "one.test": { mx: names.map((name, index) => [index, name] as const) },
    ...Object.fromEntries(names.map((name, index) => [name, { a: [`1.0.1.${index}`] }])),
  };
  const world = peers({});
  await courier(zone, world.connections)("one.test", delivery("bob"), new AbortController().signal);
  assert.equal(world.asked.length, 10);
  assert.deepEqual(new Set(world.wishes.map(({ timeouts }) => timeouts?.connectMs)), new Set([10_000]));
});
