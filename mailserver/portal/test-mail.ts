/** A mail from postmaster to the person themselves, so that they see one arrive. */
import type { PortalSettings } from "../contract.ts";
import type { Log } from "../net/log.ts";
import type { Connections } from "../net/pool.ts";
import type { Clock } from "../queue/clock.ts";
import { parseAddress } from "../smtp/address.ts";
import { rfc5322Date } from "../smtp/date.ts";
import { type Language, sayIn } from "./words.ts";

export interface TestMailDeps {
  readonly relay: PortalSettings["relay"];
  readonly connections: Connections;
  readonly newToken: () => string;
  readonly clock: Pick<Clock, "now" | "elapsed">;
  readonly log: Log;
}

/** Whose mailbox, and its address. */
interface Recipient {
  readonly uid: string;
  readonly address: string;
}

/** `limited`: they had as many as one may have in an hour. `failed`: it could not be handed over; the log says why. */
export type SendTestMail = (to: Recipient, language: Language) => Promise<"sent" | "limited" | "failed">;

const HOUR_MS = 3_600_000;
const PER_HOUR = 5;
/** Somebody waits in front of a browser. */
const TIMEOUTS = { connectMs: 3_000, replyMs: 5_000, messageMs: 10_000 };

export function createTestMails(deps: TestMailDeps): SendTestMail {
  const { relay, connections, clock, newToken, log } = deps;
  const sent = new Map<string, number[]>();
  const recent = (uid: string): number[] =>
    (sent.get(uid) ?? []).filter((time) => clock.elapsed() - time < HOUR_MS);
  return async ({ uid, address }, language) => {
    const recipient = parseAddress(address);
    if (recipient === undefined) throw new Error(`${uid} has an address that is none`);
    const counted = recent(uid);
    if (counted.length >= PER_HOUR) return "limited";
    // Before it is sent: presses of the button side by side are as many.
    sent.set(uid, [...counted, clock.elapsed()]);
    const facts = {
      to: recipient.text,
      domain: recipient.domain,
      id: newToken(),
      now: clock.now(),
      language,
    };
    const body = composeTestMail(facts);
    const { host, port, user, password } = relay;
    const report = await connections.deliver(
      // The internal network carries it, so the password goes in clear text.
      {
        host,
        port,
        session: { protocol: "smtp", hostname: "portal", tls: "never", auth: { user, password } },
        timeouts: TIMEOUTS,
      },
      { from: null, recipients: [recipient], size: body.length, eightBit: false, smtputf8: false },
      body,
    );
    const [outcome] = report.kind === "done" ? report.outcomes : [];
    if (outcome?.kind === "delivered") {
      log.info("portal.test-mail", { uid });
      return "sent";
    }
    sent.set(uid, recent(uid).slice(0, -1));
    const reply = report.kind === "done" ? outcome?.reply : report.failure.reply;
    log.warn("portal.test-mail.failed", { uid, host, reply });
    return "failed";
  };
}

export interface TestMailFacts {
  readonly to: string;
  /** Whose postmaster writes. */
  readonly domain: string;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly language: Language;
}

/** The whole message, of ASCII alone. */
export function composeTestMail({ to, domain, id, now, language }: TestMailFacts): Buffer {
  const say = sayIn(language);
  const text = say("testMail.text", { to, domain });
  const lines = [
    `From: ${encodedWord(say("testMail.from"))} <postmaster@${domain}>`,
    `To: <${to}>`,
    `Subject: ${encodedWord(say("testMail.subject"))}`,
    `Date: ${rfc5322Date(new Date(now))}`,
    `Message-ID: <${id}@${domain}>`,
    // RFC 3834 section 5: nobody's holiday answers it.
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=utf-8",
    "Content-Transfer-Encoding: base64",
    `Content-Language: ${language}`,
    "",
    ...(Buffer.from(text.replaceAll("\n", "\r\n"))
      .toString("base64")
      .match(/.{1,76}/g) ?? []),
    "",
  ];
  return Buffer.from(lines.join("\r\n"), "ascii");
}

/** RFC 2047 section 2; our own words are short enough for one. */
function encodedWord(text: string): string {
  return `=?utf-8?B?${Buffer.from(text).toString("base64")}?=`;
}
