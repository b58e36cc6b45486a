/** A machine whose libvirt, qemu and ssh are scripted: what was run is kept, and domains have states. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Deps, Ended } from "../../../components/providers/libvirt/host.ts";
import { uuidOf } from "../../../components/providers/libvirt-vm/domain-xml.ts";

export const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;
export const NAME = "semail-t";

/** What differs from a machine on which everything goes well. */
export interface Script {
  /** Of the domain at the beginning; undefined: there is none. */
  state?: string;
  uuid?: string;
  /** Answers that come before the machine's own. The first that matches the command counts. */
  answers?: readonly (readonly [command: RegExp, answer: Partial<Ended>])[];
  /** `shutdown` is ignored. */
  stubborn?: boolean;
  root?: boolean;
}

export class FakeHost implements Deps {
  /** Commands that change something, as typed. */
  readonly changes: string[] = [];
  readonly said: string[] = [];
  state: string | undefined;
  private clock = 0;
  private readonly script: Script;

  constructor(script: Script = {}) {
    this.script = script;
    this.state = script.state;
  }

  now = (): number => this.clock;
  sleep = async (ms: number): Promise<void> => {
    this.clock += ms;
  };
  say = (text: string): void => void this.said.push(text);
  isRoot = (): boolean => this.script.root ?? true;

  run = async (file: string, args: readonly string[]): Promise<Ended> => {
    const words = file === "virsh" ? args.slice(3) : args;
    const command = [file, ...words].join(" ");
    const scripted = this.script.answers?.find(([pattern]) => pattern.test(command))?.[1];
    const looks = /^virsh dom(state|uuid)|^ssh-keyscan|^qemu-img info|^qemu-system/.test(command);
    if (!looks) this.changes.push(command);
    return { code: 0, stdout: "", stderr: "", ...(scripted ?? this.answer(file, words)) };
  };

  private answer(file: string, [verb = ""]: readonly string[]): Partial<Ended> {
    if (file === "ssh-keyscan") {
      return { stdout: this.state === "running" ? `# banner\n[127.0.0.1]:2240 ${HOST_KEY}\n` : "" };
    }
    if (file === "qemu-system-x86_64") return { code: 1, stderr: "KVM internal error. Suberror: 1" };
    if (file === "virsh") return this.virsh(verb);
    return {};
  }

  private virsh(verb: string): Partial<Ended> {
    if (verb === "define") this.state ??= "shut off";
    else if (this.state === undefined) return { code: 1, stderr: `error: failed to get domain '${NAME}'` };
    if (verb === "domstate") return { stdout: `${this.state}\n` };
    if (verb === "domuuid") return { stdout: `${this.script.uuid ?? uuidOf(NAME)}\n` };
    if (verb === "start" || verb === "resume") this.state = "running";
    if (verb === "destroy" || (verb === "shutdown" && !this.script.stubborn)) this.state = "shut off";
    if (verb === "undefine") this.state = undefined;
    return {};
  }
}

/** A folder of its own, with files that look like an image. */
export async function site(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "semail-t-"));
  t.after(() => rm(folder, { recursive: true }));
  const image = {
    id: "0123456789abcdef",
    disk: join(folder, "base.qcow2"),
    kernel: join(folder, "base-vmlinuz"),
    initrd: join(folder, "base-initrd"),
  };
  for (const file of [image.disk, image.kernel, image.initrd]) await writeFile(file, `made of ${image.id}`);
  return { folder, image };
}

/** Inputs of a VM as a program gives them. */
export const vmInputs = ({ folder, image }: Awaited<ReturnType<typeof site>>) => ({
  name: NAME,
  folder: join(folder, "vm"),
  vcpus: 2,
  memoryMiB: 1024,
  systemGiB: 8,
  image,
  dataDisk: join(folder, "data.qcow2"),
  network: { kind: "user", forwards: [{ hostPort: 2240, guestPort: 22 }] },
  authorizedKeys: ["ssh-ed25519 AAAAkey someone@example.org"],
  hostKeyPem: "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n",
  hostKey: HOST_KEY,
});
