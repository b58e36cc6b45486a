import assert from "node:assert/strict";
import { test } from "node:test";
import { afterConnectFailure, connectOutcome, tryAnotherHost } from "../../../mailserver/courier/classify.ts";
import { reply } from "../../../mailserver/smtp/replies.ts";

const failures = [
  {
    name: "refused connection",
    stage: "connect",
    reply: reply(451, "4.4.1", "x"),
    next: "nextHost",
    last: "temporary",
  },
  {
    name: "greeting 421",
    stage: "greeting",
    reply: reply(421, "4.3.2", "x"),
    next: "nextHost",
    last: "temporary",
  },
  {
    name: "greeting 450",
    stage: "greeting",
    reply: reply(450, "4.7.1", "x"),
    next: "nextHost",
    last: "temporary",
  },
  {
    name: "greeting 554",
    stage: "greeting",
    reply: reply(554, "5.7.1", "x"),
    next: "nextHost",
    last: "temporary",
  },
  {
    name: "greeting 521",
    stage: "greeting",
    reply: reply(521, "5.3.2", "x"),
    next: "giveUp",
    last: "permanent",
  },
  {
    name: "greeting time-out",
    stage: "greeting",
    reply: reply(451, "4.4.2", "x"),
    next: "nextHost",
    last: "temporary",
  },
  { name: "EHLO 550", stage: "helo", reply: reply(550, "5.7.1", "x"), next: "nextHost", last: "permanent" },
  { name: "EHLO 450", stage: "helo", reply: reply(450, "4.7.1", "x"), next: "nextHost", last: "temporary" },
  { name: "556", stage: "helo", reply: reply(556, "5.1.10", "x"), next: "giveUp", last: "permanent" },
  {
    name: "failed hand-shake",
    stage: "tls",
    reply: reply(451, "4.7.5", "x"),
    next: "clearText",
    last: "temporary",
  },
  {
    name: "STARTTLS 554",
    stage: "tls",
    reply: reply(554, "5.7.1", "x"),
    next: "clearText",
    last: "temporary",
  },
] as const;
for (const { name, stage, reply: of, next, last } of failures) {
  test(`${name}: ${next}, ${last} when no host is left`, () => {
    assert.equal(afterConnectFailure(stage, of), next);
    assert.deepEqual(connectOutcome(stage, of), { kind: last, reply: of });
  });
}

const outcomes = [
  { name: "delivered", kind: "delivered", reply: reply(250, "2.0.0", "x"), another: false },
  { name: "550", kind: "permanent", reply: reply(550, "5.1.1", "x"), another: false },
  { name: "450", kind: "temporary", reply: reply(450, "4.2.0", "x"), another: true },
  { name: "421 in mid-session", kind: "temporary", reply: reply(421, "4.3.2", "x"), another: true },
  { name: "lost connection", kind: "temporary", reply: reply(451, "4.4.2", "x"), another: false },
] as const;
for (const { name, another, ...outcome } of outcomes) {
  test(`${name}: ${another ? "another host may be asked" : "no other host is asked"}`, () => {
    assert.equal(tryAnotherHost(outcome), another);
  });
}
