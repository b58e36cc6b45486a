/**
 * What the mail path asks the LDAP directory: whose mailbox an address is, and whether a password is right.
 * "Absent" and "can't be asked" never look alike: the first is a value, the second is thrown.
 */
import { AndFilter, EqualityFilter, type Filter, OrFilter, PresenceFilter } from "ldapts";
import type { DirectorySettings } from "../contract.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../policy/recipient.ts";
import { type Entry, LdapConnection, type LdapDeps } from "./connection.ts";

/** A person who has proven who they are. */
export interface Person {
  readonly uid: string;
  /** Every address that is theirs, lower case. */
  readonly addresses: readonly string[];
  /** Another one after every change of the entry, its password included (entryCSN, draft-chu-ldap-csn). */
  readonly version: string;
}

/** Somebody in the directory, with a mailbox or without. */
export interface Holder {
  readonly uid: string;
  /** Another one when the uid was given to somebody else, whose entry is made anew (entryUUID, RFC 4530). */
  readonly entry: string;
}

/** Look-ups; each may throw DirectoryUnavailable, and nothing else. */
export interface Directory {
  /** Equality on `mailLocalAddress` with the full address. */
  findRecipient(address: string): Promise<RecipientAnswer>;
  /** `login` is a uid or an address. */
  authenticate(login: string, password: string): Promise<Person | "refused">;
  /** A person as they are now. */
  findPerson(uid: string): Promise<Person | "absent">;
  /** Whom a login name means; undefined when nobody. It says nothing to who typed it: their password is not known yet. */
  whoIs(login: string): Promise<Holder | undefined>;
  /** Asks something cheap: resolves when the directory answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** People as the portal knows them, with a mailbox or without; each may throw DirectoryUnavailable. */
export interface Accounts extends Pick<Directory, "whoIs"> {
  /** Whether there is such a person and this is their password. */
  verify(login: string, password: string): Promise<Person | "refused">;
  /** Replaces a person's password in their own name; "refused": the current one is wrong. */
  changePassword(uid: string, current: string, wanted: string): Promise<"changed" | "refused">;
}

/** Connects at the first question and keeps one connection open after that. */
export function createDirectory(settings: DirectorySettings, deps: LdapDeps): Directory & Accounts {
  const ldap = new LdapConnection(settings, deps);
  const find = async (filter: Filter, attributes: string[]): Promise<Entry | undefined> => {
    const found = await ldap.search({ base: settings.peopleDn, scope: "one", filter, attributes });
    return found[0];
  };

  async function findRecipient(address: string): Promise<RecipientAnswer> {
    const filter = ours(equals("mailLocalAddress", address.toLowerCase()));
    const entry = await find(filter, ["uid", "mailHost", "mailRoutingAddress"]);
    return entry === undefined ? { kind: "absent" } : toRecipient(entry);
  }

  async function check(who: Who, login: string, password: string): Promise<Person | "refused"> {
    // RFC 4513 section 5.1.2: a bind with an empty password is "unauthenticated" and succeeds. Never ask.
    if (login === "" || password === "") return "refused";
    const found = await findLogin(who, login);
    if (found === undefined) {
      // An unknown login costs the same round trips as a known one.
      await ldap.tryBind(`uid=nobody,${settings.peopleDn}`, password);
      return "refused";
    }
    return (await ldap.tryBind(found.entry.dn, password)) ? found.person : "refused";
  }

  async function findLogin(who: Who, login: string) {
    // A telephone's keyboard likes to put a blank behind a word.
    const name = login.trim().toLowerCase();
    const either = new OrFilter({ filters: [equals("uid", name), equals("mailLocalAddress", name)] });
    const entry = await find(among(who, either), PERSON);
    const person = entry && toPerson(entry);
    return entry && person && isCalled(person, name) ? { entry, person } : undefined;
  }

  async function whoIs(login: string): Promise<Holder | undefined> {
    const found = await findLogin("inetOrgPerson", login);
    return found && { uid: found.person.uid, entry: all(found.entry, "entryUUID")[0] ?? "" };
  }

  async function changePassword(uid: string, current: string, wanted: string) {
    const entry = await find(among("inetOrgPerson", equals("uid", uid)), PERSON);
    if (entry === undefined || current === "" || wanted === "") return "refused";
    return (await ldap.replacePassword(entry.dn, current, wanted)) ? "changed" : "refused";
  }

  async function findPerson(uid: string): Promise<Person | "absent"> {
    const entry = await find(ours(equals("uid", uid)), PERSON);
    return (entry && toPerson(entry)) ?? "absent";
  }

  return {
    findRecipient,
    authenticate: (login, password) => check("inetLocalMailRecipient", login, password),
    findPerson,
    whoIs,
    verify: (login, password) => check("inetOrgPerson", login, password),
    changePassword,
    ping: async () => {
      const filter = new PresenceFilter({ attribute: "objectClass" });
      await ldap.search({ base: settings.peopleDn, scope: "base", filter, attributes: ["1.1"] });
    },
    close: () => ldap.close(),
  };
}

/**
 * Filters are objects, BER-encoded as they are: no text of an address is ever read as filter syntax, so the
 * escaping that RFC 4515 section 3 asks of the string form has nothing to do here.
 */
function equals(attribute: string, value: string): Filter {
  return new EqualityFilter({ attribute, value });
}

/**
 * By that very name: LDAP takes "ａlice" for "alice" (RFC 4518), and who counts wrong passwords (`policy/login-guard.ts`)
 * would take each way to write it for another account.
 */
function isCalled({ uid, addresses }: Person, name: string): boolean {
  return [uid.toLowerCase(), ...addresses].includes(name);
}

/** Those with a mailbox, or everybody. */
type Who = "inetLocalMailRecipient" | "inetOrgPerson";

function among(who: Who, filter: Filter): Filter {
  return new AndFilter({ filters: [equals("objectClass", who), filter] });
}

function ours(filter: Filter): Filter {
  return among("inetLocalMailRecipient", filter);
}

const PERSON = ["uid", "mailLocalAddress", "entryCSN", "entryUUID"];

function toPerson(entry: Entry): Person | undefined {
  const uid = all(entry, "uid")[0];
  if (uid === undefined) return undefined;
  const addresses = all(entry, "mailLocalAddress").map((address) => address.toLowerCase());
  return { uid, addresses, version: all(entry, "entryCSN")[0] ?? "" };
}

function toRecipient(entry: Entry): RecipientAnswer {
  const uid = all(entry, "uid")[0];
  const host = all(entry, "mailHost")[0];
  const forward = all(entry, "mailRoutingAddress")[0];
  if (uid === undefined || host === undefined) {
    // Half an entry is our fault: the sender shall try again rather than hear "no such user".
    throw new DirectoryUnavailable(`${entry.dn} has no uid or no mailHost`);
  }
  return { kind: "box", uid, host, ...(forward === undefined ? {} : { forward }) };
}

function all(entry: Entry, attribute: string): string[] {
  const value = entry[attribute];
  return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String);
}
