import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, mock, test } from "node:test";
import type { SmtpCourierDeps } from "../../../mailserver/courier/smtp.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { ConnectionPool, type Connections } from "../../../mailserver/net/pool.ts";
import { ConnectFailed } from "../../../mailserver/net/types.ts";
import {
  badPeerReply,
  connectionLost,
  noAnswer,
  peerTimeout,
  reply,
  tlsFailed,
} from "../../../mailserver/smtp/replies.ts";
import type { Reply } from "../../../mailserver/smtp/types.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";
import { ordinary, scripted } from "../../support/sending.ts";
import { type Case, courier, delivery, done, FIRST, failed, peers, SECOND, TWO, taken } from "./support.ts";

const strange = failed("helo", reply(550, "5.7.1", "who are you"));
const closed = failed("greeting", reply(554, "5.7.1", "no"));
const mute = failed("greeting", reply(521, "5.3.2", "no mail here"));
const full = done(true, ["temporary", reply(452, "4.2.2", "full")]);
const dropped = done(false, ["temporary", connectionLost]);
const lost = done(true, ["temporary", connectionLost]);

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

describe("the answer to a whole message is waited for, so that nobody has it twice,", () => {
  interface End {
    readonly deps: Partial<SmtpCourierDeps>;
    readonly aborted?: "ending" | "giveWay";
    readonly want: "delivered" | "temporary";
  }
  const table: Readonly<Record<string, End>> = {
    "though the attempt's time is up": { deps: { attemptMs: 100 }, want: "delivered" },
    "though others wait": { deps: {}, aborted: "giveWay", want: "delivered" },
    "but not for ever while others wait": { deps: { answerMs: 1 }, aborted: "giveWay", want: "temporary" },
    "but not when the daemon ends": { deps: {}, aborted: "ending", want: "temporary" },
  };
  for (const [name, { deps, aborted, want }] of Object.entries(table)) {
    test(name, { timeout: 10_000 }, async () => {
      const signals = { ending: new AbortController(), giveWay: new AbortController() };
      const time = Promise.withResolvers<void>();
      const host = await scripted((line, socket) => {
        if (line !== ".") return ordinary({})(line);
        if (aborted) signals[aborted].abort();
        const answer = (): void => void (socket.writable && socket.write("250 2.0.0 taken\r\n"));
        // Never before what ends the attempt has done so.
        if (want === "delivered") void time.promise.then(answer);
        return undefined;
      });
      // Set after that of the attempt: it can only fire later.
      setTimeout(time.resolve, (deps.attemptMs ?? 0) + 50);
      const pool = new ConnectionPool({ idleMs: 1_000, messages: 1 });
      const zone = { "one.test": { a: ["127.0.0.1", "127.0.0.2"] } };
      const carry = courier(zone, pool, { port: host.port, mayReach: () => true, ...deps });
      const { signal } = signals.giveWay;
      const [result] = await carry("one.test", delivery("bob"), signals.ending.signal, signal);
      host.close();
      assert.equal(result?.kind, want);
    });
  }
});

for (const when of ["ending", "giveWay"] as const) {
  test(`an attempt that is over before it begins asks no host: ${when}`, async () => {
    const world = peers({ [FIRST]: taken });
    const signals = { ending: new AbortController(), giveWay: new AbortController() };
    signals[when].abort();
    const carry = courier(TWO, world.connections);
    const [result] = await carry("one.test", delivery("bob"), signals.ending.signal, signals.giveWay.signal);
    assert.equal(result?.kind, "temporary");
    assert.deepEqual(world.asked, []);
  });
}

test("an attempt that others wait for ends before the message is whole, and says so", async () => {
  const giveWay = new AbortController();
  const told: string[] = [];
  const log = { ...silentLog, info: (event: string) => void told.push(event) };
  const host = await scripted((line) => {
    if (line === "DATA") giveWay.abort();
    return line === "DATA" ? undefined : ordinary({})(line);
  });
  const pool = new ConnectionPool({ idleMs: 1_000, messages: 1 });
  const zone = { "one.test": { a: ["127.0.0.1", "127.0.0.2"] } };
  const carry = courier(zone, pool, { port: host.port, mayReach: () => true, log });
  const { signal } = new AbortController();
  const [result] = await carry("one.test", delivery("bob"), signal, giveWay.signal);
  host.close();
  assert.equal(result?.kind, "temporary");
  assert.deepEqual(told, ["net.attempt.ended"]);
});

test("a large message has more time, as long as a slow line carries it", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const ended: boolean[] = [];
    const connections: Connections = {
      deliver: async ({ signal }) => {
        for (const ms of [1_800_000, 6 * 1024 * 256 - 1, 1]) {
          mock.timers.tick(ms);
          ended.push(signal?.aborted === true);
        }
        return taken;
      },
    };
    const large = { ...delivery("bob"), body: Buffer.alloc(6 * 1024 * 1024) };
    await courier(TWO, connections)("one.test", large, new AbortController().signal);
    assert.deepEqual(ended, [false, false, true]);
  } finally {
    mock.timers.reset();
  }
});

const THIRD = "1.0.0.3";
const THREE: Zone = {
  ...TWO,
  "one.test": {
    mx: [
      [10, "mx1.test"],
      [20, "mx2.test"],
      [30, "mx3.test"],
    ],
  },
  "mx3.test": { a: [THIRD] },
};

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
  "two refuse for now, and the third is left alone": {
    zone: THREE,
    answers: { [FIRST]: full, [SECOND]: full, [THIRD]: taken },
    asked: [FIRST, SECOND],
    result: "temporary 452 by mx2.test",
  },
  "nor are those that hang up before the body": {
    zone: THREE,
    answers: { [FIRST]: dropped, [SECOND]: dropped, [THIRD]: taken },
    asked: [FIRST, SECOND, THIRD],
    result: "delivered 250 by mx3.test",
  },
  "nor those that fall silent before it": {
    zone: THREE,
    answers: { [FIRST]: full, [SECOND]: done(false, ["temporary", peerTimeout]), [THIRD]: taken },
    asked: [FIRST, SECOND, THIRD],
    result: "delivered 250 by mx3.test",
  },
  "hosts that can't be asked are no refusals": {
    zone: THREE,
    answers: { [FIRST]: full, [SECOND]: failed("greeting", reply(421, "4.3.2", "busy")), [THIRD]: taken },
    asked: [FIRST, SECOND, THIRD],
    result: "delivered 250 by mx3.test",
  },
  "nor is a hand-shake that fails before the refusal in clear text": {
    zone: THREE,
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: full, [SECOND]: taken },
    asked: [FIRST, `${FIRST} clear`, SECOND],
    result: "delivered 250 by mx2.test",
  },
  "another host is asked before another address of one that refused": {
    zone: { ...TWO, "mx1.test": { a: [FIRST, "1.0.0.4"], aaaa: ["2600::1"] } },
    answers: { [FIRST]: full, "1.0.0.4": full, [SECOND]: taken },
    asked: [FIRST, SECOND],
    result: "delivered 250 by mx2.test",
  },
  "where there is no other host, or a dead one, another address": {
    zone: { ...TWO, "mx1.test": { a: [FIRST, "1.0.0.4", "1.0.0.5"] } },
    answers: { [FIRST]: full, "1.0.0.4": full, "1.0.0.5": taken },
    asked: [FIRST, SECOND, "1.0.0.4"],
    result: "temporary 452 by mx1.test",
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

describe("several recipients:", () => {
  const some = (...kinds: ("delivered" | "temporary" | "permanent")[]) =>
    done(true, ...kinds.map((kind) => [kind, REPLIES[kind]] satisfies [typeof kind, Reply]));
  const REPLIES = {
    delivered: reply(250, "2.0.0", "ok"),
    temporary: reply(452, "4.5.3", "too many"),
    permanent: reply(550, "5.1.1", "no such user"),
  };
  const half = done(
    false,
    ["temporary", REPLIES.temporary],
    ["temporary", connectionLost],
    ["temporary", connectionLost],
  );
  const table: Readonly<Record<string, Omit<Case, "zone">>> = {
    "a host that takes the message for one of them refused nothing": {
      answers: {
        [FIRST]: some("delivered", "temporary", "temporary"),
        [SECOND]: some("delivered", "temporary"),
        [THIRD]: some("delivered"),
      },
      asked: [FIRST, SECOND, THIRD],
      result: "delivered by mx1.test, delivered by mx2.test, delivered by mx3.test",
    },
    "two that hang up when they have refused one of them have refused": {
      answers: { [FIRST]: half, [SECOND]: half, [THIRD]: some("delivered", "delivered", "delivered") },
      asked: [FIRST, SECOND],
      result: "temporary by mx2.test, temporary by mx2.test, temporary by mx2.test",
    },
    "what two refuse for now waits, and what they said for good stands": {
      answers: {
        [FIRST]: some("permanent", "temporary", "temporary"),
        [SECOND]: some("permanent", "temporary"),
        [THIRD]: some("delivered"),
      },
      asked: [FIRST, SECOND],
      result: "permanent by mx1.test, permanent by mx2.test, temporary by mx2.test",
    },
    "one's full box is brought to two more hosts at most": {
      answers: {
        [FIRST]: some("delivered", "delivered", "temporary"),
        [SECOND]: some("temporary"),
        [THIRD]: some("temporary"),
        "1.0.0.4": some("delivered"),
      },
      asked: [FIRST, SECOND, THIRD],
      result: "delivered by mx1.test, delivered by mx1.test, temporary by mx3.test",
    },
  };
  for (const [name, { answers, asked, result }] of Object.entries(table)) {
    test(name, async () => {
      const world = peers(answers);
      const zone = { ...THREE, "mx3.test": { a: [THIRD, "1.0.0.4"] } };
      const carry = courier(zone, world.connections);
      const results = await carry(
        ...(["one.test", delivery("a", "b", "c"), new AbortController().signal] as const),
      );
      assert.deepEqual(world.asked, asked);
      assert.equal(results.map(({ kind, host }) => `${kind} by ${host}`).join(", "), result);
    });
  }
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

describe("a look-up that gets no answer ends with the delivery, and nobody is asked:", () => {
  const silence = <T>(): Promise<T> => new Promise(() => {});
  const zone: Zone = { ...TWO, "two.test": { a: [FIRST] } };
  const silent: Readonly<Record<string, { domain?: string; deps: Partial<SmtpCourierDeps> }>> = {
    "the MX records": { deps: { dns: { ...fakeDns(zone), resolveMx: silence } } },
    "the addresses of a mail host": { deps: { dns: { ...fakeDns(zone), resolve4: silence } } },
    "one family of its addresses": { deps: { dns: { ...fakeDns(zone), resolve6: silence } } },
    "the addresses of a domain without MX": {
      domain: "two.test",
      deps: { dns: { ...fakeDns(zone), resolve4: silence } },
    },
    "the policy of the domain (MTA-STS)": { deps: { security: silence } },
    "the policy of a host (TLSA)": { deps: { security: async () => silence } },
  };
  const ends: Readonly<Record<string, (end: AbortController) => Partial<SmtpCourierDeps>>> = {
    "the daemon ends": (end) => {
      setImmediate(() => end.abort());
      return {};
    },
    "its time is up": () => ({ attemptMs: 1 }),
  };
  for (const [what, { domain = "one.test", deps }] of Object.entries(silent)) {
    for (const [why, ending] of Object.entries(ends)) {
      test(`${what}, ${why}`, { timeout: 5_000 }, async () => {
        const end = new AbortController();
        const world = peers({ [FIRST]: taken });
        const carry = courier(zone, world.connections, { ...deps, ...ending(end) });
        const results = await carry(domain, delivery("bob", "eve"), end.signal);
        assert.deepEqual(
          results.map(({ kind }) => kind),
          ["temporary", "temporary"],
        );
        assert.deepEqual(world.asked, []);
      });
    }
  }
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

test("a delivery leaves nothing behind on the signal that ends all of them", async () => {
  const { signal } = new AbortController();
  const world = peers({ [FIRST]: taken });
  const carry = courier(TWO, world.connections);
  const { signal: giveWay } = new AbortController();
  for (let count = 0; count < 20; count += 1) await carry("one.test", delivery("bob"), signal, giveWay);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal(getEventListeners(giveWay, "abort").length, 0);
  const timers = process.getActiveResourcesInfo().filter((what) => what === "Timeout").length;
  for (let count = 0; count < 20; count += 1) await carry("one.test", delivery("bob"), signal);
  assert.equal(process.getActiveResourcesInfo().filter((what) => what === "Timeout").length, timers);
});

test("why a host could take nothing is logged, with the error", async () => {
  const cause = new Error("connect ECONNREFUSED 1.0.0.1:25");
  const connections: Connections = {
    deliver: async () => ({ kind: "failed", failure: new ConnectFailed("connect", noAnswer, cause) }),
  };
  const told: unknown[] = [];
  const log = { ...silentLog, info: (event: string, facts?: object) => void told.push({ event, ...facts }) };
  const carry = courier({ "one.test": { a: ["1.0.0.1"] } }, connections, { log });
  await carry("one.test", delivery("bob"), new AbortController().signal);
  assert.deepEqual(told, [
    {
      ...{ event: "net.host.failed", host: "one.test", address: "1.0.0.1" },
      ...{ stage: "connect", reply: noAnswer, error: cause },
    },
  ]);
});
