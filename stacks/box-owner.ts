/** Gives a person's mail volume to the user of their box, before the box is made: a step of the update, not a resource. */
import * as pulumi from "@pulumi/pulumi";
import type Docker from "dockerode";
import { labels, USER_LABEL } from "../components/container.ts";
import type { BoxOwner, Handing } from "../components/mailbox.ts";
import { connect } from "../tools/docker-plugin/engine.ts";
import { providerConfig } from "../tools/docker-plugin/host.ts";

const MEBIBYTE = 2 ** 20;

/**
 * Does nothing in a preview, nor where the box runs as it is to. All boxes of a stack are on one engine. `person`: whose
 * update it is, if it isn't everybody's: a box of somebody else would be stopped and not made anew.
 */
export function boxOwner(prefix: string, person: string | undefined): BoxOwner {
  // Asked once, however many people there are.
  let known: Promise<ReadonlyMap<string, string | undefined>> | undefined;
  return async (handing) => {
    if (pulumi.runtime.isDryRun() || (person !== undefined && handing.uid !== person)) return;
    const { engine } = handing;
    const docker = connect(providerConfig(engine === undefined ? {} : { host: engine }, process.env));
    known ??= usersOfBoxes(docker, prefix);
    const boxes = await known;
    if (boxes.get(handing.box) === String(handing.user)) return;
    // It would write under its old id meanwhile. The update replaces it; until then its mail waits in the spool.
    if (boxes.has(handing.box)) await docker.getContainer(handing.box).stop({ t: 10 }).catch(ifDone);
    await handOver(docker, { ...handing, prefix });
  };
}

/** Of the boxes that there are, by name; undefined for one of before, when all ran as one. */
async function usersOfBoxes(docker: Docker, prefix: string): Promise<Map<string, string | undefined>> {
  const label = [`io.semail.stack=${prefix}`, "io.semail.kind=box"];
  const all = await docker.listContainers({ all: true, filters: { label } });
  return new Map(all.map(({ Names, Labels }) => [(Names[0] ?? "").slice(1), Labels[USER_LABEL]]));
}

/** Runs the image's `hand-over` on the volume, with the two capabilities that it needs. */
async function handOver(
  docker: Docker,
  { prefix, image, user, volume }: Handing & { readonly prefix: string },
): Promise<void> {
  const name = `${volume}-owner`;
  // Of an update that was killed.
  await docker.getContainer(name).remove({ force: true }).catch(ifDone);
  const container = await docker.createContainer({
    name,
    Image: image,
    User: "0:0",
    Entrypoint: ["/usr/local/bin/hand-over"],
    Cmd: [String(user)],
    Labels: Object.fromEntries(labels(prefix, "settings").map(({ label, value }) => [label, value])),
    HostConfig: {
      ...{ NetworkMode: "none", ReadonlyRootfs: true, Memory: 64 * MEBIBYTE, MemorySwap: 64 * MEBIBYTE },
      ...{ CapDrop: ["ALL"], CapAdd: ["CHOWN", "DAC_READ_SEARCH"], SecurityOpt: ["no-new-privileges:true"] },
      Binds: [`${volume}:/srv/mail`],
    },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    if (StatusCode === 0) return;
    const said = (await container.logs({ stdout: true, stderr: true })).toString();
    throw new pulumi.RunError(
      `The mail on ${volume} can't be given to user ${user}: ${said.replaceAll(/[^ -~]+/g, " ").trim()}\n` +
        "An engine that maps user ids has none so high: set `semail:boxes: {users: shared}`.",
    );
  } finally {
    await container.remove({ force: true }).catch(ifDone);
  }
}

/** Passes over the engine's "no such container" and "not running". */
function ifDone(error: unknown): void {
  const status = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  if (status !== 404 && status !== 304) throw error;
}
