/** How much one client address, and its network, may ask of us. No I/O. */
import { isIPv6 } from "node:net";
import { clientNetwork } from "./client-network.ts";

/** Limits by name (mailserver/contract.ts); 0: none. */
export interface ClientQuota {
  readonly connections: number;
  readonly connectionsPerMinute: number;
  readonly recipientsPerHour: number;
  readonly errorsPerHour: number;
}

export interface ClientLimitOptions {
  readonly address: ClientQuota;
  readonly network: ClientQuota;
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
}

const MINUTE = 60_000;
const HOUR = 3_600_000;
/** Clients counted at most; when strangers fill it, counting begins anew rather than memory ending. */
const MAX_CLIENTS = 100_000;

/** Counts per client that begin anew when their time is over. */
class Window {
  readonly #ms: number;
  readonly #now: () => number;
  #end = Number.NEGATIVE_INFINITY;
  readonly #counts = new Map<string, number>();

  constructor(ms: number, now: () => number) {
    this.#ms = ms;
    this.#now = now;
  }

  count(key: string): number {
    this.#roll();
    return this.#counts.get(key) ?? 0;
  }

  add(key: string): void {
    this.#roll();
    if (this.#counts.size >= MAX_CLIENTS) this.#counts.clear();
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  #roll(): void {
    if (this.#now() < this.#end) return;
    this.#end = this.#now() + this.#ms;
    this.#counts.clear();
  }
}

export class ClientLimits {
  readonly #options: ClientLimitOptions;
  readonly #open = new Map<string, number>();
  readonly #connections: Window;
  readonly #recipients: Window;
  readonly #errors: Window;

  constructor(options: ClientLimitOptions) {
    this.#options = options;
    this.#connections = new Window(MINUTE, options.now);
    this.#recipients = new Window(HOUR, options.now);
    this.#errors = new Window(HOUR, options.now);
  }

  /** Whether a connection is let in; if so, `leave` must follow. */
  enter(client: string): boolean {
    const keys = this.#keys(client);
    const allowed = keys.every(
      ([key, quota]) =>
        below(this.#open.get(key) ?? 0, quota.connections) &&
        below(this.#connections.count(key), quota.connectionsPerMinute) &&
        below(this.#errors.count(key), quota.errorsPerHour),
    );
    // Those turned away count too: who knocks faster waits longer.
    for (const [key] of keys) this.#connections.add(key);
    if (allowed) for (const [key] of keys) this.#open.set(key, (this.#open.get(key) ?? 0) + 1);
    return allowed;
  }

  leave(client: string): void {
    for (const [key] of this.#keys(client)) {
      const left = (this.#open.get(key) ?? 1) - 1;
      if (left > 0) this.#open.set(key, left);
      else this.#open.delete(key);
    }
  }

  /** Whether one recipient more is taken. */
  recipient(client: string): boolean {
    const keys = this.#keys(client);
    const allowed = keys.every(([key, quota]) => below(this.#recipients.count(key), quota.recipientsPerHour));
    if (allowed) for (const [key] of keys) this.#recipients.add(key);
    return allowed;
  }

  error(client: string): void {
    for (const [key] of this.#keys(client)) this.#errors.add(key);
  }

  #keys(client: string): [string, ClientQuota][] {
    const { address, network } = this.#options;
    return [
      [client, address],
      [networkOf(client), network],
    ];
  }
}

function below(count: number, limit: number): boolean {
  return limit === 0 || count < limit;
}

/** The /24 of an IPv4 address, the /64 of an IPv6 one: what one customer usually has. */
export function networkOf(address: string): string {
  return isIPv6(address) ? clientNetwork(address) : `${address.split(".").slice(0, 3).join(".")}.0/24`;
}
