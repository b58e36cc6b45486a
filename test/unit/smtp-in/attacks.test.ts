/** Ways past a domain's p=reject, and what must come of each: messages really signed, a zone, a verdict. */
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { dkimSign, sealMessage } from "mailauth";
import { SenderSettings } from "../../../mailserver/contract.ts";
import { parseMessage } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { judgeSender } from "../../../mailserver/policy/sender.ts";
import { type Checked, createSenderCheck, type Origin } from "../../../mailserver/smtp-in/check-sender.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type Records, zoneQuery } from "../../support/zone.ts";

const NOW = Date.UTC(2026, 0, 2);
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const small = generateKeyPairSync("rsa", { modulusLength: 512 });
const curve = generateKeyPairSync("ed25519");
type Pair = { publicKey: typeof rsa.publicKey; privateKey: typeof rsa.privateKey };
const spki = ({ publicKey }: Pair): string =>
  publicKey.export({ type: "spki", format: "der" }).toString("base64");
const pem = ({ privateKey }: Pair): string => privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const RSA = `v=DKIM1; k=rsa; p=${spki(rsa)}`;
const ED25519 = `v=DKIM1; k=ed25519; p=${Buffer.from(spki(curve), "base64").subarray(-32).toString("base64")}`;
const REJECT = "v=DMARC1; p=reject";

/** bank.example never sends from 192.0.2.66, where evil.example does. */
const ZONE: Records = {
  "bank.example": "v=spf1 ip4:192.0.2.1 -all",
  "_dmarc.bank.example": REJECT,
  "s._domainkey.bank.example": RSA,
  "e._domainkey.bank.example": ED25519,
  "short._domainkey.bank.example": `v=DKIM1; p=${spki(small)}`,
  "gone._domainkey.bank.example": "v=DKIM1; p=",
  "s._domainkey.mail.bank.example": RSA,
  "mail.bank.example": "v=spf1 ip4:192.0.2.1 -all",
  "evil.example": "v=spf1 ip4:192.0.2.66 -all",
  "s._domainkey.evil.example": RSA,
  "_dmarc.evil.example": REJECT,
  "soft.example": "v=spf1 -all",
  "_dmarc.soft.example": "v=DMARC1; p=quarantine; pct=0",
  "_dmarc.strict.example": "v=DMARC1; p=reject; adkim=s; aspf=s",
  "s._domainkey.mail.strict.example": RSA,
  "mail.strict.example": "v=spf1 ip4:192.0.2.66 -all",
  "_dmarc.sub.example": "v=DMARC1; p=none; sp=reject",
  "a.sub.example": { A: ["192.0.2.5"] },
  "_dmarc.new.example": "v=DMARC1; p=none; sp=none; np=reject",
  "there.new.example": { A: ["192.0.2.5"] },
  "_dmarc.pct.example": "v=DMARC1; p=reject; pct=0",
  "_dmarc.try.example": "v=DMARC1; p=reject; t=y",
  "_dmarc.none.example": "v=DMARC1; p=none",
  "_dmarc.twice.example": { TXT: [["v=DMARC1; p=reject"], ["v=DMARC1; ", "p=reject"]] },
  "_dmarc.cut.example": { TXT: [["v=DM", "ARC1; p=rej", "ect"]] },
  "_dmarc.loud.example": "V=DMARC1; P=REJECT",
  "_dmarc.flat.example": { TXT: ["v=DMARC1; p=reject"] },
  "_dmarc.noise.example": { TXT: [["something else"], ["v=DMARC1; p=reject"], ["v=spf1 -all"]] },
  "s._domainkey.noise.example": { TXT: [["v=spf1 -all"], [RSA]] },
  "_dmarc.bücher.example": "never asked for",
  "_dmarc.xn--bcher-kva.example": REJECT,
};

const body = (from: string, more = ""): string =>
  `${from}\r\n${more}Subject: x\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\nPay at once.\r\n`;
const by = (author: string, more = ""): string => body(`From: ${author}`, more);

interface Signing {
  readonly d?: string;
  readonly s?: string;
  readonly key?: Pair;
  readonly l?: number;
  readonly at?: number;
  readonly expires?: number;
  readonly algorithm?: string;
}

async function sign(text: string, signing: Signing = {}): Promise<string> {
  const { d = "bank.example", s = "s", key = rsa, l, at = NOW, expires, algorithm } = signing;
  const { signatures, errors } = await dkimSign(text, {
    canonicalization: "relaxed/relaxed",
    signTime: new Date(at),
    ...(expires === undefined ? {} : { expires: new Date(expires) }),
    signatureData: [
      {
        signingDomain: d,
        selector: s,
        privateKey: pem(key),
        ...(algorithm === undefined ? {} : { algorithm }),
        ...(l === undefined ? {} : { maxBodyLength: l }),
      },
    ],
  } as Parameters<typeof dkimSign>[1]);
  assert.deepEqual(errors ?? [], []);
  return signatures.replace(/\r?\n/g, "\r\n") + text;
}

/** A signature that nobody made, with the tags that are given. */
const bogus = (d: string, s: string, more = ""): string =>
  `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=${d}; s=${s};${more} h=from; bh=${EMPTY_BODY}; b=AAAA\r\n`;
/** Of "Pay at once." (relaxed, sha256), so that the key is asked for. */
const EMPTY_BODY = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const bodyless = (from: string, more = ""): string => `${more}From: ${from}\r\n\r\n`;

async function seal(text: string): Promise<string> {
  const headers = await sealMessage(text, {
    ...{ signingDomain: "evil.example", selector: "s", privateKey: pem(rsa), signTime: new Date(NOW) },
    authResults: "mx.evil.example; dmarc=pass header.from=bank.example; spf=pass smtp.mailfrom=bank.example",
  } as Parameters<typeof sealMessage>[1]);
  return headers.toString() + text;
}

interface Attack {
  readonly text: string | Promise<string>;
  readonly origin?: Partial<Origin>;
  readonly zone?: Records;
  /** Time runs out when every answer that comes has come. */
  readonly late?: boolean;
  readonly settings?: Partial<SenderSettings>;
  readonly want: "accept" | "junk" | number;
  readonly results?: RegExp;
}

const CEO = "<ceo@bank.example>";
const refused = (text: Attack["text"], more: Partial<Attack> = {}): Attack => ({ text, want: 550, ...more });
const junk = (text: Attack["text"], more: Partial<Attack> = {}): Attack => ({ text, want: "junk", ...more });
const later = (text: Attack["text"], more: Partial<Attack> = {}): Attack => ({ text, want: 451, ...more });
const taken = (text: Attack["text"], more: Partial<Attack> = {}): Attack => ({
  text,
  want: "accept",
  ...more,
});
const OWN: Partial<Origin> = { ip: "192.0.2.1", helo: "mx.bank.example", from: "ceo@bank.example" };
const NULL: Partial<Origin> = { from: "" };

/** An SPF record that uses up as many questions as it may. */
const GREEDY: Records = {
  "evil.example": `v=spf1 ${Array.from({ length: 9 }, (_, at) => `mx:m${at}.evil.example`).join(" ")} -all`,
  ...Object.fromEntries(
    Array.from({ length: 9 }, (_, at) => [
      `m${at}.evil.example`,
      {
        MX: Array.from({ length: 10 }, (__, nr) => ({ exchange: `x${at}-${nr}.evil.example`, priority: 1 })),
      },
    ]),
  ),
  ...Object.fromEntries(
    Array.from({ length: 90 }, (_, at) => [
      `x${Math.floor(at / 10)}-${at % 10}.evil.example`,
      { A: ["192.0.2.9"] },
    ]),
  ),
};

const groups: Readonly<Record<string, Readonly<Record<string, Attack>>>> = {
  "what is right passes:": {
    "SPF of the domain": taken(by(CEO), { origin: OWN, results: /spf=pass.*dmarc=pass/s }),
    "SPF of a subdomain (relaxed)": taken(by(CEO), { origin: { ...OWN, from: "a@mail.bank.example" } }),
    "SPF of the HELO name where the reverse-path is null": taken(by(CEO), {
      origin: { ...OWN, from: "", helo: "bank.example" },
      results: /spf=pass.*smtp\.helo=bank\.example/s,
    }),
    "an RSA signature": taken(sign(by(CEO)), { results: /dkim=pass.*dmarc=pass/s }),
    "an Ed25519 signature": taken(sign(by(CEO), { s: "e", key: curve }), {
      results: /dkim=pass.*dmarc=pass/s,
    }),
    "the second of two signatures": taken(
      sign(by(CEO)).then((text) => sign(text, { d: "evil.example" })),
      { results: /dkim=pass header\.i=@evil.*dkim=pass header\.i=@bank.*dmarc=pass/s },
    ),
    "one that holds beside one that doesn't": taken(
      sign(by(CEO)).then((text) => bogus("bank.example", "s") + text),
      { results: /dkim=neutral.*dkim=pass.*dmarc=pass/s },
    ),
    "a signature of a subdomain (relaxed)": taken(sign(by(CEO), { d: "mail.bank.example" })),
    "a signature of the domain for its subdomain (relaxed)": taken(sign(by("<ceo@a.bank.example>"))),
    "a signature although SPF fails": taken(sign(by(CEO)), {
      origin: { from: "x@bank.example" },
      results: /spf=fail.*dmarc=pass/s,
    }),
    "l= that covers the whole body": taken(sign(by(CEO), { l: 14 })),
    "l= beside SPF that passes": taken(sign(by(CEO), { l: 3 }), { origin: OWN }),
    "a signature that expires tomorrow": taken(sign(by(CEO), { expires: NOW + 86_400_000 })),
    "a key beside another text of its name": taken(sign(by("<a@noise.example>"), { d: "noise.example" })),
    "a group of one": taken(sign(by(`Board: ${CEO};`))),
    "several authors of one domain": taken(sign(by(`${CEO}, Anna <anna@BANK.example>`))),
    "comments, quotes and routes around the address": taken(
      sign(by(`(the (boss)) "Ceo, <x@evil.example>" <@relay.example:ceo@bank.example> (really)`)),
    ),
    "an unquoted comma and an address as name": taken(sign(by(`Boss, The <ceo@bank.example>`))),
    "an address as unquoted name": taken(sign(by(`ceo@bank.example <ceo@bank.example>`))),
    "spaces and capitals": taken(sign(by(`  CEO@Bank.EXAMPLE. `))),
    "a message of a domain without policy": taken(by("<a@plain.example>"), { results: /dmarc=none/ }),
  },
  "who is not the domain is refused:": {
    "no signature, SPF of another": refused(by(CEO)),
    "SPF fails": refused(by(CEO), { origin: { from: "ceo@bank.example" } }),
    "the null reverse-path": refused(by(CEO), { origin: NULL }),
    "the null reverse-path and the domain's HELO": refused(by(CEO), {
      origin: { ...NULL, helo: "bank.example" },
    }),
    "a Return-Path that claims": refused(by(CEO, "Return-Path: <ceo@bank.example>\r\n"), { origin: NULL }),
    "a HELO with an address in it": refused(by(CEO), { origin: { ...NULL, helo: "x@bank.example" } }),
    "a HELO that is an address": refused(by(CEO), { origin: { ...NULL, helo: "[192.0.2.1]" } }),
    "a quoted local part with the domain in it": refused(by(CEO), {
      origin: { from: '"ceo@bank.example"@evil.example' },
    }),
    "a mapped address": refused(by(CEO), { origin: { ip: "::ffff:192.0.2.66", from: "ceo@bank.example" } }),
    "a signature of another": refused(sign(by(CEO), { d: "evil.example" })),
    "a changed body": refused(sign(by(CEO)).then((text) => text.replace("once", "leisure"))),
    "a changed From": refused(
      sign(by("<a@evil.example>")).then((text) => text.replace("<a@evil.example>", CEO)),
    ),
    "an expired signature": refused(sign(by(CEO), { at: NOW - 9e6, expires: NOW - 1_000 }), {
      results: /expired/,
    }),
    "a key that is too short": refused(bodyless(CEO, bogus("bank.example", "short")), {
      results: /dkim=policy/,
    }),
    "a revoked key": refused(sign(by(CEO), { s: "gone" })),
    "no such key": refused(sign(by(CEO), { s: "nokey" })),
    "rsa-sha1": refused(sign(by(CEO), { algorithm: "rsa-sha1" })),
    "another's key under the domain's name": refused(
      sign(by(CEO), { key: generateKeyPairSync("rsa", { modulusLength: 2_048 }) }),
    ),
    "strict alignment: a subdomain's signature": refused(
      sign(by("<a@strict.example>"), { d: "mail.strict.example" }),
    ),
    "strict alignment: a subdomain's SPF": refused(by("<a@strict.example>"), {
      origin: { from: "a@mail.strict.example" },
    }),
    "a subdomain under p": refused(by("<ceo@deep.below.bank.example>")),
    "sp where p is none": refused(by("<ceo@a.sub.example>")),
    "np for a name that isn't there": refused(by("<ceo@nothing.new.example>")),
    "pct=0 means nothing": refused(by("<a@pct.example>")),
    "more labels than are walked": refused(by(`<a@${"x.".repeat(30)}bank.example>`)),
    "a label that can't exist": refused(by(`<a@${"x".repeat(64)}.bank.example>`)),
    "the organisation's policy for a sibling": refused(by("<ceo@a.bank.example>"), {
      origin: { from: "x@evil.example" },
    }),
  },
  "policies are read as they are written:": {
    "p=none": taken(by("<a@none.example>"), { results: /dmarc=fail/ }),
    "p itself where only sp rejects": taken(by("<a@sub.example>")),
    "sp for a name that is there": taken(by("<a@there.new.example>")),
    "t=y lowers by one": junk(by("<a@try.example>")),
    "quarantine, whatever pct says": junk(by("<a@soft.example>")),
    "the same record twice": refused(by("<a@twice.example>")),
    "a record in pieces": refused(by("<a@cut.example>")),
    "capitals in it": refused(by("<a@loud.example>")),
    "an answer without the inner lists": refused(by("<a@flat.example>")),
    "other texts beside it": refused(by("<a@noise.example>")),
    "an IDN": refused(by("<a@bücher.example>")),
    "an IDN in capitals": refused(by("<a@BÜCHER.example>")),
  },
  "a From field that is read in two ways:": {
    "none at all": junk(body("To: a@b.example")),
    "an empty one": junk(by("")),
    "no address": junk(by("Somebody")),
    "an encoded word for an address": junk(by("=?utf-8?q?ceo=40bank.example?=")),
    "an empty group": junk(by("nobody: ;")),
    "two fields, the forged one first": refused(
      sign(by("<a@evil.example>"), { d: "evil.example" }).then((text) => `From: ${CEO}\r\n${text}`),
    ),
    "two fields, the forged one last": refused(
      sign(by("<a@evil.example>"), { d: "evil.example" }).then((text) =>
        text.replace("\r\nSubject:", `\r\nFrom: ${CEO}\r\nSubject:`),
      ),
    ),
    "two fields of domains without policy": junk(by("<a@plain.example>", "From: <b@other.example>\r\n")),
    "two fields, both right": junk(by(CEO, `From: ${CEO}\r\n`), { origin: OWN }),
    "two authors, the forged one last": refused(sign(by(`<a@evil.example>, ${CEO}`), { d: "evil.example" })),
    "two authors, the forged one first": refused(sign(by(`${CEO}, <a@evil.example>`), { d: "evil.example" })),
    "two in a group": refused(sign(by(`x: <a@evil.example>, ${CEO};`), { d: "evil.example" })),
    "nested groups": refused(by(`a: b: ${CEO};;`)),
    "two addresses for one name": refused(sign(by(`<a@evil.example> ${CEO}`), { d: "evil.example" })),
    "an empty address beside": refused(by(`ceo@bank.example <>`)),
    "a quoted address alone": refused(by(`"ceo@bank.example"`)),
    "a quoted address before another": refused(
      sign(by(`"ceo@bank.example", <a@evil.example>`), { d: "evil.example" }),
    ),
    "a bracket that doesn't end": refused(by("Ceo <ceo@bank.example")),
    "a quote that doesn't end": refused(by('"Ceo <ceo@bank.example>')),
    "a comment that doesn't end": refused(by("(x <ceo@bank.example>")),
    "two at signs": refused(sign(by("<ceo@bank.example@evil.example>"), { d: "evil.example" })),
    "two at signs, the other way": refused(sign(by("<a@evil.example@bank.example>"), { d: "evil.example" })),
    "a comment in the domain": refused(by("<ceo@bank(.evil).example>")),
    "a control character after the domain": refused(by("<ceo@bank.example\x01>")),
    "a delete character in the domain": refused(by("<ceo@bank.example\x7f>")),
    "a dot before the domain": refused(by("<ceo@.bank.example>")),
    "two dots in the domain": refused(by("<ceo@bank..example>")),
    "dots after the domain": refused(by("<ceo@bank.example..>")),
    "a slash after the domain": refused(by("<ceo@bank.example/x>")),
    "a backslash in the domain": junk(by("<ceo@bank\\.example>")),
    "a percent sign in the domain": junk(by("<ceo@ba%6ek.example>")),
    "an invisible character in the domain": refused(by("<ceo@ba\u00adnk.example>")),
    "a space of no width in the domain": refused(by("<ceo@ba\u200bnk.example>")),
    "wide characters": refused(by("<ceo@ｂａｎｋ.example>")),
    "an ideographic full stop": refused(by("<ceo@bank。example>")),
    "a field name with a space": refused(body(`From : ${CEO}`)),
    "a folded field": refused(body(`From:\r\n\t\r\n ${CEO}`)),
    "a field in capitals": refused(body(`FROM: ${CEO}`)),
    "the field behind a line that is none": junk(body(`garbage\r\nFrom: ${CEO}`)),
    "an obsolete source route": refused(by("<@evil.example:ceo@bank.example>")),
    "very many authors": junk(
      by(`${Array.from({ length: 3_000 }, (_, at) => `a@x${at}.example`).join(",\r\n ")}`),
    ),
    "very many quotes": junk(by(`${'"\\'.repeat(4_000)} <a@plain.example>`)),
    "very many spaces": junk(by(`a${" ".repeat(200_000)}b @plain.example`)),
  },
  "trouble with DNS hides no forger:": {
    "the policy of its own domain is silent": taken(by("<a@quiet.example>"), {
      zone: { "_dmarc.quiet.example": "silent" },
      late: true,
      results: /dmarc=temperror/,
    }),
    "the same, set to defer": later(by("<a@quiet.example>"), {
      zone: { "_dmarc.quiet.example": "ESERVFAIL" },
      settings: { dnsFailure: "defer" },
    }),
    "the attacker's SPF is silent": refused(by(CEO), { zone: { "evil.example": "silent" }, late: true }),
    "the attacker's SPF fails": refused(by(CEO), { zone: { "evil.example": "ESERVFAIL" } }),
    "the attacker's key is silent": refused(bodyless(CEO, bogus("evil.example", "q")), {
      zone: { "q._domainkey.evil.example": "silent" },
      late: true,
    }),
    "the attacker's SPF asks as much as it can": refused(by(CEO), { zone: GREEDY }),
    "the attacker signs ten times": refused(
      bodyless(CEO, Array.from({ length: 40 }, (_, at) => bogus("evil.example", `s${at}`)).join("")),
    ),
    "the domain's SPF is silent": later(by(CEO), {
      origin: OWN,
      zone: { "bank.example": "silent" },
      late: true,
    }),
    "the domain's key is silent": later(sign(by(CEO)), {
      zone: { "s._domainkey.bank.example": "silent" },
      late: true,
    }),
    "a key of the domain that DNS fails on": later(bodyless(CEO, bogus("lame.bank.example", "s")), {
      zone: { "s._domainkey.lame.bank.example": "ESERVFAIL" },
    }),
    "a selector that can't exist": refused(bodyless(CEO, bogus("bank.example", "a..b"))),
    "a selector that is too long": refused(bodyless(CEO, bogus("bank.example", "x".repeat(64)))),
    "a selector with an escape": refused(bodyless(CEO, bogus("bank.example", "a\\000b"))),
    "a name that DNS calls bad": refused(bodyless(CEO, bogus("bank.example", "bad")), {
      zone: { "bad._domainkey.bank.example": "EBADNAME" },
    }),
    "a broken name below the domain": later(by("<ceo@lame.bank.example>"), {
      zone: { "_dmarc.lame.bank.example": "ESERVFAIL" },
    }),
    "a silent name below the domain": later(by("<ceo@lame.bank.example>"), {
      zone: { "_dmarc.lame.bank.example": "silent" },
      late: true,
    }),
    "a name of which nobody knows whether it exists": later(by("<ceo@lame.new.example>"), {
      zone: { "lame.new.example": { A: "ESERVFAIL" } },
    }),
    "a local part that the SPF record asks by": refused(by(CEO), {
      origin: { from: '"a..b"@bank.example' },
      zone: { "bank.example": "v=spf1 exists:%{l}.spf.bank.example -all" },
    }),
    "an answer that is none": taken(by("<a@odd.example>"), {
      zone: { "_dmarc.odd.example": { TXT: { not: "a list" } } },
      results: /dmarc=temperror/,
    }),
    "an address that is none in the domain's SPF": later(by(CEO), {
      origin: OWN,
      zone: {
        "bank.example": "v=spf1 a:w.bank.example -all",
        "w.bank.example": { A: ["no address"], AAAA: [] },
      },
    }),
    "an error without a code": taken(by("<a@odd.example>"), {
      zone: { "_dmarc.odd.example": { TXT: "no code" } },
    }),
    "somebody else's trouble beside a pass": taken(sign(by(CEO)), {
      zone: { "evil.example": "ESERVFAIL" },
      settings: { dnsFailure: "defer" },
    }),
  },
  "what is not the whole message:": {
    "l= with more behind it": junk(sign(by(CEO), { l: 3 }), { results: /dkim=pass/ }),
    "l=0": junk(sign(by(CEO), { l: 0 })),
    "l= with more behind it, where the policy is none": taken(
      sign(by("<a@none.example>"), { d: "none.example", l: 3 }),
      { zone: { "s._domainkey.none.example": RSA } },
    ),
    "l= beside a whole signature": taken(
      sign(by(CEO), { l: 3 }).then((text) => sign(text, { d: "mail.bank.example" })),
    ),
    "a signature without From": refused(
      bodyless(CEO, bogus("bank.example", "s").replace("h=from", "h=subject")),
    ),
    "fields that no check stands": refused(
      bodyless(
        CEO,
        `Content-Type: text/plain; name*=%ZZ''%E0%A4%A; charset="\r\n${bogus("bank.example", "s", " t=1e999; x=-1; l=x; i=@;")}`,
      ),
    ),
  },
  "ARC is told, and believed of nobody:": {
    "a chain that holds": refused(seal(by(CEO))),
    "a chain that holds, for a domain without policy": taken(seal(by("<a@plain.example>")), {
      results: /arc=pass/,
    }),
    "a chain that doesn't": taken(
      seal(by("<a@plain.example>")).then((text) => text.replace("once", "leisure")),
      { results: /arc=fail/ },
    ),
    "a chain without its seal": taken(
      by("<a@plain.example>", "ARC-Authentication-Results: i=1; x; dmarc=pass\r\n"),
      { results: /arc=fail/ },
    ),
    "no chain": taken(by("<a@plain.example>"), { results: /^(?!.*arc=pass)/s }),
  },
};

async function play({ text, origin, zone, late = false }: Attack): Promise<Checked> {
  const clock = new FakeClock(NOW);
  const asked: string[] = [];
  const query = zoneQuery({ ...ZONE, ...zone }, asked);
  const check = createSenderCheck({
    hostname: "mx.semail.test",
    domains: [],
    query,
    clock,
    timeoutMs: 10_000,
    log: silentLog,
  });
  const from = { id: "1", ip: "192.0.2.66", helo: "mx.evil.example", from: "eve@evil.example", ...origin };
  const checked = check(parseMessage(Buffer.from(await text)), from);
  if (late) {
    // Nothing more is asked while nothing is answered: then the time is up.
    for (let before = -1; before !== asked.length || before === 0; ) {
      before = asked.length;
      for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    }
    await clock.jump();
  }
  return checked;
}

for (const [group, attacks] of Object.entries(groups)) {
  describe(group, () => {
    for (const [name, attack] of Object.entries(attacks)) {
      test(name, async () => {
        const { facts, fields } = await play(attack);
        const verdict = judgeSender(facts, SenderSettings.parse(attack.settings ?? {}));
        const found = verdict.kind === "refuse" ? verdict.reply.code : verdict.kind;
        assert.equal(found, attack.want, JSON.stringify(facts) + fields);
        // Every line of what we write is a field's, and short enough.
        assert.match(
          fields,
          /^(?:Authentication-Results|Received-SPF): (?:[^\r\n]{0,990}\r\n(?:[ \t]|$|(?=Received-SPF:)))+$/,
        );
        assert.match(fields, attack.results ?? /./);
      });
    }
  });
}
