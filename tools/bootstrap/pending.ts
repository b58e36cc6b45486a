import type Docker from "dockerode";
import { type HalfMade, halfMadeOf } from "../half-made.ts";
import { Checkpoint, readCheckpoint } from "./checkpoint.ts";
import type { Stack } from "./stack.ts";

/** Something whose creation was begun, and of which Pulumi doesn't know whether it exists. */
export interface Leftover {
  readonly kind: "container" | "network";
  readonly name: string;
}

/** What an interrupted update left open. */
export interface Pending {
  readonly operations: number;
  readonly leftovers: readonly Leftover[];
  /** Of them, what may be at LiveDNS. */
  readonly records: readonly HalfMade[];
  /** Ids of what the state knows: never to be removed. */
  readonly known: ReadonlySet<string>;
}

const KINDS = new Map<string, Leftover["kind"]>([
  ["docker:index/container:Container", "container"],
  ["docker:index/network:Network", "network"],
]);

/** Reads the open operations out of a checkpoint. Volumes and images aren't listed: making them again is harmless. */
export function pendingOf(checkpoint: unknown): Pending {
  const { latest } = Checkpoint.parse(checkpoint).checkpoint;
  const operations = latest?.pending_operations ?? [];
  const leftovers = operations.flatMap(({ type, resource }) => {
    const kind = KINDS.get(resource.type);
    const name = resource.inputs?.name;
    return type === "creating" && kind && typeof name === "string" ? [{ kind, name }] : [];
  });
  const records = operations.flatMap(({ type, resource }) =>
    type === "creating" ? halfMadeOf(resource) : [],
  );
  const known = new Set((latest?.resources ?? []).flatMap(({ id }) => id ?? []));
  return { operations: operations.length, leftovers, records, known };
}

/** The open operations of a stack; none for a backend that isn't the checkout's own. */
export function readPending(stack: Stack): Pending {
  const checkpoint = readCheckpoint(stack);
  return checkpoint === undefined
    ? { operations: 0, leftovers: [], records: [], known: new Set<string>() }
    : pendingOf(checkpoint);
}

interface Found {
  id: string;
  labels: Record<string, string>;
  remove(): Promise<unknown>;
}

async function find(docker: Docker, { kind, name }: Leftover): Promise<Found | undefined> {
  try {
    if (kind === "container") {
      const container = docker.getContainer(name);
      const { Id, Config } = await container.inspect();
      return { id: Id, labels: Config.Labels, remove: () => container.remove({ force: true, v: true }) };
    }
    const network = docker.getNetwork(name);
    const { Id, Labels } = await network.inspect();
    return { id: Id, labels: Labels ?? {}, remove: () => network.remove() };
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}

/** Removes the half-made things of this stack (by their label) that no state knows; answers their names. */
export async function removeLeftovers(docker: Docker, stack: Stack, pending: Pending): Promise<string[]> {
  const removed: string[] = [];
  // Containers before the networks that they hang on.
  for (const leftover of pending.leftovers.toSorted((a, b) => a.kind.localeCompare(b.kind))) {
    const found = await find(docker, leftover);
    if (!found || pending.known.has(found.id) || found.labels["io.semail.stack"] !== stack.prefix) continue;
    await found.remove();
    removed.push(leftover.name);
  }
  return removed;
}
