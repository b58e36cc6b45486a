/** Gives a person's mail volume to the user of their box, before the box is made: a step of the update, not a resource. */
import * as pulumi from "@pulumi/pulumi";
import type Docker from "dockerode";
import { labels, USER_LABEL } from "../components/container.ts";
import type { BoxOwner, Handing } from "../components/mailbox.ts";
import { connect } from "../tools/docker-plugin/engine.ts";
import { providerConfig } from "../tools/docker-plugin/host.ts";
import { ifDone, runOnce } from "../tools/docker-plugin/run-once.ts";

const MEBIBYTE = 2 ** 20;

/**
 * Does nothing where the box runs as it is to. All boxes of a stack are on one engine. `person`: whose update it is, if it
 * isn't everybody's: a box of somebody else would be stopped and not made anew.
 */
export function boxOwner(prefix: string, person: string | undefined): BoxOwner {
  // Asked once, however many people there are.
  let known: Promise<ReadonlyMap<string, string | undefined>> | undefined;
  return async (handing) => {
    if (person !== undefined && handing.uid !== person) return;
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
  const { exitCode, said } = await runOnce(docker, {
    name: `${volume}-owner`,
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
  if (exitCode === 0) return;
  throw new pulumi.RunError(
    `The mail on ${volume} can't be given to user ${user}: ${said.replaceAll(/[^ -~]+/g, " ").trim()}\n` +
      "An engine that maps user ids has none so high: set `semail:boxes: {users: shared}`.",
  );
}
