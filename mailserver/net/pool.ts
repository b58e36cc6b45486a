/**
 * Client sessions that are kept open for the next message to the same peer: greeting, EHLO and STARTTLS cost a session
 * once, not each message (RFC 5321 section 3.3 allows any number of transactions).
 */
import { manyWait, noAnswer } from "../smtp/replies.ts";
import type { Envelope } from "../smtp/types.ts";
import { connect } from "./client.ts";
import {
  afterCarried,
  afterTurnedAway,
  firstLimit,
  type SessionLimit,
  type SessionRange,
} from "./session-limit.ts";
import { systemTiming, type Timing } from "./timing.ts";
import { Turns } from "./turns.ts";
import {
  type ClientConnection,
  ConnectFailed,
  type ConnectOptions,
  type DeliveryReport,
  type MessageSignals,
} from "./types.ts";

export interface PoolOptions {
  /** Milliseconds that an unused session is kept. */
  readonly idleMs: number;
  /** Messages of one session, after which the next gets a new one. */
  readonly messages: number;
  /** Sessions with one address and port at the same time, whoever they are for; any number unless told. */
  readonly perPeer?: SessionRange;
  /** The system's unless told. */
  readonly timing?: Timing;
}

/** Peers of which it is remembered how many sessions they took; the first ones are forgotten first. */
const MAX_PEERS = 10_000;

/**
 * Messages that wait for a session with one peer. A host that hangs, and has many names, would else have any number of them
 * wait in places that others need; they are better tried again later.
 */
const MAX_WAITING = 100;

/** Carries messages over kept sessions. */
export interface Connections {
  /**
   * Sends one message over a session to that peer, opened or at rest. Rejects only for a fault of our own. Two calls
   * at the same time use two sessions, or wait for one another when the peer has as many as it may.
   */
  deliver(options: ConnectOptions, envelope: Envelope, body: Uint8Array): Promise<DeliveryReport>;
}

interface Kept {
  readonly connection: ClientConnection;
  readonly sent: number;
  readonly peer: string;
  readonly cancel: () => void;
}

export class ConnectionPool implements Connections {
  readonly #options: PoolOptions;
  /** Sessions at rest; the last is the one that was used last. */
  readonly #idle = new Map<string, Kept[]>();
  readonly #turns = new Turns((peer) => this.#most(peer), MAX_WAITING);
  /** Of peers that have sessions, or took fewer than we wished. */
  readonly #limits = new Map<string, SessionLimit>();
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async deliver(options: ConnectOptions, envelope: Envelope, body: Uint8Array): Promise<DeliveryReport> {
    const peer = peerOf(options);
    for (;;) {
      const endTurn = await this.#turns.take(peer, options.signal);
      if (endTurn === undefined) {
        const reply = options.signal?.aborted === true ? noAnswer : manyWait;
        return { kind: "failed", failure: new ConnectFailed("connect", reply) };
      }
      try {
        const report = await this.#deliver(options, envelope, body);
        // The message goes over one of the sessions that the peer took, rather than wait for its next attempt.
        if (this.#heed(peer, report) !== "again") return report;
      } finally {
        endTurn();
        this.#forgetLimit(peer);
      }
    }
  }

  #most(peer: string): number {
    const { perPeer } = this.#options;
    return perPeer === undefined
      ? Number.POSITIVE_INFINITY
      : (this.#limits.get(peer) ?? firstLimit(perPeer)).size;
  }

  /** Learns how many sessions the peer takes. */
  #heed(peer: string, report: DeliveryReport): "again" | undefined {
    const { perPeer, timing = systemTiming } = this.#options;
    if (perPeer === undefined) return undefined;
    const at = { open: this.#turns.active(peer), now: timing.now() };
    if (turnedAway(report) && at.open > 1) {
      this.#limits.delete(peer);
      this.#limits.set(peer, afterTurnedAway(at));
      return "again";
    }
    const carried = report.kind === "done" && report.outcomes.some(({ kind }) => kind === "delivered");
    const limit = this.#limits.get(peer) ?? firstLimit(perPeer);
    if (carried) this.#limits.set(peer, afterCarried(limit, at, perPeer));
    return undefined;
  }

  #forgetLimit(peer: string): void {
    if (this.#turns.active(peer) === 0 && this.#limits.get(peer)?.ceiling === undefined) {
      this.#limits.delete(peer);
    }
    const oldest = this.#limits.keys().next();
    if (this.#limits.size > MAX_PEERS && oldest.done === false) this.#limits.delete(oldest.value);
  }

  async #deliver(options: ConnectOptions, envelope: Envelope, body: Uint8Array): Promise<DeliveryReport> {
    const key = keyOf(options);
    for (let kept = this.#take(key); kept !== undefined; kept = this.#take(key)) {
      const report = await this.#send(key, kept, options, envelope, body);
      // A peer may end a session that it finds idle, or long enough, whenever it likes (RFC 5321 section 3.8). As long
      // as nothing of the message was on its way the peer can't have taken it, and it goes over another session.
      if (kept.connection.usable() || kept.connection.bodyBegan() || options.signal?.aborted === true) {
        return report;
      }
    }
    this.#makeRoom(peerOf(options));
    try {
      const connection = await connect(options);
      connection.onClosed(() => this.#forget(key, connection));
      return await this.#send(key, { connection, sent: 0, peer: peerOf(options) }, options, envelope, body);
    } catch (error) {
      if (error instanceof ConnectFailed) return { kind: "failed", failure: error };
      throw error;
    }
  }

  /** Says goodbye to all sessions at rest; those in use end with their message. */
  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#idle.values()].flat();
    this.#idle.clear();
    for (const { cancel } of all) cancel();
    await Promise.all(all.map(({ connection }) => connection.close()));
  }

  async #send(
    key: string,
    { connection, sent, peer }: Omit<Kept, "cancel">,
    signals: MessageSignals,
    envelope: Envelope,
    body: Uint8Array,
  ): Promise<DeliveryReport> {
    try {
      const outcomes = await connection.send(envelope, body, signals);
      return { kind: "done", outcomes, tls: connection.tls, bodyBegan: connection.bodyBegan() };
    } finally {
      this.#giveBack(key, { connection, sent: sent + 1, peer });
    }
  }

  #take(key: string): Kept | undefined {
    const idle = this.#idle.get(key);
    const kept = idle?.pop();
    if (idle?.length === 0) this.#idle.delete(key);
    kept?.cancel();
    return kept;
  }

  /** Sessions at rest that were opened with other wishes give way to the one that is needed now. */
  #makeRoom(peer: string): void {
    const idle = [...this.#idle].flatMap(([key, all]) => all.map((kept) => ({ key, ...kept })));
    const here = idle.filter((kept) => kept.peer === peer);
    const surplus = here.length + this.#turns.active(peer) - this.#most(peer);
    for (const { key, connection } of here.slice(0, Math.max(surplus, 0))) {
      this.#forget(key, connection);
      void connection.close();
    }
  }

  #giveBack(key: string, { connection, sent, peer }: Omit<Kept, "cancel">): void {
    const spent = sent >= this.#options.messages || this.#closed;
    if (spent || !connection.usable()) {
      // The outcome does not wait for the peer's goodbye.
      void connection.close();
      return;
    }
    const idle = this.#idle.get(key) ?? [];
    this.#idle.set(key, idle);
    const { timing = systemTiming, idleMs } = this.#options;
    const cancel = timing.after(idleMs, () => {
      this.#forget(key, connection);
      void connection.close();
    });
    idle.push({ connection, sent, peer, cancel });
  }

  /** The session is over while at rest. */
  #forget(key: string, connection: ClientConnection): void {
    const idle = this.#idle.get(key) ?? [];
    const at = idle.findIndex((kept) => kept.connection === connection);
    if (at < 0) return;
    for (const { cancel } of idle.splice(at, 1)) cancel();
    if (idle.length === 0) this.#idle.delete(key);
  }
}

/** RFC 5321 section 3.8: 421 to a new session is what a server says that has enough of them. */
function turnedAway(report: DeliveryReport): boolean {
  if (report.kind !== "failed") return false;
  const { stage, reply } = report.failure;
  return reply.code === 421 && (stage === "greeting" || stage === "helo");
}

function peerOf({ host, port }: ConnectOptions): string {
  return JSON.stringify([host, port]);
}

/** What makes two sessions the same: where to, from where, and how safe. */
function keyOf({ host, port, localAddress, serverName, verify, session }: ConnectOptions): string {
  return JSON.stringify([host, port, localAddress, serverName, verify, session.tls, session.auth?.user]);
}
