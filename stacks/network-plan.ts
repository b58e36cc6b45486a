/** The private networks of a stack's containers. Pure. */

/** Addresses and subnets of the stack's private networks. */
export interface NetworkPlan {
  readonly front: string;
  /** Where ports are published on IPv6, too; nobody routes it. */
  readonly front6: string | undefined;
  readonly boxes: string;
  /** Part of `boxes` from which the engine takes the boxes' addresses. */
  readonly boxRange: string;
  /** Addresses of the front services on the boxes' network. */
  readonly atBoxes: Readonly<Record<"smtpIn" | "smtpOut" | "access", string>>;
  readonly smtpIn: string;
  readonly smtpOut: string;
  readonly access: string;
  readonly resolver: string;
  readonly livedns: string;
  readonly portal: string;
  readonly certifier: string;
  readonly backupTimer: string;
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return hash;
}

/** A network of unique local addresses (RFC 4193) by the stack's name. */
export function uniqueNetwork(prefix: string): string {
  const part = (of: string): string => (hashOf(of) & 0xffff).toString(16);
  return `fd53:${part(prefix)}:${part(`${prefix} `)}::/64`;
}

/** A /16 of 10.64.0.0 to 10.191.0.0 by the stack's name, so that stacks on one host seldom meet. */
export function defaultNetwork(prefix: string): string {
  return `10.${64 + (hashOf(prefix) % 128)}.0.0/16`;
}

/** What stands where in a network of the form `10.x.0.0/16`. */
export function planNetwork(cidr: string): Omit<NetworkPlan, "front6"> {
  const net = cidr.split(".").slice(0, 2).join(".");
  return {
    front: `${net}.0.0/24`,
    // A network of another name than that of the first versions, beside which it can be made: boxes move one by one.
    boxes: `${net}.64.0/18`,
    boxRange: `${net}.96.0/19`,
    atBoxes: { smtpIn: `${net}.64.25`, smtpOut: `${net}.64.87`, access: `${net}.64.93` },
    smtpIn: `${net}.0.25`,
    resolver: `${net}.0.53`,
    livedns: `${net}.0.54`,
    smtpOut: `${net}.0.87`,
    access: `${net}.0.93`,
    portal: `${net}.0.84`,
    certifier: `${net}.0.85`,
    backupTimer: `${net}.0.86`,
  };
}
