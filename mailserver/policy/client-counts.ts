/** What is counted of clients, whichever process serves them. No I/O. */
import { BlockList, isIPv6 } from "node:net";
import { ClientLimits, type ClientQuota } from "./client-limits.ts";
import { ConnectionShare, type ShareLimits } from "./connection-share.ts";

/** How a connection is met: let in, no room for it now, or its client asked for too much. */
export type Entry = "welcome" | "full" | "tooMuch";

/** The counts; in a worker process they are asked of the primary, hence the promises. */
export interface ClientCounts {
  /** For `welcome`, `leave` must follow once. */
  enter(client: string): Entry | Promise<Entry>;
  leave(client: string): void;
  /** The client was answered 5xx. */
  error(client: string): void;
  /** Whether one recipient more is taken. */
  recipient(client: string): boolean | Promise<boolean>;
}

export interface CountOptions {
  readonly share: ShareLimits;
  readonly address: ClientQuota;
  readonly network: ClientQuota;
  /** Networks that no quota concerns, in CIDR notation. */
  readonly exempt: readonly string[];
  /** Milliseconds; only differences mean something. */
  readonly now: () => number;
}

export class LocalCounts implements ClientCounts {
  readonly #exempt: (client: string) => boolean;
  readonly #share: ConnectionShare;
  readonly #limits: ClientLimits;

  constructor(options: CountOptions) {
    this.#exempt = networkMatcher(options.exempt);
    this.#share = new ConnectionShare(options.share);
    this.#limits = new ClientLimits(options);
  }

  enter(client: string): Entry {
    if (!this.#share.enter(client)) return "full";
    if (this.#exempt(client) || this.#limits.enter(client)) return "welcome";
    this.#share.leave(client);
    return "tooMuch";
  }

  leave(client: string): void {
    this.#share.leave(client);
    if (!this.#exempt(client)) this.#limits.leave(client);
  }

  error(client: string): void {
    if (!this.#exempt(client)) this.#limits.error(client);
  }

  recipient(client: string): boolean {
    return this.#exempt(client) || this.#limits.recipient(client);
  }
}

/** Whether an address is in one of the networks. */
export function networkMatcher(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = "", bits = ""] = network.split("/");
    list.addSubnet(base, Number(bits), isIPv6(base) ? "ipv6" : "ipv4");
  }
  return (address) => list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
