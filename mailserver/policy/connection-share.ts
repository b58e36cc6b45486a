/** How many connections there may be at once, in all and of one client. No I/O. */
import { clientNetwork } from "./client-network.ts";

export interface ShareLimits {
  readonly connections: number;
  /** Of one client (`clientNetwork`); without it one may take all. */
  readonly connectionsPerClient?: number | undefined;
}

export class ConnectionShare {
  readonly #limits: ShareLimits;
  readonly #networks = new Map<string, number>();
  #all = 0;

  constructor(limits: ShareLimits) {
    this.#limits = limits;
  }

  /** Whether there is room for one more of this client; if so, `leave` must follow. */
  enter(client: string): boolean {
    const { connections, connectionsPerClient = connections } = this.#limits;
    const network = clientNetwork(client);
    const own = this.#networks.get(network) ?? 0;
    if (this.#all >= connections || own >= connectionsPerClient) return false;
    this.#all += 1;
    this.#networks.set(network, own + 1);
    return true;
  }

  leave(client: string): void {
    const network = clientNetwork(client);
    const left = (this.#networks.get(network) ?? 1) - 1;
    this.#all -= 1;
    if (left > 0) this.#networks.set(network, left);
    else this.#networks.delete(network);
  }
}
