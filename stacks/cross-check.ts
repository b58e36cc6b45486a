/** Checks of the stack config that look at several keys at once. Pure, and tolerant of parts that are malformed. */
import { domainOf } from "./address.ts";
import { Ports, Uid, User, type UserConfig } from "./schema.ts";

export interface Problem {
  /** Dotted path below the namespace, e.g. `users.alice.addresses.0`. */
  readonly path: string;
  readonly message: string;
}

/** Everything wrong with the people of a raw config, and with the ports, as far as it can be read. */
export function crossCheck(raw: Readonly<Record<string, unknown>>): Problem[] {
  const domain = typeof raw.domain === "string" ? raw.domain.trim().toLowerCase() : undefined;
  const users = isObject(raw.users) ? raw.users : {};
  return [
    ...Object.keys(users).flatMap(checkUid),
    ...checkAddresses(readable(users), domain, served(raw, domain)),
    ...checkForwards(readable(users), domain, served(raw, domain)),
    ...checkPostmaster(raw.postmaster, users),
    ...checkCatchAll(raw.smtpIn, users),
    ...checkPorts(raw.ports),
    ...checkDomains(raw.domains, domain),
    ...checkWeb(raw.dns, raw.host),
  ];
}

/** Every domain whose mail is ours. */
function served(raw: Readonly<Record<string, unknown>>, domain: string | undefined): ReadonlySet<unknown> {
  const more = Array.isArray(raw.domains) ? raw.domains : [];
  return new Set([
    domain,
    ...more.map((each) => (typeof each === "string" ? each.trim().toLowerCase() : each)),
  ]);
}

function checkDomains(raw: unknown, domain: string | undefined): Problem[] {
  const seen = new Set<unknown>([domain]);
  return (Array.isArray(raw) ? raw : []).flatMap((each, index) => {
    const twice = seen.has(each);
    seen.add(each);
    return twice ? [{ path: `domains.${index}`, message: `${String(each)} is there already` }] : [];
  });
}

/** A name that is looked for on the web needs an address that the world reaches. */
function checkWeb(dns: unknown, host: unknown): Problem[] {
  if (!isObject(dns) || (isObject(host) && host.address !== undefined)) return [];
  return ["mtaSts", "autoconfig"].flatMap((key) =>
    dns[key] === undefined || dns[key] === false
      ? []
      : [{ path: `dns.${key}`, message: "needs host.address: the public address that serves it over HTTPS" }],
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readable(users: Record<string, unknown>): [string, UserConfig][] {
  return Object.entries(users).flatMap(([uid, value]): [string, UserConfig][] => {
    const user = User.safeParse(value);
    return user.success ? [[uid, user.data]] : [];
  });
}

function checkUid(uid: string): Problem[] {
  const result = Uid.safeParse(uid);
  return result.success
    ? []
    : [{ path: `users.${uid}`, message: `uid ${result.error.issues[0]?.message ?? "is invalid"}` }];
}

function checkAddresses(
  users: [string, UserConfig][],
  domain: string | undefined,
  ours: ReadonlySet<unknown>,
): Problem[] {
  const claimed = new Map<string, string>();
  const problems: Problem[] = [];
  for (const [uid, user] of users) {
    const own = claims(uid, user, domain);
    for (const [path, address] of own) {
      const holder = claimed.get(address);
      if (domain !== undefined && !ours.has(domainOf(address))) {
        problems.push({ path, message: `${address} is outside the ${namesOf(ours)}` });
      } else if (holder !== undefined) {
        problems.push({ path, message: `${address} is claimed twice: it is also at ${holder}` });
      } else {
        claimed.set(address, path);
      }
    }
    if (own.some(([, address]) => address === user.forward)) {
      problems.push({
        path: `users.${uid}.forward`,
        message: "is one of the person's own addresses: mail would loop",
      });
    }
  }
  return problems;
}

const namesOf = (domains: ReadonlySet<unknown>): string =>
  `domain${domains.size > 1 ? "s" : ""} ${[...domains].join(", ")}`;

/** A forward to nobody would have all mail to that person refused. */
function checkForwards(
  users: [string, UserConfig][],
  domain: string | undefined,
  ours: ReadonlySet<unknown>,
): Problem[] {
  const known = new Set(
    users.flatMap(([uid, user]) => claims(uid, user, domain).map(([, address]) => address)),
  );
  for (const each of ours) for (const role of ["postmaster", "abuse"]) known.add(`${role}@${each}`);
  return users.flatMap(([uid, { forward }]) =>
    forward === undefined || !ours.has(domainOf(forward)) || known.has(forward)
      ? []
      : [{ path: `users.${uid}.forward`, message: `nobody has the address ${forward}` }],
  );
}

function claims(uid: string, user: UserConfig, domain: string | undefined): [string, string][] {
  const implied =
    domain === undefined ? [] : [[`users.${uid}`, `${uid}@${domain}`] satisfies [string, string]];
  const named = (key: "addresses" | "aliases", list: readonly string[]) =>
    list.map((address, index): [string, string] => [`users.${uid}.${key}.${index}`, address]);
  return [
    ...(user.addresses ? named("addresses", user.addresses) : implied),
    ...named("aliases", user.aliases),
  ];
}

function checkPostmaster(postmaster: unknown, users: Record<string, unknown>): Problem[] {
  if (typeof postmaster !== "string" || Object.hasOwn(users, postmaster)) return [];
  return [{ path: "postmaster", message: `there is no user ${postmaster}: name one of semail:users` }];
}

function checkCatchAll(smtpIn: unknown, users: Record<string, unknown>): Problem[] {
  const uid = isObject(smtpIn) ? smtpIn.catchAll : undefined;
  if (typeof uid !== "string" || Object.hasOwn(users, uid)) return [];
  return [{ path: "smtpIn.catchAll", message: `there is no user ${uid}: name one of semail:users` }];
}

function checkPorts(raw: unknown): Problem[] {
  const ports = Ports.safeParse(raw ?? {});
  if (!ports.success) return [];
  const used = new Map<number, string>();
  return Object.entries(ports.data).flatMap(([name, port]) => {
    const other = used.get(port);
    used.set(port, name);
    return other === undefined
      ? []
      : [{ path: `ports.${name}`, message: `${port} is already ports.${other}` }];
  });
}
