/** What the state says is on the engine, and isn't: stopped or removed behind Pulumi's back. */
import type Docker from "dockerode";
import { Checkpoint, readCheckpoint } from "./checkpoint.ts";
import type { Stack } from "./stack.ts";

/** A resource of the state that the engine doesn't have, or doesn't run. */
export interface Absent {
  readonly urn: string;
  readonly kind: "container" | "network" | "volume";
  readonly name: string;
  /** It is there, but doesn't run. */
  readonly stopped: boolean;
}

/** What the engine has of a stack, by its id (volumes: by name); `false` for a container that doesn't run. */
export type Present = ReadonlyMap<string, boolean>;

const KINDS = new Map<string, Absent["kind"]>([
  ["docker:index/container:Container", "container"],
  ["docker:index/network:Network", "network"],
  ["docker:index/volume:Volume", "volume"],
]);

/** Compares the state with the engine. Pure. */
export function absentOf(checkpoint: unknown, present: Present): Absent[] {
  const resources = Checkpoint.parse(checkpoint).checkpoint.latest?.resources ?? [];
  return resources.flatMap(({ urn, type, id, inputs }): Absent[] => {
    const kind = KINDS.get(type);
    if (!kind || id === undefined) return [];
    const name = typeof inputs?.name === "string" ? inputs.name : id;
    const runs = present.get(kind === "volume" ? name : id);
    // Containers that only hold settings are never started.
    const asWanted = runs === true || (runs === false && inputs?.start === false);
    return asWanted ? [] : [{ urn, kind, name, stopped: runs === false }];
  });
}

/** Asks the engine. Nothing is absent for a backend whose state can't be read here. */
export async function findAbsent(docker: Docker, stack: Stack): Promise<Absent[]> {
  const checkpoint = readCheckpoint(stack);
  if (checkpoint === undefined) return [];
  const filters = { label: [`io.semail.stack=${stack.prefix}`] };
  const [containers, networks, { Volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return absentOf(
    checkpoint,
    new Map([
      ...containers.map(({ Id, State }): [string, boolean] => [
        Id,
        State === "running" || State === "restarting",
      ]),
      ...networks.map(({ Id }): [string, boolean] => [Id, true]),
      ...(Volumes ?? []).map(({ Name }): [string, boolean] => [Name, true]),
    ]),
  );
}

/** For the user: which, and in what way. */
export function describeAbsent(absent: readonly Absent[]): string {
  return absent.map(({ name, stopped }) => `${name} ${stopped ? "stopped" : "gone"}`).join(", ");
}
