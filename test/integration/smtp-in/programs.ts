/** Programs that send mail and that nobody here wrote, each told to hand what it gets to one address and port. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createTransport } from "nodemailer";
import type { ExecResult, Handle, Lab } from "../../support/docker.ts";

/** What is to be sent; `message` has CRLF line ends. */
export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly message: Buffer;
}

/** Where it is to be sent. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** Whom to trust there, and by what name it is known; for those who look. */
  readonly ca: string;
  readonly servername: string;
}

export interface Program {
  /** Takes the mail; settles with all that the program has to say of it once every recipient has been answered. */
  send(mail: Mail): Promise<string>;
}

const PATIENCE_MS = 30_000;

/** An image of test/fixtures/images. */
export const foreignImage = (lab: Lab, name: string): Promise<string> =>
  lab.ensureImage(name, join(import.meta.dirname, "../../fixtures/images", name));

/** Polls, since what a program logs is no event. */
export async function logShows(handle: Handle, read: () => Promise<string>, wanted: RegExp): Promise<string> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const log = await read();
    if (wanted.test(log)) return log;
    if (Date.now() > deadline) throw new Error(`never logged ${wanted}:\n${log}\n${await handle.logs()}`);
    await sleep(200);
  }
}

const said = ({ stdout, stderr, exitCode }: ExecResult): string => `${stdout}${stderr}exit ${exitCode}`;

/** As files of Unix have them; what reads mail from a pipe makes CRLF of it again. */
const unixLines = (message: Buffer): Buffer =>
  Buffer.from(message.toString("latin1").replaceAll("\r\n", "\n"), "latin1");

/** Programs that end when the mail is sent, all in the container `senders`. */
export function commandPrograms(senders: Handle, { host, port }: Target) {
  const run = async (input: Buffer, ...command: string[]): Promise<string> =>
    said(await senders.exec(command, { input }));
  return {
    swaks: {
      send: ({ from, to, message }) =>
        run(
          // Without an end of its own the message would get an empty line more.
          Buffer.concat([message, Buffer.from(".\r\n")]),
          ...["swaks", "--server", host, "--port", String(port), "--helo", "swaks.example"],
          ...["--tls", "--pipeline", "--suppress-data", "--from", from, "--to", to.join(","), "--data", "-"],
        ),
    },
    msmtp: {
      send: ({ from, to, message }) =>
        run(
          unixLines(message),
          ...["msmtp", `--host=${host}`, `--port=${port}`, "--domain=msmtp.example", `--from=${from}`],
          ...["--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "--auth=off", "--", ...to],
        ),
    },
    "Python's smtplib": {
      send: ({ from, to, message }) => run(message, "python-send", host, String(port), from, ...to),
    },
    "Go's net/smtp": {
      send: ({ from, to, message }) => run(message, "go-send", `${host}:${port}`, from, ...to),
    },
  } satisfies Record<string, Program>;
}

/** nodemailer, in this process. */
export function nodemailer({ host, port, ca, servername }: Target): Program {
  return {
    send: async ({ from, to, message }) => {
      const transport = createTransport({
        ...{ host, port, requireTLS: true, name: "nodemailer.example" },
        tls: { ca, servername },
      });
      try {
        const info = await transport.sendMail({ envelope: { from, to: [...to] }, raw: message });
        const refused = info.rejectedErrors?.map(({ response }) => response) ?? [];
        return [info.response, ...refused].join("\n");
      } finally {
        transport.close();
      }
    },
  };
}

/** Postfix, asked for what DSN has (RFC 3461); tells what it said and heard on the wire. */
export async function startPostfix(lab: Lab, { host, port }: Target): Promise<Program> {
  const settings = [
    `relayhost=[${host}]:${port}`,
    "smtp_tls_security_level=encrypt",
    `debug_peer_list=${host}`,
    "debug_peer_level=1",
  ];
  const postfix = await lab.run({
    image: await foreignImage(lab, "foreign"),
    hostname: "mx",
    env: { FOREIGN_DOMAIN: "postfix.example", FOREIGN_USER: "postmaria" },
    entrypoint: ["/bin/bash", "-c", 'postconf -e "$@" && exec /usr/local/bin/entrypoint', "postfix"],
    cmd: settings,
  });
  await logShows(postfix, postfix.logs, /daemon started/);
  return {
    send: async ({ from, to, message }) => {
      const before = (await postfix.logs()).length;
      const command = ["sendmail", "-i", "-B8BITMIME", "-N", "failure,delay", "-V", "envelope-7", "-f", from];
      const sent = await postfix.exec([...command, "--", ...to], { input: unixLines(message) });
      const last = to.map((address) => `(?=[^]* to=<${address}>.* status=(?:sent|bounced))`).join("");
      const log = await logShows(postfix, async () => (await postfix.logs()).slice(before), new RegExp(last));
      return [said(sent), ...log.split("\n").filter((line) => / [<>] | status=/.test(line))].join("\n");
    },
  };
}

/** Exim, which uses CHUNKING wherever it is offered. */
export async function startExim(lab: Lab, { host, port }: Target): Promise<Program> {
  const image = await foreignImage(lab, "exim");
  const exim = await lab.run({ image, env: { SMARTHOST: `${host}::${port}` } });
  return {
    // Delivers before it ends, and tells what it did.
    send: async ({ from, to, message }) =>
      said(
        await exim.exec(["exim4", "-i", "-odi", "-v", "-f", from, "--", ...to], {
          input: unixLines(message),
        }),
      ),
  };
}

/** OpenSMTPD. */
export async function startOpenSmtpd(lab: Lab, { host, port }: Target): Promise<Program> {
  const image = await foreignImage(lab, "opensmtpd");
  const smtpd = await lab.run({ image, env: { SMARTHOST: `${host}:${port}` } });
  await logShows(smtpd, smtpd.logs, /OpenSMTPD .* starting/);
  return {
    send: async ({ from, to, message }) => {
      const before = (await smtpd.logs()).length;
      const command = ["sendmail", "-i", "-f", from, "--", ...to];
      const sent = await smtpd.exec(command, { input: unixLines(message) });
      const last = to.map((address) => `(?=[^]* to=<${address}> .*result="?(?:Ok|PermFail))`).join("");
      return `${said(sent)}\n${await logShows(smtpd, async () => (await smtpd.logs()).slice(before), new RegExp(last))}`;
    },
  };
}
