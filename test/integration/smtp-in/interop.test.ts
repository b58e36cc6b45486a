/**
 * Mail from programs that nobody here wrote, through smtp-in into a box, compared byte for byte. What they put on top
 * are Received fields alone; the messages have every field that some of them would add.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Lab, openLab } from "../../support/docker.ts";
import { type Inbox, listenForMail, type Received } from "../../support/mail-listener.ts";
import { ownIdentity, start } from "../../unit/smtp-in/support.ts";
import {
  commandPrograms,
  foreignImage,
  type Mail,
  nodemailer,
  type Program,
  startExim,
  startOpenSmtpd,
  startPostfix,
  type Target,
} from "./programs.ts";

const FROM = "sender@foreign.example";
const [ALICE, CAROL, NOBODY] = ["alice@semail.test", "carol@semail.test", "nobody@semail.test"];
const LARGE = 2_000_000;
/** With time to build the images. */
const PREPARATION = { timeout: 600_000 };
const TIMEOUT = { timeout: 40_000 };

const header = (subject: string): string =>
  [
    `From: Sender <${FROM}>`,
    `To: Alice <${ALICE}>`,
    `Subject: ${subject}`,
    "Date: Mon, 02 Mar 2026 10:00:00 +0000",
    `Message-ID: <${subject}@foreign.example>`,
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=iso-8859-1",
    "Content-Transfer-Encoding: 8bit",
    "Content-Disposition: inline",
    "",
    "",
  ].join("\r\n");

/** Latin-1, so that a character is a byte. RFC 5321 section 4.5.3.1.6: 998 and CRLF are the longest line. */
const AWKWARD = [
  ...[
    ".",
    "..",
    "...",
    ".dot",
    "..dots",
    "",
    "Gr\xfc\xdfe, \xa0\xff\x80",
    "trailing space ",
    "\ttab",
    "From here",
  ],
  ...["x".repeat(998), `.${"y".repeat(997)}`, `\xe4${".".repeat(997)}`, "", "QUIT", "."],
];

function largeLines(): string[] {
  const lines: string[] = [];
  for (let size = 0, number = 0; size < LARGE; number += 1) {
    const line = `${number % 7 === 0 ? "." : ""}${String(number)} \xe9${"z".repeat((number * 37) % 900)}`;
    lines.push(line);
    size += line.length + 2;
  }
  return lines;
}

const text = (subject: string, lines: readonly string[]): string =>
  `${header(subject)}${lines.join("\r\n")}\r\n`;

let lab: Lab;
let inbox: Inbox;
let target: Target;
const programs = new Map<string, Program>();

before(async () => {
  lab = openLab();
  inbox = await listenForMail({
    session: { protocol: "lmtp", limits: { messageBytes: 2 * LARGE, recipients: 100, errors: 20 } },
    limits: { connections: 100 },
  });
  const daemon = await start({ lmtpPort: inbox.listener.port, messageBytes: 10 * LARGE });
  const senders = await lab.run({ image: await foreignImage(lab, "senders") });
  const { NetworkSettings } = await lab.docker.getContainer(senders.id).inspect();
  const host = NetworkSettings.Networks.bridge?.Gateway ?? "";
  target = { host, port: daemon.port, ca: (await ownIdentity()).ca, servername: "mx.semail.test" };
  for (const [name, program] of Object.entries(commandPrograms(senders, target))) programs.set(name, program);
  programs.set("nodemailer", nodemailer(target));
  const servers = { Postfix: startPostfix, Exim: startExim, OpenSMTPD: startOpenSmtpd };
  for (const [name, startServer] of Object.entries(servers))
    programs.set(name, await startServer(lab, target));
}, PREPARATION);
after(async () => {
  await lab.cleanup();
  await inbox.listener.close();
}, PREPARATION);

function programOf(name: string): Program {
  const program = programs.get(name);
  assert.ok(program, name);
  return program;
}

const withSubject = (subject: string): readonly Received[] =>
  inbox.messages.filter((message) => message.text.includes(`Subject: ${subject}\r\n`));

/** Waits for this many copies; the test's time limit ends it. */
async function copies(subject: string, count: number): Promise<readonly Received[]> {
  while (withSubject(subject).length < count) await inbox.reached(inbox.messages.length + 1);
  return withSubject(subject);
}

const RECEIVED = /^(?:Received: .*\r\n(?:[ \t].*\r\n)+)+/;

/** That the box got trace fields, and then the message as it was sent. Some say SMTPUTF8 whenever it is offered. */
function assertUnchanged(received: Received, sent: string): void {
  const trace = RECEIVED.exec(received.text)?.[0] ?? "";
  assert.match(
    trace,
    /^Received: from [^ ]+ \(\[[\d.]+\]\)\r\n\tby mx\.semail\.test with (?:ESMTPS|UTF8SMTPS) id /,
  );
  const got = received.text.slice(trace.length);
  if (got === sent) return;
  let place = 0;
  while (place < sent.length && sent[place] === got[place]) place += 1;
  const around = (of: string): string => JSON.stringify(of.slice(Math.max(0, place - 40), place + 40));
  assert.fail(`${got.length} bytes of ${sent.length}, at ${place}: ${around(got)} for ${around(sent)}`);
}

/** What each shows of having spoken as it should. */
const PROGRAMS: Readonly<
  Record<string, { readonly shows?: readonly RegExp[]; readonly allOrNothing?: true }>
> = {
  Postfix: {
    shows: [
      // All of the commands before the first reply: PIPELINING. By the rest it says that it saw DSN offered.
      />.* MAIL FROM:<sender@foreign\.example> SIZE=\d+ BODY=8BITMIME.*\n(?:.*> .* RCPT TO:<[^ ]+> ORCPT=rfc822;.+ NOTIFY=FAILURE,DELAY\n){3}.*> .* DATA\n.*< .* 250/,
    ],
  },
  // The whole transaction at once, in BDAT.
  Exim: { shows: [/SMTP\|> MAIL FROM:.*\n(?: *SMTP\|> RCPT TO:.*\n){3}.*\n *SMTP\+> BDAT \d+ LAST\n/] },
  OpenSMTPD: {},
  nodemailer: {},
  swaks: {},
  // Sends nothing at all when one recipient is refused.
  msmtp: { allOrNothing: true },
  "Python's smtplib": {},
  "Go's net/smtp": {},
};

for (const [index, [name, { shows = [], allOrNothing }]] of Object.entries(PROGRAMS).entries()) {
  describe(name, () => {
    const send = async (
      subject: string,
      to: readonly string[],
      lines: readonly string[],
    ): Promise<string> => {
      const mail: Mail = { from: FROM, to, message: Buffer.from(text(subject, lines), "latin1") };
      return programOf(name).send(mail);
    };

    test(
      "hears of the unknown recipient, and the others get dots, eight bits and long lines",
      TIMEOUT,
      async () => {
        const subject = `awkward-${index}`;
        const heard = await send(subject, [ALICE, NOBODY, CAROL], AWKWARD).catch(String);
        assert.match(heard, /550[ -]5\.1\.1/);
        for (const pattern of shows) assert.match(heard, pattern);
        if (allOrNothing) {
          assert.deepEqual(withSubject(subject), []);
          await send(subject, [ALICE, CAROL], AWKWARD);
        }
        const got = await copies(subject, 2);
        assert.deepEqual(got.map(({ from, to }) => [from, ...to].join(" ")).sort(), [
          `${FROM} ${ALICE}`,
          `${FROM} ${CAROL}`,
        ]);
        for (const message of got) assertUnchanged(message, text(subject, AWKWARD));
      },
    );

    test("gets two megabytes through", TIMEOUT, async () => {
      const subject = `large-${index}`;
      const lines = largeLines();
      await send(subject, [ALICE], lines);
      const [message] = await copies(subject, 1);
      assert.ok(message);
      assertUnchanged(message, text(subject, lines));
    });
  });
}
