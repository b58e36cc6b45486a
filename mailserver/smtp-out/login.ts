/** Who a client is, by AUTH. */
import { hash, timingSafeEqual } from "node:crypto";
import type { Directory, Person } from "../directory/directory.ts";
import type { Log } from "../net/log.ts";
import type { LoginGuard } from "../policy/login-guard.ts";
import { DirectoryUnavailable } from "../policy/recipient.ts";
import type { Identity, Listener } from "../policy/relay.ts";
import type { Clock } from "../queue/clock.ts";
import { SmtpError } from "../smtp/error.ts";
import { closing, directoryUnavailable, reply } from "../smtp/replies.ts";
import type { Credentials, Reply } from "../smtp/types.ts";

/** What a daemon of ours logs in with. `password` is a secret. */
interface Account {
  readonly user: string;
  readonly password: string;
}

export interface LoginDeps {
  readonly directory: Directory;
  readonly guard: LoginGuard;
  readonly relay: Account;
  /** By which the portal logs in, where there is one. */
  readonly portal?: Account | undefined;
  /** Ours. */
  readonly domains: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Who has logged in: a person as they were then, or a daemon of ours. */
export type Known =
  | ({ readonly kind: "person" } & Person)
  | Extract<Identity, { readonly kind: "service" | "portal" }>;

const WRONG = reply(535, "5.7.8", "Login or password is wrong");
const LOCKED = reply(454, "4.7.0", "Too many wrong passwords: wait five minutes, then try again");
const UNAVAILABLE = reply(454, "4.7.0", "Passwords can't be checked at the moment: try again later");

/** 421, so that a mail program connects anew, logs in with what holds now, and sends what it has. */
const REVOKED = closing(reply(421, "4.7.0", "Your account has changed since you logged in: log in again"));

/**
 * Whether a person is still who logged in: undefined, or why not. A session may outlive an account, and a stolen
 * password must end with its change. Throws SmtpError when that can't be known.
 */
export async function revoked(
  person: Person,
  directory: Pick<Directory, "findPerson">,
): Promise<Reply | undefined> {
  const now = await directory.findPerson(person.uid).catch((error: unknown) => {
    throw error instanceof DirectoryUnavailable ? new SmtpError(directoryUnavailable, error) : error;
  });
  return now === "absent" || now.version !== person.version ? REVOKED : undefined;
}

/** Checks credentials; throws SmtpError when they don't hold. */
export async function logIn(
  credentials: Credentials,
  where: { readonly listener: Listener; readonly client: string },
  deps: LoginDeps,
): Promise<Known> {
  const { user } = credentials;
  const { client, listener } = where;
  const isService = listener === "relay";
  const person = isService ? undefined : await asked(deps.directory.whoIs(user));
  const attempt = await deps.guard.begin(user, client, person?.uid);
  if (attempt === undefined) {
    // Not whose account: what a client says it is may be a mistyped password.
    deps.log.warn("smtp.auth.locked", { client });
    throw new SmtpError(LOCKED);
  }
  const start = deps.clock.elapsed();
  let identity: Known | undefined;
  try {
    identity = isService ? checkService(credentials, deps) : await checkPerson(credentials, deps);
  } catch (error) {
    attempt.abandoned();
    throw error;
  }
  if (identity !== undefined) {
    attempt.succeeded();
    return identity;
  }
  // Counted from the start, so that the answer's time doesn't tell whether there is such a person.
  const delay = attempt.failed() - (deps.clock.elapsed() - start);
  await new Promise<void>((resolve) => {
    deps.clock.after(Math.max(delay, 0), resolve);
  });
  throw new SmtpError(WRONG);
}

async function checkPerson(credentials: Credentials, { directory }: LoginDeps): Promise<Known | undefined> {
  const person = await asked(directory.authenticate(credentials.user, credentials.password));
  if (person === "refused") return undefined;
  // RFC 4616 section 2: acting as somebody else is not allowed to anybody here.
  const { authorization } = credentials;
  const names = ["", person.uid, ...person.addresses];
  return names.includes(authorization.toLowerCase()) ? { kind: "person", ...person } : undefined;
}

const asked = <T>(answer: Promise<T>): Promise<T> =>
  answer.catch((error: unknown) => {
    throw error instanceof DirectoryUnavailable ? new SmtpError(UNAVAILABLE, error) : error;
  });

function checkService(credentials: Credentials, { relay, portal, domains }: LoginDeps): Known | undefined {
  if (isAccount(credentials, relay)) return { kind: "service" };
  if (portal === undefined || !isAccount(credentials, portal)) return undefined;
  return { kind: "portal", addresses: domains.map((domain) => `postmaster@${domain}`) };
}

/** Both always compared, and hashes because timingSafeEqual wants equal lengths. */
function isAccount({ user, password }: Credentials, account: Account): boolean {
  const rightUser = equal(user, account.user);
  const rightPassword = equal(password, account.password);
  return rightUser && rightPassword;
}

function equal(a: string, b: string): boolean {
  const [one, other] = [a, b].map((text) => hash("sha256", text, "buffer")) as [Buffer, Buffer];
  return timingSafeEqual(one, other);
}
