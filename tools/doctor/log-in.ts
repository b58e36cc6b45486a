/** Logs in as a person does, and out again. What is answered is for others to judge. */
import { LineTalk, type Shown } from "./line-talk.ts";
import type { Endpoint } from "./services.ts";

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** What came of it. */
export interface LoginHeard {
  /** Why it was not tried, or broke off. */
  readonly fault?: string;
  /** The service's answer to the password. */
  readonly reply?: string;
}

/** RFC 4616 section 2. */
const plain = ({ user, password }: Login): string => Buffer.from(`\0${user}\0${password}`).toString("base64");

/** Tries; never throws. The password is only given to who shows a certificate for the host that is trusted. */
export async function logIn(endpoint: Endpoint, login: Login): Promise<LoginHeard> {
  let talk: LineTalk | undefined;
  try {
    talk = await LineTalk.open(endpoint);
    const shown = await talk.secure();
    if (!isTrusted(shown)) return { fault: "its certificate is not to be trusted with a password" };
    return { reply: await (endpoint.protocol === "imaps" ? imap(talk, login) : smtp(talk, login)) };
  } catch (error) {
    return { fault: error instanceof Error && "code" in error ? String(error.code) : String(error) };
  } finally {
    talk?.close();
  }
}

const isTrusted = ({ fits, distrust }: Shown): boolean => fits && distrust === undefined;

async function smtp(talk: LineTalk, login: Login): Promise<string> {
  const reply = async (): Promise<string> => (await talk.until((line) => !/^\d{3}-/.test(line))).at(-1) ?? "";
  await reply();
  talk.say("EHLO doctor.invalid");
  await reply();
  talk.say(`AUTH PLAIN ${plain(login)}`);
  const said = await reply();
  talk.say("QUIT");
  return said;
}

async function imap(talk: LineTalk, login: Login): Promise<string> {
  await talk.line();
  talk.say("a AUTHENTICATE PLAIN");
  const asked = (await talk.until((line) => line.startsWith("+") || line.startsWith("a "))).at(-1) ?? "";
  if (!asked.startsWith("+")) return asked;
  talk.say(plain(login));
  const said = (await talk.until((line) => line.startsWith("a "))).at(-1) ?? "";
  talk.say("b LOGOUT");
  return said;
}
