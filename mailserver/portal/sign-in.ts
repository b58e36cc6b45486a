/** Whether a password is right, at a pace that makes guessing useless and tells nothing of who exists. */
import type { Accounts, Holder } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import type { LoginGuard } from "../policy/login-guard.ts";
import type { Clock } from "../queue/clock.ts";

export interface SignInDeps {
  readonly directory: Pick<Accounts, "verify" | "whoIs">;
  readonly guard: LoginGuard;
  readonly clock: Clock;
  readonly log: Log;
}

export type SignIn =
  | ({ readonly kind: "person" } & Holder)
  | { readonly kind: "wrong" }
  | { readonly kind: "locked" };

/** Throws DirectoryUnavailable when the directory can't be asked, which counts as no failure. */
export async function checkPassword(
  { login, password, client }: { login: string; password: string; client: string },
  { directory, guard, clock, log }: SignInDeps,
): Promise<SignIn> {
  const holder = await directory.whoIs(login);
  const attempt = await guard.begin(login, client, holder?.uid);
  if (attempt === undefined) {
    log.warn("portal.locked", { client });
    return { kind: "locked" };
  }
  const start = clock.elapsed();
  const person = await directory.verify(login, password).catch((error: unknown) => {
    attempt.abandoned();
    throw error;
  });
  if (person !== "refused" && person.uid === holder?.uid) {
    attempt.succeeded();
    return { kind: "person", ...holder };
  }
  log.warn("portal.refused", { client });
  // Counted from the start, so that the answer's time doesn't tell whether there is such a person.
  const delay = attempt.failed() - (clock.elapsed() - start);
  await new Promise<void>((resolve) => {
    clock.after(Math.max(delay, 0), resolve);
  });
  return { kind: "wrong" };
}
