import assert from "node:assert/strict";
import { test } from "node:test";
import {
  afterAnotherHost,
  afterConnectFailure,
  connectOutcome,
  tryAnotherHost,
} from "../../../mailserver/courier/classify.ts";
import { badPeerReply, connectionLost, peerTimeout, reply } from "../../../mailserver/smtp/replies.ts";
import type { ClientStage, Outcome } from "../../../mailserver/smtp/types.ts";

type Failure = readonly [
  name: string,
  stage: ClientStage,
  code: number,
  next: ReturnType<typeof afterConnectFailure>,
  last: Outcome["kind"],
];
const failures: readonly Failure[] = [
  ["refused connection", "connect", 451, "nextHost", "temporary"],
  ["greeting 421", "greeting", 421, "nextHost", "temporary"],
  ["greeting 450", "greeting", 450, "nextHost", "temporary"],
  ["greeting 521", "greeting", 521, "nextHost", "permanent"],
  ["greeting 550", "greeting", 550, "nextHost", "temporary"],
  ["greeting 554", "greeting", 554, "nextHost", "temporary"],
  ["greeting 556", "greeting", 556, "nextHost", "permanent"],
  ["greeting time-out", "greeting", 451, "nextHost", "temporary"],
  ["EHLO 421", "helo", 421, "nextHost", "temporary"],
  ["EHLO 450", "helo", 450, "nextHost", "temporary"],
  ["EHLO lost", "helo", 451, "nextHost", "temporary"],
  ["EHLO 500", "helo", 500, "nextHost", "permanent"],
  ["EHLO 521", "helo", 521, "nextHost", "permanent"],
  ["EHLO 550", "helo", 550, "nextHost", "permanent"],
  ["EHLO 556", "helo", 556, "nextHost", "permanent"],
  ["AUTH 454", "auth", 454, "nextHost", "temporary"],
  ["AUTH 535", "auth", 535, "nextHost", "permanent"],
  ["failed hand-shake", "tls", 451, "clearText", "temporary"],
  ["STARTTLS 421", "tls", 421, "clearText", "temporary"],
  ["STARTTLS 454", "tls", 454, "clearText", "temporary"],
  ["STARTTLS 554", "tls", 554, "clearText", "temporary"],
];
for (const [name, stage, code, next, last] of failures) {
  test(`${name}: ${next}, ${last} when all hosts are like it`, () => {
    const of = reply(code, `${code < 500 ? 4 : 5}.0.0`, "x");
    assert.equal(afterConnectFailure(stage, of), next);
    assert.deepEqual(connectOutcome(stage, of), { kind: last, reply: of });
  });
}

const outcome = (kind: Outcome["kind"], code: number, status = "4.0.0"): Outcome => ({
  kind,
  reply: reply(code, status, "x"),
});

const hosts = [
  { before: undefined, now: outcome("permanent", 550), stands: "now" },
  { before: outcome("permanent", 550), now: outcome("permanent", 521), stands: "now" },
  { before: outcome("permanent", 550), now: outcome("temporary", 451), stands: "now" },
  { before: outcome("temporary", 451), now: outcome("permanent", 550), stands: "before" },
  { before: outcome("temporary", 421), now: outcome("temporary", 451), stands: "before" },
] as const;
for (const { before, now, stands } of hosts) {
  const said = (of: Outcome | undefined): string => (of === undefined ? "nothing" : `${of.reply.code}`);
  test(`one host said ${said(before)}, the next ${said(now)}: ${stands === "now" ? "the latter" : "the former"} stands`, () => {
    assert.equal(afterAnotherHost(before, now), stands === "now" ? now : before);
  });
}

const outcomes = [
  { name: "delivered", of: outcome("delivered", 250), before: false, after: false },
  { name: "550", of: outcome("permanent", 550), before: false, after: false },
  { name: "450", of: outcome("temporary", 450), before: true, after: true },
  { name: "421", of: outcome("temporary", 421), before: true, after: true },
  // The peer's own words, whatever the status: it answered, so it didn't take the message.
  { name: "451 4.4.2 of the peer", of: outcome("temporary", 451, "4.4.2"), before: true, after: true },
  { name: "lost", of: { kind: "temporary", reply: connectionLost }, before: true, after: false },
  { name: "time-out", of: { kind: "temporary", reply: peerTimeout }, before: true, after: false },
  { name: "nonsense", of: { kind: "temporary", reply: badPeerReply }, before: true, after: false },
] as const;
for (const { name, of, before, after } of outcomes) {
  for (const [bodyBegan, another] of [
    [false, before],
    [true, after],
  ] as const) {
    test(`${name} ${bodyBegan ? "once the body began" : "before the body"}: ${another ? "another" : "no other"} host may be asked`, () => {
      assert.equal(tryAnotherHost(of, { bodyBegan }), another);
    });
  }
}
