/** The portal in this process, before an operator and a directory that live in memory. */
import type { HttpBindings } from "@hono/node-server";
import { PortalSettings } from "../../mailserver/contract.ts";
import type { Accounts } from "../../mailserver/directory/directory.ts";
import type { MxRecords } from "../../mailserver/dns/resolver.ts";
import { silentLog } from "../../mailserver/net/log.ts";
import type { Connections } from "../../mailserver/net/pool.ts";
import { ConnectFailed, type TlsIdentity } from "../../mailserver/net/types.ts";
import { type OperatorClient, OperatorError } from "../../mailserver/operator/client.ts";
import {
  type FaultCode,
  type PersonRequest,
  PersonView,
  type RequestView,
} from "../../mailserver/operator/protocol.ts";
import { createLoginGuard } from "../../mailserver/policy/login-guard.ts";
import { DirectoryUnavailable } from "../../mailserver/policy/recipient.ts";
import { createPortal } from "../../mailserver/portal/app.ts";
import { createPresence } from "../../mailserver/portal/presence.ts";
import { Sessions } from "../../mailserver/portal/sessions.ts";
import { createTestMails } from "../../mailserver/portal/test-mail.ts";
import { createUsage } from "../../mailserver/portal/usage.ts";
import { noAnswer, reply } from "../../mailserver/smtp/replies.ts";
import { writeIdentity } from "./identity.ts";

export const ORIGIN = "https://mail.example.org";
export const LIMITS = { idleMs: 1_800_000, absoluteMs: 43_200_000, rotateMs: 600_000 };

export function person(uid: string, change: Partial<PersonView> = {}): PersonView {
  return PersonView.parse({
    ...{ uid, name: uid, state: "active", addresses: [`${uid}@example.org`], aliases: [], aliasLimit: 5 },
    ...{ forward: null, quota: "1GB", deletedOn: null, keptUntil: null, retentionDays: 30, pending: null },
    ...{ domains: ["example.org", "example.net"], ...change },
  });
}

/** Takes every request and leaves it queued; `down` makes it silent. */
export function memoryOperator(people: PersonView[]) {
  const byUid = new Map(people.map((each) => [each.uid, each]));
  const requests = new Map<string, RequestView>();
  const submitted: PersonRequest[] = [];
  const state: { down: boolean; refuses?: FaultCode; prepared: number } = { down: false, prepared: 0 };
  const fail = (status: number, code: FaultCode) => new OperatorError(status, { code, detail: "" });
  const up = () => {
    if (state.down) throw fail(503, "unavailable");
  };
  const request = async (id: string) => {
    up();
    const found = requests.get(id);
    if (!found) throw fail(404, "unknown-request");
    return found;
  };
  const client: OperatorClient = {
    person: async (uid) => {
      up();
      const found = byUid.get(uid);
      if (!found) throw fail(404, "unknown-person");
      return found;
    },
    usage: async (uid) => {
      up();
      if (!byUid.has(uid)) throw fail(404, "unknown-person");
      return { used: 123_456_789, limit: 1_073_741_824 };
    },
    address: async (uid, address) => {
      up();
      const taken = [...byUid.values()].some(
        (other) =>
          other.addresses.includes(address) || (other.uid !== uid && address.startsWith(`${other.uid}@`)),
      );
      return { free: !taken, reason: taken ? "taken" : null };
    },
    prepare: async () => {
      up();
      state.prepared += 1;
    },
    submit: async (wanted) => {
      up();
      if (state.refuses) throw fail(409, state.refuses);
      submitted.push(wanted);
      const id = (requests.size + 1).toString(16).padStart(32, "0");
      const steps = [{ name: "config", state: "running" } as const];
      requests.set(id, { id, uid: wanted.uid, kind: wanted.kind, state: "queued", steps, error: null });
      return id;
    },
    request,
    async *events(id) {
      yield { ...(await request(id)), state: "done" };
    },
    log: async (uid) => {
      up();
      return `log of ${uid} <script>`;
    },
  };
  return { client, byUid, requests, submitted, state };
}

export const SETTINGS = {
  domains: ["example.org", "example.net"],
  mxHosts: ["mx.example.org"],
  servers: {
    imap: { host: "imap.example.org", imaps: 993, starttls: 143 },
    smtp: { host: "smtp.example.org", submissions: 465, starttls: 587 },
    sieve: 4190,
  },
  mtaStsPolicies: { "example.org": "version: STSv1\r\n", "example.net": "version: STSv1\r\nmode: none\r\n" },
};

/** What a portal in a process of its own is given, with files in `folder`. */
export async function portalSettings(folder: string, identity: TlsIdentity): Promise<PortalSettings> {
  const settings = PortalSettings.parse({
    ...SETTINGS,
    directory: { url: "ldap://127.0.0.1", bindDn: "cn=portal", peopleDn: "ou=people", password: "unused" },
    tls: await writeIdentity(folder, identity),
    relay: { host: "smtp-out", port: 10_025, user: "portal", password: "portal-secret-0123456789" },
    stateDir: folder,
    resolvers: ["127.0.0.1"],
  });
  // Any port that is free.
  return { ...settings, port: 0 };
}

/** The MX records of example.org point here, those of other domains elsewhere. */
export const testDns: MxRecords = {
  resolveMx: async (name) => ({
    records: [
      { exchange: name === "example.org" ? "mx.example.org." : "mx.else.test", priority: 10, ttl: 300 },
    ],
    secure: false,
    name,
  }),
};

/** Their passwords are `<uid>-password`; `down` makes the directory silent, `breaksOff` when it has done it. */
export function memoryPeople(uids: readonly string[]) {
  const passwords = new Map(uids.map((uid) => [uid, `${uid}-password`]));
  /** Who is in the directory, and their entry; a test takes people out or gives their uid to others. */
  const entries = new Map(uids.map((uid) => [uid, `entry of ${uid}`]));
  const state = { down: false, breaksOff: false };
  const up = () => {
    if (state.down) throw new DirectoryUnavailable("down");
  };
  const uidOf = (login: string) => login.split("@")[0] ?? "";
  const accounts: Accounts = {
    whoIs: async (login) => {
      up();
      const uid = uidOf(login);
      const entry = entries.get(uid);
      return entry === undefined ? undefined : { uid, entry };
    },
    verify: async (login, password) => {
      up();
      const uid = uidOf(login);
      return passwords.get(uid) === password ? { uid, addresses: [], version: "" } : "refused";
    },
    changePassword: async (uid, current, wanted) => {
      up();
      if (passwords.get(uid) !== current) return "refused";
      passwords.set(uid, wanted);
      if (state.breaksOff) throw new DirectoryUnavailable("no answer");
      return "changed";
    },
  };
  return { accounts, entries, state };
}

export interface SentMail {
  readonly to: string;
  readonly text: string;
}

/** smtp-out as test mails see it: notes them, unless it is down. */
export function relayTo(mails: SentMail[], state: { readonly down: boolean }): Connections {
  return {
    deliver: async (_options, { recipients }, body) => {
      if (state.down) return { kind: "failed", failure: new ConnectFailed("connect", noAnswer) };
      const [to] = recipients;
      mails.push({ to: to?.text ?? "", text: Buffer.from(body).toString() });
      const outcome = { kind: "delivered", reply: reply(250, "2.0.0", "Queued") } as const;
      return { kind: "done", outcomes: [outcome], tls: undefined, bodyBegan: true };
    },
  };
}

/** A portal whose clock stands still until `time.now` is set. */
export function testPortal(people: PersonView[] = [person("alice"), person("bob")]) {
  const operator = memoryOperator(people);
  const time = { now: Date.parse("2026-01-02T03:04:05Z") };
  const { accounts, entries, state: directory } = memoryPeople(people.map(({ uid }) => uid));
  const mails: SentMail[] = [];
  const relay = { down: false };
  let tokens = 0;
  const clock = {
    now: () => time.now,
    elapsed: () => time.now,
    after: (_ms: number, wake: () => void) => {
      queueMicrotask(wake);
      return () => {};
    },
  };
  const app = createPortal({
    settings: SETTINGS,
    directory: accounts,
    operator: operator.client,
    isThere: createPresence({ directory: accounts, now: clock.elapsed }),
    usage: createUsage(operator.client, clock),
    sendTestMail: createTestMails({
      ...{ clock, newToken: () => `mail-${mails.length}`, log: silentLog },
      relay: { host: "smtp-out", port: 10_025, user: "portal", password: "portal-secret-0123456789" },
      connections: relayTo(mails, relay),
    }),
    dns: testDns,
    sessions: new Sessions({ now: clock.elapsed, newToken: () => `token-${++tokens}`, limits: LIMITS }),
    guard: createLoginGuard({ now: clock.elapsed }),
    clock,
    log: silentLog,
  });
  const from = (remoteAddress: string) => {
    const env = { incoming: { socket: { remoteAddress } } } as unknown as HttpBindings;
    const send = async (path: string, init: RequestInit = {}, origin = ORIGIN): Promise<Response> =>
      app.request(`${origin}${path}`, init, env);
    return { send, browser: () => new Browser(send) };
  };
  const { routes } = app;
  return { ...from("192.0.2.1"), from, routes, operator, directory, entries, time, mails, relay };
}

type Send = (path: string, init?: RequestInit) => Promise<Response>;

/** Keeps cookies, and knows the token of the last page. */
export class Browser {
  readonly #send: Send;
  readonly #origin: string;
  readonly cookies = new Map<string, string>();
  csrf = "";

  constructor(send: Send, origin = ORIGIN) {
    this.#send = send;
    this.#origin = origin;
  }

  async get(path: string, headers: Record<string, string> = {}) {
    return this.#answer(await this.#send(path, { headers: { ...this.#headers(), ...headers } }));
  }

  async post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}) {
    const body = new URLSearchParams({ ...(this.csrf && { csrf: this.csrf }), ...fields });
    return this.#answer(
      await this.#send(path, {
        method: "POST",
        body,
        headers: { ...this.#headers(), origin: this.#origin, ...headers },
      }),
    );
  }

  async signIn(uid: string): Promise<this> {
    await this.post("/sign-in", { login: uid, password: `${uid}-password` });
    await this.get("/mailbox");
    return this;
  }

  #headers(): Record<string, string> {
    return { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  }

  async #answer(response: Response) {
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (/max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const text = await response.text();
    this.csrf = /name="csrf" value="([^"]*)"/.exec(text)?.[1] ?? this.csrf;
    return {
      status: response.status,
      location: response.headers.get("location"),
      headers: response.headers,
      text,
    };
  }
}
