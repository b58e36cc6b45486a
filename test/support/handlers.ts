/** The daemons' session handlers as they are, before queues and boxes that only note what they are given. */

import { SendingSettings } from "../../mailserver/contract.ts";
import type { Directory, Person } from "../../mailserver/directory/directory.ts";
import { silentLog } from "../../mailserver/net/log.ts";
import { Room, roomFor } from "../../mailserver/net/room.ts";
import type { SessionHandler } from "../../mailserver/net/types.ts";
import { createLoginGuard } from "../../mailserver/policy/login-guard.ts";
import type { RecipientAnswer } from "../../mailserver/policy/recipient.ts";
import type { Listener } from "../../mailserver/policy/relay.ts";
import { restore } from "../../mailserver/policy/srs.ts";
import type { NewItem } from "../../mailserver/queue/item.ts";
import type { SessionInfo } from "../../mailserver/smtp/types.ts";
import { createBoxFinder } from "../../mailserver/smtp-in/find-box.ts";
import { createHandler as createInbound } from "../../mailserver/smtp-in/handler.ts";
import { createHandler as createOutbound, type HandlerDeps } from "../../mailserver/smtp-out/handler.ts";

export const RELAY = { user: "smtp-in", password: "relay-secret-0123456789" };
/** Makes the reverse-paths of forwarded mail, at the time 0. */
export const SRS = { domains: ["semail.test"], secret: "secret-for-tests-0123" };
export const PORTAL = { user: "portal", password: "portal-secret-0123456789" };
const PEOPLE: readonly (Person & { readonly forward?: string })[] = [
  { uid: "alice", addresses: ["alice@semail.test", "sales@semail.test"], version: "1" },
  { uid: "bob", addresses: ["bob@semail.test"], version: "1" },
  { uid: "carol", addresses: ["carol@semail.test"], version: "1", forward: "carol@elsewhere.test" },
];
const rules = { domains: ["semail.test"] };
const hostname = "mx.semail.test";
/** Waits for nothing. */
const clock = {
  now: () => 0,
  elapsed: () => 0,
  after: (_ms: number, wake: () => void) => {
    wake();
    return () => {};
  },
};
const room = new Room(roomFor(300_000_000));

async function findRecipient(address: string): Promise<RecipientAnswer> {
  const person = PEOPLE.find(({ addresses }) => addresses.includes(address));
  if (person === undefined) return { kind: "absent" };
  const { uid, forward } = person;
  return { kind: "box", uid, host: `box-${uid}`, ...(forward !== undefined && { forward }) };
}

/** Everybody's password is their uid and `-secret`. */
export const directory: Directory = {
  findRecipient,
  authenticate: async (login, password) => {
    const person = PEOPLE.find(({ uid, addresses }) => uid === login || addresses.includes(login));
    return person !== undefined && password === `${person.uid}-secret` ? person : "refused";
  },
  whoIs: async (login) => {
    const person = PEOPLE.find(({ uid, addresses }) => uid === login || addresses.includes(login));
    return person && { uid: person.uid, entry: person.uid };
  },
  findPerson: async (uid) => PEOPLE.find((person) => person.uid === uid) ?? "absent",
  ping: async () => {},
  close: async () => {},
};

/** smtp-out's, of one listener; `stored` gets the destination of every recipient that is queued. */
export function outboundHandler(
  listener: Listener,
  stored: string[],
  more: Partial<HandlerDeps> = {},
): (session: SessionInfo) => SessionHandler {
  const queue = {
    enqueue: async ({ recipients }: NewItem) => {
      stored.push(...recipients.map(({ destination }) => destination));
    },
  };
  const guard = createLoginGuard({ now: clock.now, stepMs: 0 });
  return createOutbound(listener, {
    ...{ hostname, rules, directory, guard, room, clock, queue },
    ...{ domains: rules.domains, ownNames: [hostname] },
    relay: RELAY,
    portal: PORTAL,
    signers: [],
    showClient: false,
    sending: {
      settings: SendingSettings.parse({}),
      limits: {
        ...{ would: () => undefined, isNew: () => false, firstToday: () => false, untold: () => {} },
        take: () => ({ kind: "counted", giveBack: () => {} }),
      },
    },
    newId: () => "item",
    log: silentLog,
    ...more,
  });
}

/** smtp-in's; `stored` gets the uid of every box that mail is for, and the address of everybody to whom it bounces. */
export function inboundHandler(stored: string[]): (session: SessionInfo) => SessionHandler {
  return createInbound({
    ...{ hostname, room, clock, domains: rules.domains },
    findBox: createBoxFinder(findRecipient, rules),
    returnPath: (address) => restore(address, SRS, clock.now()),
    drop: async ({ parcels, returns = [] }) => {
      stored.push(...parcels.map(({ box }) => box.uid), ...returns.map(({ address }) => address.text));
      return { kind: "accept" };
    },
    clients: { recipient: async () => true, listed: async () => undefined },
    log: silentLog,
  });
}
