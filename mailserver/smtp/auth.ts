/** SASL exchanges of AUTH: PLAIN (RFC 4616) and LOGIN, with and without initial response (RFC 4954). */
import { type Checked, no, ok } from "./path.ts";
import * as replies from "./replies.ts";
import type { Credentials, Reply } from "./types.ts";

/** The next step of an exchange: another challenge, or all that was asked. */
export type AuthStep =
  | { readonly kind: "challenge"; readonly reply: Reply; readonly next: (line: string) => Checked<AuthStep> }
  | { readonly kind: "credentials"; readonly credentials: Credentials };

/** Base64 without tolerance: a half-read password is worse than a refused one. */
function decodeBase64(text: string): string | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, "base64"));
  } catch {
    return undefined;
  }
}

/** Asks for a response; `*` cancels (RFC 4954 section 4). */
function ask(challenge: string, then: (response: string) => Checked<AuthStep>): AuthStep {
  const next = (line: string): Checked<AuthStep> => {
    if (line === "*") return no(replies.authCancelled);
    const response = decodeBase64(line);
    return response === undefined ? no(replies.badBase64) : then(response);
  };
  return { kind: "challenge", reply: replies.challenge(challenge), next };
}

/** The credentials of an exchange, unless they can't be any. */
function credentials(found: Credentials): Checked<AuthStep> {
  const unusable = found.user === "" || found.password === "" || found.password.includes("\0");
  // An empty password would be an unauthenticated LDAP bind, which succeeds (RFC 4513 section 5.1.2).
  return unusable ? no(replies.authFailed) : ok({ kind: "credentials", credentials: found });
}

function plain(response: string): Checked<AuthStep> {
  const [authorization, user, password, ...more] = response.split("\0");
  if (authorization === undefined || user === undefined || password === undefined || more.length > 0) {
    return no(replies.badBase64);
  }
  return credentials({ mechanism: "PLAIN", authorization, user, password });
}

function login(user: string): Checked<AuthStep> {
  return ok(
    ask("Password:", (password) => credentials({ mechanism: "LOGIN", authorization: "", user, password })),
  );
}

const MECHANISMS: ReadonlyMap<string, { readonly prompt: string; readonly step: typeof plain }> = new Map([
  ["PLAIN", { prompt: "", step: plain }],
  ["LOGIN", { prompt: "Username:", step: login }],
]);

/** What EHLO offers. */
export const MECHANISM_NAMES: readonly string[] = [...MECHANISMS.keys()];

/** Begins the exchange that `AUTH <argument>` asks for. */
export function beginAuth(argument: string): Checked<AuthStep> {
  const [name = "", initial, ...more] = argument.trim().split(/ +/);
  const mechanism = MECHANISMS.get(name.toUpperCase());
  if (!mechanism) return no(name === "" ? replies.needsArgument : replies.unknownMechanism);
  if (more.length > 0) return no(replies.badBase64);
  const first = ask(mechanism.prompt, mechanism.step);
  if (initial === undefined || first.kind !== "challenge") return ok(first);
  // RFC 4954 section 4: "=" stands for an empty initial response.
  return first.next(initial === "=" ? "" : initial);
}
