/** Mail that people submit, relayed by smtp-out to mail servers that nobody here wrote. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openLab } from "../../support/docker.ts";
import { mailer, type Stage, startStage } from "./setup.ts";
import { type ForeignServer, startExim, startOpenSmtpd, startPostfix } from "./targets.ts";

/** With time to build the images. */
const PREPARATION = { timeout: 600_000 };
const TIMEOUT = { timeout: 40_000 };

interface Program {
  readonly domain: string;
  readonly start: typeof startExim;
  /** What the trace field says of TLS. */
  readonly tls: RegExp;
  /** What it answers for somebody whom it does not know. */
  readonly refusal: RegExp;
  /** It has no SMTPUTF8. */
  readonly asciiOnly?: true;
  /** It offers DSN, but its notifications don't repeat the sender's envelope id. */
  readonly forgetsEnvid?: true;
}

const PROGRAMS: Readonly<Record<string, Program>> = {
  Postfix: {
    ...{ domain: "postfix.test", start: startPostfix },
    tls: /with ESMTPS id/,
    refusal: /^Status: 5\.1\.1\r[\s\S]*User unknown in local recipient table/m,
  },
  Exim: {
    ...{ domain: "exim.test", start: startExim },
    tls: /with esmtps +\(TLS1\.3\)/,
    refusal: /^Diagnostic-Code: smtp; 550 5\.0\.0 no such person\r$/m,
  },
  OpenSMTPD: {
    ...{ domain: "opensmtpd.test", start: startOpenSmtpd },
    tls: /with ESMTPS id \w+ \(TLSv1\.3/,
    refusal: /^Diagnostic-Code: smtp; 550 5\.0\.0 Invalid recipient: /m,
    asciiOnly: true,
    forgetsEnvid: true,
  },
};

const lab = openLab();
const servers = new Map<string, ForeignServer>();
let stage: Stage;

before(async () => {
  for (const [name, { domain, start }] of Object.entries(PROGRAMS)) {
    servers.set(name, await start(lab, domain));
  }
  const zone = Object.entries(PROGRAMS).flatMap(([name, { domain }]) => [
    [domain, { mx: [[10, `mx.${domain}`] as const] }] as const,
    [`mx.${domain}`, { a: [servers.get(name)?.address ?? ""] }] as const,
  ]);
  stage = await startStage({
    zone: Object.fromEntries(zone),
    remotePort: 25,
    settings: { allowTargets: ["0.0.0.0/0"] },
  });
}, PREPARATION);
after(async () => {
  await stage?.[Symbol.asyncDispose]();
  await lab.cleanup();
}, PREPARATION);

/** UTF-8, dots where they hurt, and a line as long as any may be (RFC 5321 section 4.5.3.1.6). */
const LINES = [
  ".",
  "..",
  ".dot",
  "",
  "Grüße, 你好",
  "trailing space ",
  "x".repeat(998),
  "From here",
  "QUIT",
  ".",
];
const BODY = `${LINES.join("\r\n")}\r\n`;

const header = (subject: string, to: string): string =>
  [
    "From: alice@semail.test",
    `To: ${to}`,
    `Subject: ${subject}`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: 8bit",
    "",
    "",
  ].join("\r\n");

/** As files of Unix have them. */
const unixLines = (text: string): string => text.replaceAll("\r\n", "\n");

/** The notification in which this stands, from our own box. */
async function notice(words: string): Promise<string> {
  for (;;) {
    const { from, body } = await stage.box.next();
    if (from === null && body.toString().includes(words)) return body.toString();
  }
}

for (const [name, { domain, tls, refusal, asciiOnly, forgetsEnvid }] of Object.entries(PROGRAMS)) {
  describe(name, () => {
    const server = (): ForeignServer => servers.get(name) ?? assert.fail(name);
    const bob = `bob@${domain}`;
    const send = (subject: string, to: readonly string[], dsn = {}) =>
      mailer(stage).sendMail({
        envelope: { from: "alice@semail.test", to: [...to] },
        raw: `${header(subject, to.join(", "))}${BODY}`,
        ...dsn,
      });

    test("takes a message over TLS as it is: dots, eight bits, the longest line", TIMEOUT, async () => {
      await send("as it is", [bob]);
      const got = String(await server().mails("Subject: as it is"));
      assert.match(got, tls);
      assert.equal(got.slice(got.indexOf("\n\n") + 2), unixLines(BODY));
    });

    test(
      "refuses one of three recipients: the others have it, the sender is told of the one",
      TIMEOUT,
      async () => {
        await send("one of three", [bob, `nemo@${domain}`, `kim@${domain}`]);
        const told = await notice(`nemo@${domain}`);
        assert.match(told, refusal);
        assert.match(told, new RegExp(`^Remote-MTA: dns; mx\\.${domain}\\r$`, "m"));
        assert.doesNotMatch(told, /Final-Recipient: rfc822; (bob|kim)@/);
        await server().mails("Subject: one of three", 2);
      },
    );

    test("is told what the sender wants to hear, and tells them itself", TIMEOUT, async () => {
      const dsn = { id: `envelope-${domain}`, return: "headers", notify: ["success"], recipient: bob };
      await send("with a wish", [bob], { dsn });
      const told = String(await server().mails("Action: delivered"));
      assert.match(told, new RegExp(`^(?:Final|Original)-Recipient: rfc822; ?${bob}$`, "m"));
      if (!forgetsEnvid) assert.match(told, new RegExp(`^Original-Envelope-I[dD]: envelope-${domain}$`, "m"));
      // Who hears of it from there hears nothing of it from us.
      while ((await stage.out.queue.counts()).items > 0) await stage.out.queue.nextDue([]);
      assert.ok(!stage.box.received.some(({ body }) => body.includes(`envelope-${domain}`)));
    });

    const wide = `jörg@${domain}`;
    if (asciiOnly) {
      test("has no SMTPUTF8: what needs it comes back, with the reason", TIMEOUT, async () => {
        await send("für jörg", [wide]);
        assert.match(await notice(wide), /^Status: 5\.6\.7\r$/m);
      });
    } else {
      test("takes an address and a header in UTF-8 (SMTPUTF8)", TIMEOUT, async () => {
        await send("für jörg", [wide]);
        const got = String(await server().mails("Subject: für jörg"));
        assert.ok(got.includes(`To: ${wide}`), got);
      });
    }
  });
}
