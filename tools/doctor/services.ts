/** Talks to the services as a stranger would. What they say is for others to judge. */
import { LineTalk, type Shown, type TalkOptions } from "./line-talk.ts";

export type Protocol = "smtp" | "submission" | "submissions" | "imap" | "imaps" | "sieve" | "https";

/** A service and where it is reached. */
export interface Endpoint extends TalkOptions {
  readonly protocol: Protocol;
}

/** What a service said. */
export interface Heard {
  /** Why there was no conversation, or why it broke off. */
  readonly fault?: string | undefined;
  readonly greeting?: string | undefined;
  /** Whether TLS is offered where a conversation begins without it. */
  readonly offersTls?: boolean | undefined;
  readonly shown?: Shown | undefined;
  /** The reply to a stranger's RCPT to a domain of others, or what refused it before. */
  readonly relay?: string | undefined;
  /** The reply to RCPT to our own postmaster. */
  readonly postmaster?: string | undefined;
}

type Hearing = { -readonly [key in keyof Heard]: Heard[key] };

export interface Stranger {
  /** A domain that nobody here has mail for (RFC 2606 section 3). */
  readonly foreign: string;
  readonly domain: string;
}

/** Has the whole conversation; never throws. */
export async function listen(endpoint: Endpoint, stranger: Stranger): Promise<Heard> {
  const heard: Hearing = {};
  let talk: LineTalk | undefined;
  try {
    talk = await LineTalk.open(endpoint);
    await converse(talk, endpoint, stranger, heard);
  } catch (error) {
    heard.fault = error instanceof Error && "code" in error ? String(error.code) : String(error);
  } finally {
    talk?.close();
  }
  return heard;
}

async function converse(
  talk: LineTalk,
  { protocol }: Endpoint,
  stranger: Stranger,
  heard: Hearing,
): Promise<void> {
  switch (protocol) {
    case "smtp":
    case "submission":
      heard.greeting = await reply(talk);
      heard.offersTls = /^250[- ]STARTTLS\s*$/im.test(await command(talk, "EHLO doctor.invalid"));
      if (!heard.offersTls) return;
      if (!(await command(talk, "STARTTLS")).startsWith("220")) throw coded("ESTARTTLS");
      heard.shown = await talk.secure();
      return askToRelay(talk, protocol, stranger, heard);
    case "submissions":
      heard.shown = await talk.secure();
      heard.greeting = await reply(talk);
      return askToRelay(talk, protocol, stranger, heard);
    case "imaps":
      heard.shown = await talk.secure();
      heard.greeting = await talk.line();
      return;
    case "imap":
      heard.greeting = await talk.line();
      return upgrade(talk, "a STARTTLS", (line) => /^a /.test(line), heard);
    case "sieve":
      // RFC 5804 section 1.3: capabilities, then OK.
      heard.greeting = (await talk.until((line) => /^(OK|NO|BYE)\b/i.test(line))).at(-1);
      return upgrade(talk, "STARTTLS", (line) => /^(OK|NO|BYE)\b/i.test(line), heard);
    case "https":
      heard.shown = await talk.secure();
  }
}

async function upgrade(
  talk: LineTalk,
  line: string,
  isLast: (line: string) => boolean,
  heard: Hearing,
): Promise<void> {
  talk.say(line);
  const answer = (await talk.until(isLast)).at(-1) ?? "";
  heard.offersTls = /^(a )?OK\b/i.test(answer);
  if (heard.offersTls) heard.shown = await talk.secure();
}

/** Up to RCPT and no further: nothing is sent, whatever is answered. */
async function askToRelay(
  talk: LineTalk,
  protocol: Protocol,
  { foreign, domain }: Stranger,
  heard: Hearing,
): Promise<void> {
  await command(talk, "EHLO doctor.invalid");
  const from = await command(talk, "MAIL FROM:<>");
  if (!from.startsWith("250")) {
    heard.relay = from;
    return;
  }
  heard.relay = await command(talk, `RCPT TO:<doctor@${foreign}>`);
  if (protocol === "smtp") heard.postmaster = await command(talk, `RCPT TO:<postmaster@${domain}>`);
  await command(talk, "RSET");
  talk.say("QUIT");
}

async function command(talk: LineTalk, line: string): Promise<string> {
  talk.say(line);
  return reply(talk);
}

/** RFC 5321 section 4.2.1: the last line of a reply has no hyphen. */
async function reply(talk: LineTalk): Promise<string> {
  return (await talk.until((line) => !/^\d{3}-/.test(line))).join("\n");
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}
