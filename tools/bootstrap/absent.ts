/** What the state says is on the engine, and isn't: stopped or removed behind Pulumi's back. */
import type Docker from "dockerode";
import { Checkpoint, readCheckpoint } from "./checkpoint.ts";
import type { Stack } from "./stack.ts";

/** A resource of the state that the engine doesn't have, or doesn't run. */
export interface Absent {
  readonly urn: string;
  readonly kind: "container" | "image" | "network" | "volume";
  readonly name: string;
  /** It is there, but doesn't run. */
  readonly stopped: boolean;
}

/** What the engine has of a stack, by its id (volumes: by name; images: by tag, too); `false` for a container that doesn't run. */
export type Present = ReadonlyMap<string, boolean>;

const KINDS = new Map<string, Absent["kind"]>([
  ["docker:index/container:Container", "container"],
  ["docker:index/image:Image", "image"],
  ["docker:index/network:Network", "network"],
  ["docker:index/volume:Volume", "volume"],
]);

/** Compares the state with the engine. Pure. */
export function absentOf(checkpoint: unknown, present: Present): Absent[] {
  const resources = Checkpoint.parse(checkpoint).checkpoint.latest?.resources ?? [];
  return resources.flatMap(({ urn, type, id, inputs, outputs }): Absent[] => {
    const kind = KINDS.get(type);
    if (!kind || id === undefined) return [];
    const name = typeof inputs?.name === "string" ? inputs.name : id;
    const runs = present.get(
      { container: id, network: id, volume: name, image: imageId(outputs) ?? id }[kind],
    );
    // Containers that only hold settings are never started.
    const asWanted = runs === true || (runs === false && inputs?.start === false);
    return asWanted ? [] : [{ urn, kind, name, stopped: runs === false }];
  });
}

/** By which containers name the image: on another engine the same files have made another one of the same tag. */
function imageId(outputs: Readonly<Record<string, unknown>> = {}): string | undefined {
  const { repoDigest } = outputs;
  return typeof repoDigest === "string" && repoDigest.startsWith("sha256:") ? repoDigest : undefined;
}

/** Asks the engine. Nothing is absent for a backend whose state can't be read here. */
export async function findAbsent(docker: Docker, stack: Stack): Promise<Absent[]> {
  const checkpoint = readCheckpoint(stack);
  if (checkpoint === undefined) return [];
  const filters = { label: [`io.semail.stack=${stack.prefix}`] };
  const [containers, networks, { Volumes }, images] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
    docker.listImages(),
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
      ...images.flatMap(({ Id, RepoTags }) =>
        [Id, ...(RepoTags ?? [])].map((name): [string, boolean] => [name, true]),
      ),
    ]),
  );
}

/** For the user: which, and in what way. */
export function describeAbsent(absent: readonly Absent[]): string {
  return absent.map(({ name, stopped }) => `${name} ${stopped ? "stopped" : "gone"}`).join(", ");
}
