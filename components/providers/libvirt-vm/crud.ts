/** The operations of LibvirtVm; loaded by the shim when one runs. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Deps, must, system } from "../libvirt/host.ts";
import { domainState, domainUuid, virsh } from "../libvirt/virsh.ts";
import type { Props } from "../shim.ts";
import { Unready } from "../unready.ts";
import { checkInputs } from "../validate.ts";
import { chooseAcceleration } from "./accelerator.ts";
import { answer, type Change, ceilings, changeOf, Inputs, Made, noted, refusals, shape } from "./diff.ts";
import { domainXml, uuidOf } from "./domain-xml.ts";
import { filesOf, prepareSystem, removeFiles, useSystem, writeCredentials } from "./files.ts";
import { sshPlace } from "./network.ts";
import { shutDown, start } from "./power.ts";

/** Validates, and refuses what can't be done. */
export async function check(olds: Props, news: Props) {
  const { inputs, failures } = checkInputs(shape, news);
  return { inputs, failures: [...failures, ...refusals(olds, inputs)] };
}

/** Says what would change; looks at the machine, so that one stopped by hand is started by any update. */
export async function diff(_id: string, olds: Props, news: Props, deps: Deps = system) {
  // A preview may run where there is no libvirt.
  const seen = await domainState(deps, String(olds.uri), String(olds.name)).catch(() => undefined);
  return answer(changeOf(olds, news, seen), noted(olds, news));
}

/** Makes the machine, and waits until ssh answers. What a create that was broken off or failed left is made anew. */
export async function create(props: Props, deps: Deps = system) {
  const inputs = Inputs.parse(props);
  await refuseForeign(inputs, deps);
  const outs = outputs(inputs, await accelerate(inputs, deps));
  const id = uuidOf(inputs.name);
  await prepareSystem(inputs, deps);
  try {
    await turnOff(inputs, deps);
    await bring(inputs, outs, { newSystem: true, running: false }, deps);
  } catch (error) {
    // It may run, with the data disk, and start with this machine: that has to be known to who takes the stack down.
    if ((await domainUuid(deps, inputs.uri, inputs.name).catch(() => undefined)) !== id) throw error;
    const properties = { ...outs, image: { ...inputs.image, id: UNPROVEN } };
    throw new Unready(error, id, { properties, inputs: props });
  }
  return { id, outs };
}

/** Of a system that nobody has logged in to: as no image has this id, the next update makes it anew. */
const UNPROVEN = "unproven";

/** Its state as it is; no id when libvirt doesn't know it any more. */
export async function read(id: string, props: Props, deps: Deps = system) {
  const { uri, name } = Inputs.parse(props);
  return (await domainUuid(deps, uri, name)) === id ? { id, props } : {};
}

/** Changes it: while it runs where it can be, with a restart where it has to be. */
export async function update(_id: string, olds: Props, news: Props, deps: Deps = system) {
  const inputs = Inputs.parse(news);
  await refuseForeign(inputs, deps);
  const seen = await unpaused(inputs, deps);
  const change = changeOf(olds, news, seen);
  const newSystem = change.system || !existsSync(filesOf(inputs.folder).systemDisk);
  const running = seen === "running" && change.restart.length === 0 && !newSystem;
  const made = Made.parse(olds);
  const used =
    olds.accelerator === inputs.accelerator ? made.acceleratorUsed : await accelerate(inputs, deps);
  const outs = running ? { ...outputs(inputs, used), ...made } : outputs(inputs, used);
  if (newSystem) await prepareSystem(inputs, deps);
  if (running) await changeLive(inputs, change, deps);
  else {
    if (seen === "running") deps.say(restartNotice(inputs, change));
    else deps.say(`VM ${inputs.name}: was ${seen}; it is started`);
    await turnOff(inputs, deps);
  }
  await bring(inputs, outs, { newSystem, running }, deps);
  return { outs };
}

const restartNotice = ({ name }: Inputs, { restart }: Change): string =>
  `VM ${name}: has to be restarted (${restart.join(", ") || "its system disk is gone"})`;

/** One that was paused, by hand or by a full disk, goes on. */
async function unpaused({ uri, name }: Inputs, deps: Deps) {
  const state = await domainState(deps, uri, name);
  if (state !== "paused") return state;
  deps.say(`VM ${name}: was paused; it goes on`);
  await virsh(deps, uri, `The VM ${name} could not go on`, ["resume", name]);
  return domainState(deps, uri, name);
}

/** Shuts it down, forgets it and removes its system disk. The data disk is another resource. */
async function remove(_id: string, props: Props, deps: Deps = system): Promise<void> {
  const inputs = Inputs.parse(props);
  const { uri, name, folder } = inputs;
  await refuseForeign(inputs, deps);
  if (!(await shutDown(inputs, deps))) {
    deps.say(`VM ${name}: does not end by itself; its power is cut`);
    await virsh(deps, uri, `The VM ${name} could not be stopped`, ["destroy", name]);
  }
  if ((await domainState(deps, uri, name)) !== "gone") {
    await virsh(deps, uri, `The VM ${name} could not be removed`, ["undefine", name, "--managed-save"]);
  }
  await removeFiles(folder);
}

export { remove as delete };

/** Another machine of that name is nobody's to change. */
async function refuseForeign({ uri, name }: Inputs, deps: Deps): Promise<void> {
  const uuid = await domainUuid(deps, uri, name);
  if (uuid === undefined || uuid === uuidOf(name)) return;
  throw new Error(
    `There is a VM ${name} that this stack did not make (${uuid}): choose another name, or rename it (virsh domrename).`,
  );
}

/** What the state is to hold of a machine that is about to be started. */
function outputs(inputs: Inputs, used: Made["acceleratorUsed"]) {
  const { address, port } = sshPlace(inputs.network);
  const place = { address, sshPort: port, user: "root" };
  return { ...inputs, ...place, acceleratorUsed: used, ...ceilings(inputs, used) };
}

/** How the machine is to run; looked for once, not at each start. */
async function accelerate(inputs: Inputs, deps: Deps): Promise<Made["acceleratorUsed"]> {
  const { used, why } = await chooseAcceleration(deps, inputs);
  deps.say(`VM ${inputs.name}: ${used === "kvm" ? "runs by KVM" : "is emulated (TCG), slowly"}: ${why}`);
  return used;
}

/** Ends it before its disk or its definition changes. Never by force: mail may be on its way. */
async function turnOff(inputs: Inputs, deps: Deps): Promise<void> {
  if (await shutDown(inputs, deps)) return;
  const { name } = inputs;
  throw new Error(
    `The VM ${name} does not shut down. Look why (virsh console ${name}), or cut its power (virsh destroy ${name}); then run this again.`,
  );
}

/** What a running machine takes: processors, memory, a larger disk. */
async function changeLive(
  { uri, name, vcpus, memoryMiB, systemGiB, folder }: Inputs,
  { live }: Change,
  deps: Deps,
) {
  const commands: Record<string, readonly string[]> = {
    vcpus: ["setvcpus", name, String(vcpus), "--live"],
    memoryMiB: ["setmem", name, `${memoryMiB}MiB`, "--live"],
    systemGiB: ["blockresize", name, filesOf(folder).systemDisk, `${systemGiB}GiB`],
  };
  for (const key of live) {
    const command = commands[key];
    if (command)
      await virsh(deps, uri, `The VM ${name} could not be changed while it runs (${key})`, command);
  }
}

/** Defines the machine as it is to be, and starts it unless it runs. */
async function bring(
  inputs: Inputs,
  made: Made,
  { newSystem, running }: { newSystem: boolean; running: boolean },
  deps: Deps,
): Promise<void> {
  const { uri, name, folder, systemGiB } = inputs;
  if (newSystem) await useSystem(inputs);
  await writeCredentials(inputs);
  const { xml, ...files } = filesOf(folder);
  await writeFile(xml, domainXml({ ...inputs, ...files, ...made, accelerator: made.acceleratorUsed }), {
    mode: 0o600,
  });
  await virsh(deps, uri, `The VM ${name} could not be defined`, ["define", xml, "--validate"]);
  const what = `The VM ${name} could not be set to start with this machine`;
  await virsh(deps, uri, what, ["autostart", name, ...(inputs.autostart ? [] : ["--disable"])]);
  if (running) return;
  if (!newSystem) await growOff(files.systemDisk, systemGiB, deps);
  await start(inputs, deps);
}

/** A disk that grew in the config while the machine was off. */
async function growOff(file: string, sizeGiB: number, deps: Deps): Promise<void> {
  const what = "The VM's system disk could not be grown";
  await must(deps, what, ["qemu-img", "resize", "-q", "-f", "qcow2", file, `${sizeGiB}G`]);
}
