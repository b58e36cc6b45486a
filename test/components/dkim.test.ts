import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { byType, declare, named, RAW_KEY, settingsOf } from "./declared-stack.ts";

describe("a stack whose mail is signed by a second key", () => {
  before(async () => {
    await declare({
      domain: "example.test",
      ...{
        dns: { provider: "dev" },
        dkim: { ed25519: true },
        smtpOut: { tls: { exempt: ["partner.test"] }, showClient: true },
      },
    });
  });

  it("publishes both and hands both to smtp-out, RSA first (RFC 8463 section 5)", () => {
    const keys = settingsOf("mail-smtp-out").dkim as { selector: string; domain: string }[];
    assert.deepEqual(
      keys.map(({ selector, domain }) => `${selector} ${domain}`),
      ["semail1 example.test", "semail1-ed25519 example.test"],
    );
    assert.deepEqual(named("semail1-ed25519._domainkey.example.test-TXT").inputs.values, [
      `v=DKIM1; k=ed25519; p=${RAW_KEY}`,
    ]);
  });

  it("tells smtp-out whose TLS policy it shall not heed, and both daemons one secret for reverse-paths", () => {
    assert.deepEqual(settingsOf("mail-smtp-out").tlsExempt, ["partner.test"]);
    assert.equal(settingsOf("mail-smtp-out").showClient, true);
    const secret = settingsOf("mail-smtp-out").srsSecret;
    assert.equal(typeof secret, "string");
    assert.equal(settingsOf("mail-smtp-in").srsSecret, secret);
  });

  it("publishes every key of a plan, and signs with those that it says", async () => {
    const more = { ed25519: true, guarded: false };
    await declare(
      { domain: "example.test", domains: ["second.test"], dns: { provider: "dev" }, dkim: { ed25519: true } },
      {
        plan: {
          phase: "overlap",
          keys: [
            { key: 2, role: "signs", ...more },
            { key: 1, role: "retired", ...more, ed25519: false, until: "2026-12-05T00:00:00.000Z" },
          ],
          removed: [],
        },
      },
    );
    const keys = settingsOf("mail-smtp-out").dkim as { selector: string; domain: string }[];
    assert.deepEqual(
      keys.map(({ selector, domain }) => `${selector} ${domain}`),
      ["example.test", "second.test"].flatMap((zone) => [`semail2 ${zone}`, `semail2-ed25519 ${zone}`]),
    );
    const published = byType("gandi:Record")
      .map(({ name }) => name)
      .filter((name) => name.includes("_domainkey") && name.includes("example.test"));
    assert.deepEqual(published.sort(), [
      "semail1._domainkey.example.test-TXT",
      "semail2-ed25519._domainkey.example.test-TXT",
      "semail2._domainkey.example.test-TXT",
    ]);
    assert.deepEqual(
      byType("semail:KeyPair")
        .map(({ name }) => name)
        .sort(),
      ["keys-dkim", "keys-dkim-2", "keys-dkim-2-ed25519"],
    );
  });
});
