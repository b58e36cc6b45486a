/** smtp-out before foreign hosts that misbehave, all at once: what becomes of each message, then and once they behave. */
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { after, before, describe, test } from "node:test";
import { SendingSettings } from "../../../mailserver/contract.ts";
import { type Log, silentLog } from "../../../mailserver/net/log.ts";
import { MISBEHAVIOURS, type Outcome } from "../../fixtures/misbehaviours.ts";
import { type BadPeer, startBadPeer } from "../../support/bad-peer.ts";
import type { Zone } from "../../support/fake-dns.ts";
import { mailer, type Stage, startStage } from "./setup.ts";

interface Told {
  readonly event: string;
  readonly to: string;
  readonly answer: {
    readonly code: number;
    readonly status: string;
    readonly text: string;
    readonly host?: string;
  };
}

/** Hours: nothing is tried again before the test says so. */
const NEVER_MS = 3_600_000;
const SETTINGS = ["alone", "besides"] as const;
const addressOf = (setting: string, number: number): string => `bob@c${number}.${setting}.test`;
const hostOf = (setting: string, number: number): string => `mx.c${number}.${setting}.test`;

/** A domain for each of them, alone and beside a host that behaves. */
const zone: Zone = Object.fromEntries([
  ["mx.good.test", { a: ["127.0.0.1"] }],
  ...SETTINGS.flatMap((setting, second) =>
    MISBEHAVIOURS.flatMap((_, number) => {
      const others = setting === "alone" ? [] : [[20, "mx.good.test"] as const];
      return [
        [`c${number}.${setting}.test`, { mx: [[10, hostOf(setting, number)] as const, ...others] }] as const,
        [hostOf(setting, number), { a: [`127.1.${second}.${number + 1}`] }] as const,
      ];
    }),
  ),
]);

const told: Told[] = [];
const heard = new EventEmitter();
const listen = (event: string, fields: object = {}): void => {
  if (!/^queue\.(delivered|deferred|failed)$/.test(event)) return;
  told.push({ event, ...fields } as Told);
  heard.emit("told");
};
const log: Log = { ...silentLog, info: listen };
const until = async (enough: () => boolean): Promise<void> => {
  while (!enough()) await once(heard, "told");
};

let stage: Stage;
const peers = new Map<string, BadPeer>();
const addresses = SETTINGS.flatMap((setting) => MISBEHAVIOURS.map((_, number) => addressOf(setting, number)));

before(async () => {
  stage = await startStage({
    ...{ zone, log, remoteTls: false },
    settings: {
      retry: { firstMs: NEVER_MS, maxMs: NEVER_MS, giveUpMs: 5 * 86_400_000, delayMs: 0 },
      sending: SendingSettings.parse({ exempt: ["alice"] }),
    },
  });
  const { port } = stage.remote;
  for (const [second, setting] of SETTINGS.entries()) {
    for (const [number, { script }] of MISBEHAVIOURS.entries()) {
      const host = `127.1.${second}.${number + 1}`;
      peers.set(addressOf(setting, number), await startBadPeer(script, { host, port }));
    }
  }
  const sender = mailer(stage);
  for (const to of addresses) {
    await sender.sendMail({ from: "alice@semail.test", to, subject: to, text: "hello\n" });
  }
  await until(() => addresses.every((address) => told.some(({ to }) => to === address)));
});
after(async () => {
  await stage[Symbol.asyncDispose]();
  for (const peer of peers.values()) await peer[Symbol.asyncDispose]();
});

function first(address: string): { outcome: Outcome; reply: string } {
  const found = told.find(({ to }) => to === address);
  assert.ok(found);
  const { event, answer } = found;
  const reply = `${answer.code} ${answer.status} ${answer.text}`;
  if (event === "queue.deferred") return { outcome: "retry", reply };
  if (event === "queue.failed") return { outcome: "bounce", reply };
  return { outcome: answer.host === "mx.good.test" ? "next" : "delivered", reply };
}

describe("a foreign host that", () => {
  for (const [number, { what, alone, besides, reply = /./ }] of MISBEHAVIOURS.entries()) {
    test(`${what}: ${alone}; beside another one: ${besides}`, () => {
      const outcome = first(addressOf("alone", number));
      assert.equal(outcome.outcome, alone, outcome.reply);
      assert.match(outcome.reply, reply);
      const beside = first(addressOf("besides", number));
      assert.equal(beside.outcome, besides, beside.reply);
    });
  }

  test("behaves at last: each message is somewhere, once, and each failure is told once", async () => {
    for (const peer of peers.values()) peer.heal();
    const failed = addresses.filter((address) => first(address).outcome === "bounce");
    await stage.out.queue.flush({ at: Date.now() });
    await until(() =>
      addresses.every((to) => told.some((each) => each.to === to && each.event !== "queue.deferred")),
    );
    while ((await stage.out.queue.counts()).items > 0) await stage.out.queue.nextDue([]);
    const taken = [...peers.values()].flatMap(({ accepted }) => accepted.flat());
    const all = [...taken, ...stage.remote.received.flatMap(({ recipients }) => recipients)];
    assert.deepEqual(all.toSorted(), addresses.filter((address) => !failed.includes(address)).toSorted());
    const notices = stage.box.received.map(
      ({ body }) => /Final-Recipient: rfc822; (\S+)/.exec(body.toString())?.[1],
    );
    assert.deepEqual(notices.toSorted(), failed.toSorted());
  });
});
