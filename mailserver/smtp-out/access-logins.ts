/**
 * The login guard for `access`, whose Dovecot looks at passwords itself: it asks before it does, and reports what came of
 * it, as to an auth policy server. So a password that is tried by IMAP, POP3 or ManageSieve counts as one by SMTP.
 */
import { z } from "zod";
import type { Directory } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import type { LoginAttempt, LoginGuard } from "../policy/login-guard.ts";
import type { Clock } from "../queue/clock.ts";

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
/** Others of the same name or network end before that, or it is refused. Dovecot waits for a second more. */
const WAIT_MS = 2_000;
/** Dovecot reports sooner, even of a directory that says nothing. */
const REPORT_MS = 90_000;

export function createAccessLogins({ guard, directory, clock, log }: AccessLoginsDeps): AccessLogins {
  const pending = new Map<string, { readonly attempt: LoginAttempt; cancel(): void }>();

  function take(session: string): LoginAttempt | undefined {
    const found = pending.get(session);
    pending.delete(session);
    found?.cancel();
    return found?.attempt;
  }

  const forget = (session: string): void => take(session)?.abandoned();

  async function begin({ login, remote }: AccessQuestion): Promise<LoginAttempt | "locked" | "busy"> {
    // Who can't be looked up now is counted by the name that was typed; Dovecot finds out for itself.
    const person = await directory.whoIs(login).catch(() => undefined);
    const { promise: late, resolve } = Promise.withResolvers<"busy">();
    const cancel = clock.after(WAIT_MS, () => resolve("busy"));
    const begun = guard.begin(login, remote, person?.uid);
    const first = await Promise.race([begun, late]);
    cancel();
    if (first === "busy") void begun.then((attempt) => attempt?.abandoned());
    return first ?? "locked";
  }

  return {
    async allow(question) {
      const { remote: client, session_id: session, protocol } = question;
      // No connection tries again after the right password.
      take(session)?.failed();
      const attempt = await begin(question);
      if (typeof attempt === "string") {
        // Not whose account: what a client says it is may be a mistyped password.
        log.warn(attempt === "locked" ? "access.auth.locked" : "access.auth.busy", { client, protocol });
        return { status: -1, msg: attempt === "locked" ? LOCKED : BUSY };
      }
      pending.set(session, { attempt, cancel: clock.after(REPORT_MS, () => forget(session)) });
      return { status: 0 };
    },
    async report(report) {
      const { remote: client, session_id: session, protocol } = report;
      if (report.policy_reject) return;
      // One that Dovecot looked at without an answer of ours counts as well.
      const attempt = take(session) ?? (await begin(report));
      const wrong = !report.success && report.fail_type !== "internal";
      if (wrong) log.warn("access.auth.failed", { client, protocol });
      if (typeof attempt === "string") return;
      if (report.success) attempt.succeeded();
      else if (wrong) attempt.failed();
      else attempt.abandoned();
    },
    forget,
  };
}
