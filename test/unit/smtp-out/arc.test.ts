import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { authenticate } from "mailauth";
import { formatMessage, type Message, makeField, parseMessage } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { createSenderCheck } from "../../../mailserver/smtp-in/check-sender.ts";
import { createArcSealer, verdictOf } from "../../../mailserver/smtp-out/arc.ts";
import { zoneQuery } from "../../support/zone.ts";

const pair = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const record = `v=DKIM1; k=rsa; p=${pair.publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;
const NOW = new Date("2026-01-01T00:00:00Z");

const hops = ["one.test", "two.test", "three.test"];
const query = zoneQuery({
  ...Object.fromEntries(hops.map((domain) => [`s1._domainkey.${domain}`, record])),
  // With the local part in the record it is written into the results.
  "foreign.test": "v=spf1 exists:%{l}.x.foreign.test +all",
});

const sealer = (domain: string) =>
  createArcSealer({
    key: {
      ...{ domain, selector: "s1" },
      privateKey: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    },
    names: [`mx.${domain}`],
    log: silentLog,
  });

const ORIGINAL = parseMessage(
  Buffer.from("From: bob@foreign.test\r\nTo: alice@one.test\r\nSubject: hello\r\n\r\nhi\r\n"),
);
const with_ = (message: Message, name: string, value: string): Message => ({
  ...message,
  fields: [makeField(name, value), ...message.fields],
});

/** What a verifier that is not ours says of the chain. */
async function chainOf(message: Message) {
  const { arc } = await authenticate(formatMessage(message), {
    ...{ ip: "192.0.2.1", helo: "x.test", mta: "mx.verifier.test", sender: "x@foreign.test" },
    resolver: query,
  });
  return arc === false || arc.i === 0 ? "none" : `${arc.status.result} i=${arc.i}`;
}

/** Each hop checks, as smtp-in does, and seals. */
async function forwarded(through: readonly string[], begin = ORIGINAL): Promise<Message> {
  let message = begin;
  for (const domain of through) {
    const before = (await chainOf(message)).split(" ")[0];
    const results = `mx.${domain};\r\n dkim=none;\r\n spf=pass smtp.mailfrom=foreign.test;\r\n arc=${before}`;
    const checked = with_(message, "Authentication-Results", results);
    const seal = await sealer(domain)(checked, NOW);
    message = { ...checked, fields: [...seal, ...checked.fields] };
  }
  return message;
}

describe("a forwarded message", () => {
  test("over one to three hops has a chain that mailauth verifies", async () => {
    assert.equal(await chainOf(ORIGINAL), "none");
    for (const count of [1, 2, 3]) {
      assert.equal(await chainOf(await forwarded(hops.slice(0, count))), `pass i=${count}`);
    }
  });

  test("says what smtp-in found", async () => {
    const text = formatMessage(await forwarded(["one.test"])).toString();
    assert.match(text, /^ARC-Seal: i=1;.*\r\n/);
    assert.match(text, /^ARC-Authentication-Results: i=1; mx\.one\.test;\r\n dkim=none;\r\n spf=pass/m);
  });

  test("that was changed between two hops is sealed as failed, and no more after that", async () => {
    const sealed = await forwarded(["one.test"]);
    const changed = { ...sealed, body: Buffer.from("changed\r\n") };
    const failed = await forwarded(["two.test"], changed);
    assert.match(formatMessage(failed).toString(), /^ARC-Seal: i=2;.*?cv=fail/s);
    assert.equal((await forwarded(["three.test"], failed)).fields.length, failed.fields.length + 1);
  });

  test("that smtp-in did not check is not sealed", async () => {
    assert.deepEqual(await sealer("one.test")(ORIGINAL, NOW), []);
    const theirs = with_(ORIGINAL, "Authentication-Results", "mx.two.test; spf=pass");
    assert.deepEqual(await sealer("one.test")(theirs, NOW), []);
  });
});

describe("a chain that is broken", () => {
  for (const from of ["x@foreign.test", '"x; arc=pass"@foreign.test', '"x\\"; arc=pass"@foreign.test']) {
    test(`stays so, whatever its sender is called: ${from}`, async () => {
      const sealed = await forwarded(["one.test"]);
      const changed = { fields: sealed.fields, body: Buffer.from("changed\r\n") };
      const check = createSenderCheck({
        ...{
          hostname: "mx.two.test",
          domains: [],
          query,
          timeoutMs: 60_000,
          clock: systemClock,
          log: silentLog,
        },
      });
      const origin = { id: "1", ip: "192.0.2.1", helo: "x.test", from };
      const { fields } = await check(changed, origin);
      const arrived = parseMessage(Buffer.concat([Buffer.from(fields), formatMessage(changed)]));
      assert.equal(verdictOf(arrived, ["mx.two.test"])?.cv, "fail");
      const seal = await sealer("two.test")(arrived, NOW);
      const sent = { ...arrived, fields: [...seal, ...arrived.fields] };
      assert.match(await chainOf(sent), /^fail/);
    });
  }
});

for (const { results, sealed, want } of [
  { results: "spf=pass", sealed: false, want: "none" },
  { results: "arc=pass (i=1)", sealed: false, want: "none" },
  { results: "spf=pass; arc=pass (i=1 spf=pass)", sealed: true, want: "pass" },
  { results: "arc=fail", sealed: true, want: "fail" },
  { results: "spf=pass (arc=pass)", sealed: true, want: "fail" },
  { results: "spf=pass", sealed: true, want: "fail" },
  { results: "arc=temperror", sealed: true, want: undefined },
  // What a stranger called himself is no result.
  { results: 'spf=pass smtp.mailfrom="x; arc=pass"@a.test; arc=fail', sealed: true, want: "fail" },
  { results: 'spf=pass smtp.mailfrom="x; arc=temperror"@a.test; arc=fail', sealed: true, want: "fail" },
  { results: 'spf=pass smtp.mailfrom="x\\"; arc=pass"@a.test; arc=fail', sealed: true, want: "fail" },
  { results: 'spf=pass (a" ) smtp.mailfrom="x; arc=fail"@a.test; arc=pass', sealed: true, want: "pass" },
  { results: "spf=pass smtp.mailfrom=arc=pass@a.test; arc=fail", sealed: true, want: "fail" },
]) {
  test(`${results}, ${sealed ? "sealed" : "not sealed"} before: cv=${want}`, () => {
    const message = with_(ORIGINAL, "Authentication-Results", `mx.one.test; ${results}`);
    const before = sealed ? with_(message, "ARC-Seal", "i=1; cv=none") : message;
    assert.equal(verdictOf(before, ["mx.one.test"])?.cv, want);
  });
}
