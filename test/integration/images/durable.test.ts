/** What a power cut leaves of a box's mail, at any moment after the box took it, by what it asks of the disk. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Disk, type Tree } from "../../crash/power/disk.ts";
import { Random } from "../../fuzz/random.ts";
import { type Handle, openLab } from "../../support/docker.ts";
import { type Step, stepsOf } from "./box-trace.ts";
import { deliver } from "./dialogue.ts";
import { boxImage, healthy, lmtpPort } from "./images.ts";

const lab = openLab();
after(() => lab.cleanup());

const TRACED = join(import.meta.dirname, "../../fixtures/images/box-traced");
const HOME = "/srv/mail";
/** Of what was not synced, each disk keeps some. */
const DISKS = 20;

/** Whether a mail program finds a message with that text. */
function has(tree: Tree, text: string): boolean {
  const reachable = (path: string): boolean =>
    path === HOME || (tree.get(dirname(path)) === "folder" && reachable(dirname(path)));
  return [...tree].some(
    ([path, what]) =>
      Buffer.isBuffer(what) &&
      /\/(new|cur)\/[^/]+$/.test(path) &&
      reachable(path) &&
      what.toString("latin1").endsWith(text),
  );
}

/** Messages that were answered and of which some disk has not all, at some moment after it. */
function losses(
  steps: readonly Step[],
  bodies: readonly string[],
  { ordered, random }: { ordered: boolean; random: Random },
): string[] {
  const disk = new Disk(new Map([[HOME, "folder"]]), { ordered });
  const lost = new Set<string>();
  let answered = 0;
  for (const step of steps) {
    if (step.kind === "answered") answered += 1;
    else disk.note(step);
    if (answered === 0) continue;
    for (let trial = 0; trial < DISKS; trial += 1) {
      // The first keeps nothing.
      const tree = disk.after(() => trial > 0 && random.chance(0.5));
      for (const body of bodies.slice(0, answered)) if (!has(tree, body)) lost.add(body);
    }
  }
  assert.equal(answered, bodies.length, "every answer is in the trace");
  return [...lost];
}

describe("mail that a box answered 250", () => {
  let box: Handle;
  const bodies: string[] = [];

  before(async () => {
    const image = await lab.ensureImage("box-traced", TRACED, { BOX_IMAGE: await boxImage(lab) });
    box = await healthy(lab, "box", { image, env: { BOX_QUOTA_BYTES: "0" } });
    const script =
      'require ["fileinto", "mailbox"]; if header "X-List" "yes" { fileinto :create "Lists/new"; }';
    await box.exec(["tee", "/srv/mail/.dovecot.sieve"], { input: script });
  });

  const steps = async () => stepsOf((await box.exec(["cat", "/tmp/trace"])).stdout, HOME);

  for (const [where, field, ordered = false] of [
    ["INBOX", "X-Semail-Junk: no"],
    ["Junk, when it is the first one there", "X-Semail-Junk: yes"],
    ["Junk", "X-Semail-Junk: yes"],
    ["INBOX, among others", "X-Semail-Junk: no"],
    // Dovecot syncs none of the folders above one that it makes: here the file system must keep the order of names.
    ["a folder that its person's script makes for it", "X-List: yes", true],
  ] as const) {
    it(`outlives a power cut at any moment from then on: ${where}`, async () => {
      const body = `Hello ${bodies.length}, ${"0123456789 ".repeat(900)}\n`;
      const message = `${field}\r\nSubject: hello\r\n\r\n${body.trimEnd()}`;
      const { data } = await deliver(await lmtpPort(box), { to: ["alice@semail.test"], message });
      assert.match(data[0] ?? "", /^250 /);
      bodies.push(`${body.trimEnd()}\n`);
      assert.deepEqual(losses(await steps(), bodies, { ordered, random: new Random(1) }), []);
    });
  }

  it("would be missed here, had the box synced nothing", async () => {
    const unsynced = (await steps()).filter(({ kind }) => kind !== "synced");
    assert.equal(losses(unsynced, bodies, { ordered: true, random: new Random(1) }).length, bodies.length);
  });
});
