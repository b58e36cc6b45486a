/** A directory and boxes, all real, each box behind a door on loopback that a test can shut; for daemons as processes. */
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transform } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import { Client } from "ldapts";
import { bundleDaemon } from "../../tools/bundle.ts";
import {
  ADMIN_PASSWORD,
  PEOPLE,
  runImage,
  SERVICE_PASSWORD,
  SERVICES,
  SUFFIX,
} from "../integration/images/images.ts";
import { type Daemon, logged, spawnDaemon } from "./daemon-process.ts";
import { type Handle, type Lab, openLab } from "./docker.ts";
import { enter, FRONT } from "./front.ts";
import { type Identity, makeIdentity, writeIdentity } from "./identity.ts";
import { freePorts } from "./ports.ts";

const LMTP_PORT = 24;
const LDAP_PORT = 389;
/** How long a container may take until its service answers. */
const READY_MS = 60_000;

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Passes so many replies on (RFC 5321 section 4.2.1), and the rest when it is opened. */
class Gate extends Transform {
  readonly #reached: () => void;
  readonly #held: Buffer[] = [];
  #left: number;

  constructor(replies: number, reached: () => void) {
    super();
    this.#left = replies;
    this.#reached = reached;
  }

  override _transform(bytes: Buffer, _encoding: string, done: () => void): void {
    for (const line of bytes.toString("latin1").split(/(?<=\n)/)) {
      const part = Buffer.from(line, "latin1");
      if (this.#left > 0) this.push(part);
      else {
        this.#held.push(part);
        this.#reached();
      }
      if (/^\d{3} /.test(line) && line.endsWith("\n")) this.#left -= 1;
    }
    done();
  }

  open(): void {
    this.#left = Number.POSITIVE_INFINITY;
    for (const part of this.#held.splice(0)) this.push(part);
  }
}

/** The way to a service: open, or refusing as a machine whose service is down does. */
export class Door {
  readonly #at: Place;
  readonly #dial: () => Socket;
  readonly #sockets = new Set<Socket>();
  readonly #gates = new Set<Gate>();
  #server: Server | undefined;
  #newGate: (() => Gate) | undefined;

  constructor(at: Place, dial: () => Socket) {
    this.#at = at;
    this.#dial = dial;
  }

  get host(): string {
    return this.#at.host;
  }

  async open(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = createServer((near) => {
      const far = this.#dial();
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.setNoDelay(true);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
      near.pipe(far);
      const gate = this.#newGate?.();
      if (gate === undefined) far.pipe(near);
      else far.pipe(gate).pipe(near);
    });
    this.#server = server;
    server.listen(this.#at);
    await once(server, "listening");
  }

  /**
   * What comes back stands still after so many replies of a connection that is opened from now on, as when the service
   * freezes there; settles when it does.
   */
  stallAfter(replies: number): Promise<void> {
    const { promise, resolve: reached } = Promise.withResolvers<void>();
    this.#newGate = () => {
      const gate = new Gate(replies, reached);
      this.#gates.add(gate);
      return gate;
    };
    return promise;
  }

  /** Lets everything pass again. */
  thaw(): void {
    this.#newGate = undefined;
    for (const gate of this.#gates) gate.open();
    this.#gates.clear();
  }

  /** Cuts what passes through. */
  cut(): void {
    for (const socket of this.#sockets) {
      // TLS, which leads to a box, has no reset.
      if (socket instanceof TLSSocket) socket.destroy();
      else socket.resetAndDestroy();
    }
  }

  async shut(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    this.cut();
    await closed;
  }
}

export interface Box {
  readonly uid: string;
  readonly address: string;
  readonly handle: Handle;
  readonly door: Door;
  /** The box's volume. */
  readonly volume: string;
  /** How often each value of that header field is in the box. */
  count(field: string): Promise<Map<string, number>>;
}

export interface MailSite {
  readonly lab: Lab;
  readonly folder: string;
  readonly identity: Identity;
  readonly directory: Handle;
  readonly directoryDoor: Door;
  readonly boxes: readonly Box[];
  readonly lmtpPort: number;
  /** What both daemons need to know of the site. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Does something as the directory's administrator. */
  administer<T>(work: (admin: Client) => Promise<T>): Promise<T>;
  /** Starts a daemon of this project; settles when it is ready. `env`: further variables of its environment. */
  start(
    main: string,
    settings: Readonly<Record<string, unknown>>,
    env?: Readonly<Record<string, string>>,
  ): Promise<Daemon>;
  close(): Promise<void>;
}

export interface SiteOptions {
  readonly boxes: number;
  /** Entries of the directory beside those with a box. */
  readonly extras?: number;
  /** Leaves the doors out: daemons speak to the boxes themselves. */
  readonly direct?: boolean;
  /** Keeps the directory in memory, where thousands of entries are made in seconds. */
  readonly volatileDirectory?: boolean;
  /** Where the site's own folder and all volumes lie, instead of the system's folder for temporary files and the engine's. */
  readonly durableIn?: string;
}

export async function openMailSite(options: SiteOptions): Promise<MailSite> {
  const lab = openLab(undefined, options.durableIn);
  const folder = await mkdtemp(join(options.durableIn ?? tmpdir(), "semail-site-"));
  const running: Daemon[] = [];
  const doors: Door[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(running.map((daemon) => daemon.kill()));
    await Promise.all(doors.map((door) => door.shut()));
    await lab.cleanup();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const directory = await openDirectory(lab, options.volatileDirectory === true);
    const url = `ldap://127.0.0.1:${await directory.port("389/tcp")}`;
    const [free = 0, ldap = 0] = await freePorts(2);
    const ldapPlace = { host: await directory.ip(), port: LDAP_PORT };
    const directoryDoor = new Door({ host: "127.0.0.1", port: ldap }, () => connect(ldapPlace));
    doors.push(directoryDoor);
    await directoryDoor.open();
    const lmtpPort = options.direct === true ? LMTP_PORT : free;
    const boxes: Box[] = [];
    for (let number = 0; number < options.boxes; number += 1) {
      const box = await openBox(lab, number, lmtpPort, options.direct === true);
      doors.push(box.door);
      boxes.push(box);
    }
    const administer = async <T>(work: (admin: Client) => Promise<T>): Promise<T> => {
      const admin = new Client({ url });
      await admin.bind(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD);
      try {
        return await work(admin);
      } finally {
        await admin.unbind();
      }
    };
    await administer((admin) => fill(admin, boxes, options.extras ?? 0));
    const identity = await makeIdentity("mx.semail.test");
    const bindDn = `cn=test,${SERVICES}`;
    return {
      ...{ lab, folder, identity, directory, directoryDoor, boxes, lmtpPort, administer, close },
      settings: {
        hostname: "mx.semail.test",
        domains: ["semail.test"],
        directory: { url: `ldap://127.0.0.1:${ldap}`, bindDn, password: SERVICE_PASSWORD, peopleDn: PEOPLE },
        tls: await writeIdentity(folder, identity),
        lmtpPort,
        // The doors do it for who comes through them.
        ...(options.direct === true ? { boxDoor: FRONT } : {}),
      },
      start: async (main, settings, env) => {
        const bundle = join(folder, `${main.replaceAll("/", "-")}.mjs`);
        await writeFile(bundle, await bundleDaemon(main));
        const file = join(folder, `settings-${running.length}.json`);
        await writeFile(file, JSON.stringify(settings));
        const daemon = spawnDaemon(bundle, file, folder, env);
        running.push(daemon);
        await logged(daemon, "daemon.ready");
        return daemon;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A health check twice a second in each container would be most of what the machine does. */
const UNCHECKED = { health: false };

async function openDirectory(lab: Lab, inMemory: boolean): Promise<Handle> {
  const folder = "size=200m,uid=5001,gid=5001,mode=0750";
  const tmpfs = { "/run": folder, "/tmp": "size=16m,mode=1777", "/var/lib/ldap": folder };
  const handle = await runImage(lab, "directory", {
    ...UNCHECKED,
    ...(inMemory && { memoryMb: 400, tmpfs, volumes: {} }),
  });
  const place = { host: await handle.ip(), port: LDAP_PORT };
  await answering(() => connect(place), "connect");
  return handle;
}

/** Waits until somebody takes a connection there, or greets too. */
async function answering(dial: () => Socket, sign: "connect" | "data"): Promise<void> {
  for (const deadline = Date.now() + READY_MS; ; await sleep(50)) {
    const socket = dial();
    try {
      await once(socket, sign);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    } finally {
      socket.destroy();
    }
  }
}

async function openBox(lab: Lab, number: number, lmtpPort: number, direct: boolean): Promise<Box> {
  const uid = `user${number}`;
  const env = { BOX_USER: uid, BOX_QUOTA_BYTES: "0" };
  const volume = await lab.volume();
  const handle = await runImage(lab, "box", {
    ...UNCHECKED,
    ...{ env, memoryMb: 128, volumes: { "/srv/mail": volume } },
  });
  const target = await handle.ip();
  const dial = (): Socket => enter({ host: target, port: LMTP_PORT });
  await answering(dial, "data");
  const at = { host: direct ? target : `127.0.1.${number + 1}`, port: lmtpPort };
  const door = new Door(at, dial);
  if (!direct) await door.open();
  const count = async (field: string): Promise<Map<string, number>> => {
    const { stdout } = await handle.exec(["grep", "-rhi", `^${field}:`, "/srv/mail/Maildir"]);
    const counts = new Map<string, number>();
    for (const line of stdout.split("\n").filter((text) => text !== "")) {
      const value = line.slice(field.length + 1).trim();
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    return counts;
  };
  return { uid, address: `${uid}@semail.test`, handle, door, volume, count };
}

async function fill(admin: Client, boxes: readonly Box[], extras: number): Promise<void> {
  await admin.add(`cn=test,${SERVICES}`, {
    objectClass: ["organizationalRole", "simpleSecurityObject"],
    cn: "test",
    userPassword: SERVICE_PASSWORD,
  });
  for (const { uid, door } of boxes) await addPerson(admin, uid, door.host);
  const host = boxes[0]?.door.host ?? "127.0.0.1";
  for (let extra = 0; extra < extras; extra += 1) await addPerson(admin, `extra${extra}`, host);
}

/** An entry as the product writes it, but that nobody may log in: hashing a password takes the directory longest. */
export async function addPerson(admin: Client, uid: string, mailHost: string): Promise<void> {
  await admin.add(`uid=${uid},${PEOPLE}`, {
    objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
    ...{ uid, cn: uid, sn: uid, mailHost, mailLocalAddress: `${uid}@semail.test` },
  });
}
