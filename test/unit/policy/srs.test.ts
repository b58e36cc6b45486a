import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { restore, rewrite } from "../../../mailserver/policy/srs.ts";
import { makeAddress, parseEnvelopeAddress } from "../../../mailserver/smtp/address.ts";
import type { Address } from "../../../mailserver/smtp/types.ts";

const DAY = 86_400_000;
const NOW = 20_000 * DAY;
const rules = { domains: ["semail.test", "semail.example"], secret: "secret-for-tests-0123" };
const others = { domains: ["other.test"], secret: "another-secret-for-tests" };
const third = { domains: ["third.test"], secret: "a-third-secret-for-tests" };

const read = (text: string): Address => parseEnvelopeAddress(text) ?? assert.fail(text);
const out = (text: string, by = rules, now = NOW): Address =>
  rewrite(read(text), by, now) ?? assert.fail(text);
const back = (address: Address, by = rules, now = NOW): string => {
  const found = restore(address, by, now);
  return found.kind === "valid" ? found.address.text : found.kind;
};

describe("the reverse-path of a forwarded message", () => {
  for (const sender of [
    "bob@foreign.test",
    "Bob.Smith+tag@foreign.test",
    "a=b=c@foreign.test",
    '"odd one"@foreign.test',
    "a..b@foreign.test",
    '"a..b"@foreign.test',
    "user.@foreign.test",
    ".user@foreign.test",
    "bounce@news_letter.foreign.test",
    "bob@[192.0.2.1]",
    "jürgen@xn--mnchen-3ya.test",
    "SRS0=abcd=ef=x.test@foreign.test",
    "SRS0+abcd=ef=x.test=kim@foreign.test",
  ]) {
    test(`${sender} becomes one of ours, and is found again`, () => {
      const address = out(sender);
      assert.equal(address.domain, "semail.test");
      // As it comes back over the wire.
      assert.equal(back(read(address.text)), sender);
    });
  }

  test("names the domain in ASCII, so that it passes servers without SMTPUTF8", () => {
    assert.match(out("bob@münchen.test").text, /=xn--mnchen-3ya\.test=bob@semail\.test$/);
  });

  test("is left alone when it is null, or ours", () => {
    assert.equal(rewrite(null, rules, NOW), null);
    for (const own of ["alice@semail.test", "alice@semail.example"]) assert.equal(out(own).text, own);
  });

  test("looks as others expect it", () => {
    assert.match(
      out("bob@foreign.test").text,
      /^SRS0=[0-9a-v]{8}=[0-9a-v]{2}=foreign\.test=bob@semail\.test$/,
    );
  });

  test("over three forwarders stays as long as over two, and finds its way back past the middle one", () => {
    const first = out("bob@foreign.test", others);
    const second = out(first.text);
    assert.match(
      second.text,
      /^SRS1=[0-9a-v]{8}=other\.test==[0-9a-v]{8}=[0-9a-v]{2}=foreign\.test=bob@semail\.test$/,
    );
    const last = out(second.text, third);
    assert.match(last.text, /^SRS1=[0-9a-v]{8}=other\.test==/);
    assert.equal(back(second), first.text);
    assert.equal(back(last, third), first.text);
    assert.equal(back(first, others), "bob@foreign.test");
  });
});

test("odd dots and underscores find their way back past two forwarders", () => {
  for (const sender of ["a..b.@foreign.test", "..a@foreign.test", "a@_b_.test"]) {
    const first = out(sender, others);
    const last = out(out(first.text).text, third);
    assert.equal(back(read(last.text), third), first.text);
    assert.equal(back(read(first.text), others), sender);
  }
});

describe("a bounce", () => {
  const address = out("bob@foreign.test");

  test("is taken for two weeks, also over the turn of the count", () => {
    for (const sent of [NOW, 1_023 * DAY, 1_024 * DAY]) {
      const path = out("bob@foreign.test", rules, sent);
      assert.equal(back(path, rules, sent + 14 * DAY), "bob@foreign.test");
      assert.equal(back(path, rules, sent + 15 * DAY), "invalid");
      assert.equal(back(path, rules, sent - DAY), "invalid");
    }
  });

  test("is taken whatever became of upper and lower case", () => {
    assert.equal(back(read(address.text.toUpperCase())).toLowerCase(), "bob@foreign.test");
  });

  for (const [what, local] of Object.entries({
    "another person": address.local.replace("=bob", "=kim"),
    "another domain": address.local.replace("foreign.test", "victim.test"),
    "another day": address.local.replace(/=(..)=foreign/, "=00=foreign"),
    "no hash": address.local.replace(/=[0-9a-v]{8}=/, "=="),
    "a hash cut short": address.local.replace(/=[0-9a-v]{8}=/, "=abc="),
    "SRS0 alone": "SRS0=",
    "a forged SRS1": "SRS1=abcdefgh=victim.test==abcd=00=x.test=kim",
    "SRS1 alone": "SRS1=abcd=x.test",
  })) {
    test(`with ${what} is refused`, () => {
      assert.equal(back(makeAddress(local, "semail.test")), "invalid");
    });
  }

  test("to another domain, or to a person, is none", () => {
    assert.equal(back(makeAddress(address.local, "foreign.test")), "none");
    assert.equal(back(read("srs@semail.test")), "none");
    assert.equal(back(read("alice@semail.test")), "none");
  });
});

test("what is rewritten for the second time is no address that was rewritten once, whatever a stranger calls themselves", () => {
  // A stranger's own domain; what follows would be time, domain and name of an SRS0.
  const seen = out("SRS1=x=m2=victim.test=ceo@attacker.test");
  assert.match(seen.local, /^SRS1=/);
  const forged = read(`SRS0${seen.local.slice("SRS1".length)}@${seen.domain}`);
  for (let day = 0; day < 1_024; day += 1) assert.equal(back(forged, rules, NOW + day * DAY), "invalid");
});
