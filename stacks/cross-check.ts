/** Checks of the stack config that look at several keys at once. Pure, and tolerant of parts that are malformed. */
import { domainOf } from "./address.ts";
import { checkCertificates } from "./check-certificates.ts";
import { checkHost, publicAddress } from "./cross-check-host.ts";
import { Portal, Ports, User, type UserConfig } from "./schema.ts";
import { Uid } from "./schema-fields.ts";

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
    ...readable(users).flatMap(([uid, user]) => checkState(uid, user)),
    ...checkHolder("postmaster", raw.postmaster, users),
    ...checkHolder("smtpIn.catchAll", isObject(raw.smtpIn) ? raw.smtpIn.catchAll : undefined, users),
    ...checkPorts(raw.ports, raw.portal),
    ...checkDomains("domains", raw.domains, domain),
    ...checkLeaving(raw.leaving, raw.domains, domain),
    ...checkHost(raw),
    ...checkWeb(raw.dns, raw.host),
    ...checkBackup(raw.backup),
    ...checkBoxes(raw.boxes),
    ...checkCertificates(raw, domain),
  ];
}

/** Every domain whose mail is ours. */
function served(raw: Readonly<Record<string, unknown>>, domain: string | undefined): ReadonlySet<unknown> {
  return new Set([domain, ...names(raw.domains)]);
}

/** As the schema writes them. */
const names = (raw: unknown): unknown[] =>
  (Array.isArray(raw) ? raw : []).map((each) =>
    typeof each === "string" ? each.trim().toLowerCase() : each,
  );

/** What is no text is told by the schema. */
const shown = (name: unknown): string => (typeof name === "string" ? name : "it");

function checkDomains(path: string, raw: unknown, domain: string | undefined): Problem[] {
  const seen = new Set<unknown>([domain]);
  return names(raw).flatMap((each, index) => {
    const twice = seen.has(each);
    seen.add(each);
    return twice ? [{ path: `${path}.${index}`, message: `${shown(each)} is there already` }] : [];
  });
}

/** The first domain has the host's names: it can't be given up while the host is there. */
function checkLeaving(leaving: unknown, domains: unknown, domain: string | undefined): Problem[] {
  const more = new Set(names(domains));
  const foreign = names(leaving).flatMap((each, index): Problem[] => {
    const path = `leaving.${index}`;
    if (each === domain)
      return [{ path, message: `${shown(each)} is semail:domain, in which the host's names are` }];
    return more.has(each) ? [] : [{ path, message: `${shown(each)} is none of semail:domains` }];
  });
  return [...foreign, ...checkDomains("leaving", leaving, undefined)];
}

/** A name that is looked for on the web needs an address that the world reaches. */
function checkWeb(dns: unknown, host: unknown): Problem[] {
  if (!isObject(dns) || publicAddress(host) !== undefined) return [];
  return ["mtaSts", "autoconfig"].flatMap((key) =>
    dns[key] === undefined || dns[key] === false
      ? []
      : [{ path: `dns.${key}`, message: "needs host.address: the public address that serves it over HTTPS" }],
  );
}

/** A file system counts by user. */
function checkBoxes(boxes: unknown): Problem[] {
  if (!isObject(boxes) || boxes.users !== "shared" || boxes.diskLimits !== "required") return [];
  return [
    {
      path: "boxes.diskLimits",
      message: "can't be required with `users: shared`: a file system limits users, and all boxes are one",
    },
  ];
}

/** An S3-compatible store lets nobody in who doesn't say who they are; and a schedule alone saves nothing. */
function checkBackup(backup: unknown): Problem[] {
  if (!isObject(backup)) return [];
  const { enabled, repository, keyId, schedule } = backup;
  const s3 = typeof repository === "string" && repository.startsWith("s3:");
  return [
    ...(s3 && keyId === undefined
      ? [{ path: "backup.keyId", message: "is missing: the access key id of the store" }]
      : []),
    ...(Array.isArray(schedule) && schedule.length > 0 && enabled !== true
      ? [{ path: "backup.schedule", message: "needs backup.enabled: true" }]
      : []),
  ];
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

/**
 * A forward to nobody has the sender of each mail told that it can't be delivered. Who gave their mailbox up counts,
 * since nobody shall be kept from that by the forward of another.
 */
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

/** A mailbox that was given up keeps its addresses, so that it can be taken back; who has none claims none. */
function claims(uid: string, user: UserConfig, domain: string | undefined): [string, string][] {
  const implied =
    domain === undefined || user.state === "none"
      ? []
      : [[`users.${uid}`, `${uid}@${domain}`] satisfies [string, string]];
  const named = (key: "addresses" | "aliases", list: readonly string[]) =>
    list.map((address, index): [string, string] => [`users.${uid}.${key}.${index}`, address]);
  return [
    ...(user.addresses ? named("addresses", user.addresses) : implied),
    ...named("aliases", user.aliases),
  ];
}

function checkState(uid: string, user: UserConfig): Problem[] {
  const path = `users.${uid}`;
  const problems: Problem[] = [];
  if (user.state === "deleted" && user.deletedOn === undefined)
    problems.push({
      path: `${path}.deletedOn`,
      message: "is missing: the day on which the mailbox was given up",
    });
  if (user.state !== "deleted" && user.deletedOn !== undefined)
    problems.push({ path: `${path}.deletedOn`, message: "is only for `state: deleted`" });
  if (user.state === "none")
    for (const key of ["addresses", "aliases", "forward"] as const)
      if ((user[key] ?? []).length > 0)
        problems.push({
          path: `${path}.${key}`,
          message: "needs a mailbox, and `state: none` is without one",
        });
  return problems;
}

/** Mail that must always arrive goes to somebody with a mailbox. */
function checkHolder(path: string, uid: unknown, users: Record<string, unknown>): Problem[] {
  if (typeof uid !== "string") return [];
  if (!Object.hasOwn(users, uid))
    return [{ path, message: `there is no user ${uid}: name one of semail:users` }];
  const user = User.safeParse(users[uid]);
  return user.success && user.data.state !== "active"
    ? [{ path, message: `${uid} has no mailbox (state: ${user.data.state}): name somebody who has` }]
    : [];
}

function checkPorts(raw: unknown, rawPortal: unknown): Problem[] {
  const ports = Ports.safeParse(raw ?? {});
  if (!ports.success) return [];
  const portal = Portal.safeParse(rawPortal ?? {});
  const all = Object.entries(ports.data).map(([name, port]): [string, number] => [`ports.${name}`, port]);
  if (portal.success && portal.data.enabled) all.push(["portal.port", portal.data.port]);
  const used = new Map<number, string>();
  return all.flatMap(([path, port]) => {
    const other = used.get(port);
    used.set(port, path);
    return other === undefined ? [] : [{ path, message: `${port} is already ${other}` }];
  });
}
