/**
 * The login guard for `access`, whose Dovecot looks at passwords itself: it asks before it does, and reports what came of
 * it, as to an auth policy server. So a password that is tried by IMAP, POP3 or ManageSieve counts as one by SMTP.
 */
import { z } from "zod";
import type { Directory } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import { clientNetwork } from "../policy/client-network.ts";
import type { LoginAttempt, LoginGuard, Wait } from "../policy/login-guard.ts";
import { type Clock, within } from "../queue/clock.ts";

/** Of a login in Dovecot's words. What else it says is not looked at. */
const login = {
  login: z.string(),
  /** The client's address. */
  remote: z.union([z.ipv4(), z.ipv6()]),
  /** Of the connection: at most one login at a time. */
  session_id: z.string().min(1).max(128),
  protocol: z.string().max(32),
};
export const AccessQuestion = z.object(login);
export type AccessQuestion = z.infer<typeof AccessQuestion>;

export const AccessReport = z.object({
  ...login,
  success: z.boolean(),
  /** It was us who refused. */
  policy_reject: z.boolean(),
  /** `internal`: the password could not be checked. */
  fail_type: z.string().max(32),
});
export type AccessReport = z.infer<typeof AccessReport>;

/** Below 0: no password is looked at, and the person reads `msg`. */
export interface AccessAnswer {
  readonly status: 0 | -1;
  readonly msg?: string;
}

export interface AccessLoginsDeps {
  readonly guard: LoginGuard;
  readonly directory: Pick<Directory, "whoIs">;
  readonly clock: Clock;
  readonly log: Log;
}

export interface AccessLogins {
  /** Whether the password may be looked at. Every one that may is reported, or forgotten. */
  allow(question: AccessQuestion): Promise<AccessAnswer>;
  report(report: AccessReport): Promise<void>;
  /** The answer came too late: the password was looked at meanwhile, and its report stands for itself. */
  forget(session: string): void;
}

const LOCKED = "Too many wrong passwords: wait five minutes, then try again";
const BUSY = "Too many logins at once: try again in a moment";
/** From the question on. Dovecot waits for a second more, and then looks at the password without an answer. */
const ANSWER_MS = 2_000;
/** Of these for the directory. */
const LOOK_UP_MS = 1_000;
/**
 * Who waits until others of the same name or network end holds one of the 100 connections by which Dovecot asks and
 * reports: who guesses by hundreds side by side must leave it some, or nothing is heard of the guesses.
 */
const WAITING = 60;
const WAITING_OF_ONE = 40;
/** Dovecot reports sooner, even of a directory that says nothing. */
const REPORT_MS = 90_000;

export function createAccessLogins({ guard, directory, clock, log }: AccessLoginsDeps): AccessLogins {
  const pending = new Map<string, { readonly attempt: LoginAttempt; cancel(): void }>();
  /** Sessions whose question has no answer yet. */
  const asking = new Set<string>();
  const waitOf = createWaiting(clock);

  function take(session: string): LoginAttempt | undefined {
    const found = pending.get(session);
    pending.delete(session);
    found?.cancel();
    return found?.attempt;
  }

  const forget = (session: string): void => take(session)?.abandoned();

  /** Who can't be looked up now is counted by the name that was typed; Dovecot finds out for itself. */
  async function holderOf(login: string): Promise<string | undefined> {
    const asked = directory.whoIs(login).catch(() => undefined);
    return (await within(clock, LOOK_UP_MS, asked, undefined))?.uid;
  }

  async function begin({ login, remote }: AccessQuestion): Promise<LoginAttempt | "locked" | "busy"> {
    const wait = waitOf(remote, clock.elapsed());
    let busy = false;
    const attempt = await guard.begin(login, remote, await holderOf(login), async (ended) => {
      busy = !(await wait(ended));
      return !busy;
    });
    return attempt ?? (busy ? "busy" : "locked");
  }

  /** Of one that Dovecot looked at without an answer of ours. */
  async function hear({ login, remote, success }: AccessReport): Promise<void> {
    const holder = await holderOf(login);
    if (!success) return guard.failed(login, remote, holder);
    (await guard.begin(login, remote, holder, async () => false))?.succeeded();
  }

  return {
    async allow(question) {
      const { remote: client, session_id: session, protocol } = question;
      // No connection tries again after the right password.
      take(session)?.failed();
      asking.add(session);
      const attempt = await begin(question);
      const late = !asking.delete(session);
      if (typeof attempt === "string") {
        // Not whose account: what a client says it is may be a mistyped password.
        log.warn(attempt === "locked" ? "access.auth.locked" : "access.auth.busy", { client, protocol });
        return { status: -1, msg: attempt === "locked" ? LOCKED : BUSY };
      }
      if (late) attempt.abandoned();
      else pending.set(session, { attempt, cancel: clock.after(REPORT_MS, () => forget(session)) });
      return { status: 0 };
    },
    async report(report) {
      const { remote: client, session_id: session, protocol } = report;
      if (report.policy_reject) return;
      // What is reported before it is answered stands for itself.
      asking.delete(session);
      const attempt = take(session);
      const unchecked = !report.success && report.fail_type === "internal";
      if (!report.success && !unchecked) log.warn("access.auth.failed", { client, protocol });
      if (unchecked) attempt?.abandoned();
      else if (attempt === undefined) await hear(report);
      else if (report.success) attempt.succeeded();
      else attempt.failed();
    },
    forget,
  };
}

/** Who may wait, and until when: for a client whose question came at `since`, by `clock.elapsed`. */
function createWaiting(clock: Clock): (client: string, since: number) => Wait {
  /** Networks of those who wait, each as often as it has such. */
  const waiting: string[] = [];

  return (client, since) => {
    const network = clientNetwork(client);
    return async (ended) => {
      const left = since + ANSWER_MS - clock.elapsed();
      const others = waiting.filter((other) => other === network).length;
      if (waiting.length >= WAITING || others >= WAITING_OF_ONE) return false;
      waiting.push(network);
      const going = ended.then(() => true);
      return within(clock, left, going, false).finally(() => {
        waiting.splice(waiting.indexOf(network), 1);
      });
    };
  };
}
