/** Sends what people's scripts answer to those who wrote to them: fetched from the box a moment after each delivery. */
import { isAscii } from "node:buffer";
import type { SecureContext } from "node:tls";
import { type Field, fieldValue, parseMessage } from "../message/header.ts";
import { authorsOf } from "../message/mailboxes.ts";
import type { Log } from "../net/log.ts";
import { unlessAborted } from "../net/unless-aborted.ts";
import { decideReply, senderKey } from "../policy/auto-reply.ts";
import type { Clock } from "../queue/clock.ts";
import type { NewItem } from "../queue/item.ts";
import type { Address } from "../smtp/types.ts";
import { collectReplies, type Offered } from "./reply-door.ts";
import type { Delivery, Result } from "./types.ts";

export interface BoxRepliesDeps {
  /** Where each box hands them out; undefined: nowhere. */
  readonly port: number | undefined;
  readonly door: SecureContext | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly newId: () => string;
  /** Whether an address is of the person whose box that is. */
  readonly owns: (host: string, address: string) => Promise<boolean>;
  /** Where a reply to that sender goes. */
  readonly destination: (sender: Address) => string;
  /** Signs it. */
  readonly finish?: (message: Buffer) => Promise<Buffer>;
  /** Settles when the disk has it. */
  readonly enqueue: (item: NewItem) => Promise<unknown>;
  /** Instead of the network. */
  readonly collect?: typeof collectReplies;
}

/** To be told of each delivery into a box. */
export interface BoxReplies {
  delivered(host: string, delivery: Delivery, results: readonly Result[]): void;
  /** Nothing is fetched any more; settles when nothing is under way, after a second in any case. */
  close(): Promise<void>;
}

/** Scripts have run when the box says 250. One visit serves all that arrives meanwhile. */
const DELAY_MS = 1_000;
/** For visits that are under way when nothing is fetched any more; a box that is silent keeps what it has. */
const GRACE_MS = 1_000;
/** A reply that comes later has nobody to go to. */
const REMEMBERED_MS = 600_000;
const REMEMBERED = 200;

/** A reply goes to one address, and says nothing in our own name. */
const FOREIGN = /^(cc|bcc|resent-.*|x-semail-.*|authentication-results|arc-.*|dkim-signature|return-path)$/;

interface Writer {
  readonly address: Address;
  readonly at: number;
}

interface Box {
  /** Who wrote, by `senderKey` of the reverse-path, the latest last. */
  readonly writers: Map<string, Writer>;
  cancel?: () => void;
  working?: Promise<void>;
}

/** Undefined where boxes hand nothing out. */
export function createBoxReplies(deps: BoxRepliesDeps): BoxReplies | undefined {
  const { clock, log, port, door, collect = collectReplies } = deps;
  if (port === undefined || door === undefined) return undefined;
  const way = { port, door };
  const boxes = new Map<string, Box>();
  const ending = new AbortController();
  let closed = false;

  async function take(host: string, box: Box, offered: Offered): Promise<boolean> {
    const drop = (why: string): true => {
      log.warn("reply.dropped", { box: host, why });
      return true;
    };
    const bytes = withCrlf(offered.message);
    let fields: readonly Field[];
    try {
      ({ fields } = parseMessage(bytes));
    } catch {
      return drop("its header is too large");
    }
    const verdict = decideReply({ recipient: offered.recipient, ...factsOf(fields) }, box.writers);
    if (verdict.kind === "leave") return false;
    if (verdict.kind === "drop") return drop(verdict.why);
    if (!(await deps.owns(host, verdict.author))) return drop(`${verdict.author} is not its person's`);
    await send(host, verdict.sender.address, bytes);
    return true;
  }

  async function send(host: string, to: Address, bytes: Buffer): Promise<void> {
    const body = (await deps.finish?.(bytes)) ?? bytes;
    const id = deps.newId();
    await deps.enqueue({
      ...{ id, created: clock.now(), body },
      // RFC 3834 section 3.3: the null reverse-path, so that nothing comes back.
      envelope: { from: "", eightBit: !isAscii(body), smtputf8: !isAscii(Buffer.from(to.text)) },
      // Nobody wants to hear what became of it, either.
      recipients: [{ address: to.text, destination: deps.destination(to), notify: [] }],
    });
    log.info("reply.queued", { item: id, box: host, to: to.text });
  }

  async function visit(host: string, box: Box): Promise<void> {
    try {
      await collect({ host, ...way }, (offered) => take(host, box, offered), ending.signal);
    } catch (error) {
      // Nothing listens where there is nothing to fetch: the usual case.
      if (!isRefused(error)) log.warn("reply.unreachable", { box: host, error });
    } finally {
      forget(box, clock.elapsed());
      if (box.writers.size === 0 && box.cancel === undefined) boxes.delete(host);
    }
  }

  function schedule(host: string, box: Box): void {
    if (closed || box.cancel !== undefined) return;
    box.cancel = clock.after(DELAY_MS, () => {
      const before = box.working ?? Promise.resolve();
      delete box.cancel;
      const working: Promise<void> = before.then(() => visit(host, box));
      box.working = working;
    });
  }

  return {
    delivered(host, { from, recipients, recipientDsn = [] }, results) {
      // RFC 3834 section 2: nobody answers the null reverse-path, nor one that may be another's (`notify` is empty then).
      const answerable = recipients.some(
        (_, index) => results[index]?.kind === "delivered" && recipientDsn[index]?.notify?.length !== 0,
      );
      if (from === null || !answerable || closed) return;
      const box = boxes.get(host) ?? { writers: new Map<string, Writer>() };
      boxes.set(host, box);
      const key = senderKey(from);
      box.writers.delete(key);
      box.writers.set(key, { address: from, at: clock.elapsed() });
      schedule(host, box);
    },
    async close() {
      closed = true;
      for (const { cancel } of boxes.values()) cancel?.();
      await endInTime([...boxes.values()], ending, clock);
    },
  };
}

function forget({ writers }: Box, now: number): void {
  for (const [key, { at }] of writers)
    if (writers.size > REMEMBERED || now - at > REMEMBERED_MS) writers.delete(key);
}

async function endInTime(boxes: readonly Box[], ending: AbortController, clock: Clock): Promise<void> {
  const cancel = clock.after(GRACE_MS, () => ending.abort());
  const visits = Promise.all(boxes.map(({ working }) => working));
  await unlessAborted(visits, ending.signal, () => {});
  cancel();
}

function factsOf(fields: readonly Field[]) {
  const autoSubmitted = fields.filter(({ name }) => name === "auto-submitted").map(fieldValue);
  return { authors: authorsOf(fields), autoSubmitted, forged: fields.some(({ name }) => FOREIGN.test(name)) };
}

/** Scripts write lines as files have them. */
function withCrlf(message: Buffer): Buffer {
  return Buffer.from(message.toString("latin1").replaceAll(/\r?\n|\r/g, "\r\n"), "latin1");
}

function isRefused(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ECONNREFUSED";
}
