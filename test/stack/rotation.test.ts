/** A DKIM key's life on the standing system, from the second key to the first one's end, with mail flowing all along. */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import type { DkimState } from "../../stacks/dkim/rotation.ts";
import type { Summary } from "../../stacks/summary.ts";
import { type Handle, openLab } from "../support/docker.ts";
import { loginOf, readMail, submit } from "../support/mail.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../support/project.ts";

const DOMAIN = "rotation.test";
const DAY = 86_400_000;
const START = Date.parse("2026-11-01T00:00:00Z");
/** In place of the product's: its clock is a file. */
const INDEX = `
import { readFileSync } from "node:fs";
import { program } from "./stacks/program.ts";
export const { summary, dkim, dns, records } = await program({ now: () => new Date(readFileSync("now", "utf8")) });
`;

const lab = openLab();
let project: TestProject;
let base: StackKeys & { readonly dkim: object };
let summary: Summary;
let dkimpy: Handle;

const atDay = (days: number) =>
  writeFile(join(project.folder, "now"), new Date(START + days * DAY).toISOString());
const up = () => project.stack.up({ suppressOutputs: true });
const state = async () => (await project.stack.outputs()).dkim?.value as DkimState;
const rolesOf = ({ keys }: DkimState) => keys.map(({ key, role }) => `${key} ${role}`);

/** What the domain's name server says now. */
async function published(name: string): Promise<string | undefined> {
  const resolver = new Resolver({ timeout: 2_000, tries: 3 });
  resolver.setServers([summary.nameServer ?? ""]);
  try {
    return (await resolver.resolveTxt(name)).map((parts) => parts.join(""))[0];
  } catch (error) {
    if (["ENOTFOUND", "ENODATA"].includes(String((error as NodeJS.ErrnoException).code))) return undefined;
    throw error;
  }
}

/** What a receiver finds who looks the keys up at the moment of receipt: the selectors, each of them right. */
async function check(source: string): Promise<string[]> {
  const records = new Map<string, string>();
  const { results } = await dkimVerify(source, {
    resolver: async (name: string) => {
      const text = await published(name);
      if (text === undefined) throw Object.assign(new Error(`${name} is not there`), { code: "ENOTFOUND" });
      records.set(name, text);
      return [[text]];
    },
  });
  const selectors = results.map(({ selector, status }) => {
    assert.equal(status.result, "pass", `${selector}: ${JSON.stringify(status)}`);
    return String(selector);
  });
  const given = { message: Buffer.from(source).toString("base64"), records: Object.fromEntries(records) };
  const { stdout, stderr } = await dkimpy.exec(["verify"], { input: JSON.stringify(given) });
  assert.notEqual(stdout, "", stderr);
  assert.deepEqual(
    JSON.parse(stdout).dkim,
    selectors.map(() => true),
  );
  return selectors;
}

let sent = 0;
/** One mail from alice to bob, checked as bob gets it; which selectors signed it. */
async function mail(): Promise<string> {
  sent += 1;
  const subject = `mail ${sent}`;
  const from = `alice@${DOMAIN}`;
  const to = `bob@${DOMAIN}`;
  // While smtp-out is replaced a mail program tries again.
  for (let tries = 1; ; tries += 1) {
    try {
      await submit(summary, loginOf(summary, "alice"), { from, to, subject });
      break;
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(100);
    }
  }
  return (await check(await readMail(summary, loginOf(summary, "bob"), subject))).join(" ");
}

/** Mail after mail for as long as the work takes; what signed them, in their order, without repetition. */
async function mailDuring(work: () => Promise<unknown>): Promise<string[]> {
  let done = false;
  const working = work().finally(() => {
    done = true;
  });
  const seen: string[] = [];
  while (!done) seen.push(await mail());
  await working;
  return seen.filter((each, index) => each !== seen[index - 1]);
}

describe("a DKIM key is rotated", () => {
  const first = "semail1 semail1-ed25519";
  const second = "semail2 semail2-ed25519";

  before(async () => {
    dkimpy = await lab.run({
      image: await lab.ensureImage("dkimpy", join(import.meta.dirname, "../fixtures/images/dkimpy")),
    });
    base = {
      domain: DOMAIN,
      dns: { provider: "dev", ttl: 300 },
      ports: await stackPorts(),
      // Keys are protected, as in production; the rest of the stack goes with the test.
      protect: true,
      users: { alice: { name: "Alice" }, bob: { name: "Bob" } },
      dkim: { ed25519: true, keepDays: 7 },
      // Mail after mail for as long as an update takes is more than a person may send.
      smtpOut: { limits: { messagesPerMinute: 0, messagesPerDay: 0 } },
    };
    project = await makeProject(base);
    await writeFile(join(project.folder, "index.ts"), INDEX);
    await atDay(0);
    await up();
    summary = await project.summary();
  });
  after(async () => {
    await lab.cleanup();
    if (!project) return;
    await project.configure({
      ...base,
      dkim: { ...base.dkim, rotate: 2 },
      protect: false,
      keepVolumes: false,
    });
    await up().finally(() => project.dispose());
  });

  it("from the first one, which signs with both kinds", async () => {
    assert.equal(await mail(), first);
    assert.deepEqual(rolesOf(await state()), ["1 signs"]);
  });

  it("not at all by an update that can't publish; mail goes on as before", async () => {
    await project.configure({ ...base, dkim: { ...base.dkim, rotate: 2 } });
    const nameServer = lab.docker.getContainer(`${project.prefix}-livedns`);
    await nameServer.stop();
    await assert.rejects(up(), /semail2\._domainkey/);
    await nameServer.start();
    assert.deepEqual(rolesOf(await state()), ["1 signs"]);
    assert.equal(await mail(), first);
  });

  it("by the next update, with the key that the failed one made; each mail on the way is signed by a key that is there", async () => {
    const made = await keyIds();
    assert.deepEqual(await mailDuring(up), [first, second]);
    assert.deepEqual(await keyIds(), made);
    const { phase, selector, keys } = await state();
    assert.deepEqual([phase, selector], ["overlap", "semail2"]);
    assert.deepEqual(
      keys.map(({ key, role, until }) => [key, role, until]),
      [
        [2, "signs", undefined],
        [1, "retired", new Date(START + 7 * DAY).toISOString()],
      ],
    );
  });

  it("and the old record stays for its time, however often the stack is updated", async () => {
    await atDay(6.9);
    const { summary: done } = await up();
    assert.deepEqual(Object.keys(done.resourceChanges ?? {}), ["same"]);
    assert.ok(await published(`semail1._domainkey.${DOMAIN}`));
    assert.ok(await published(`semail1-ed25519._domainkey.${DOMAIN}`));
  });

  it("and goes with the next update after that", async () => {
    await atDay(7);
    assert.deepEqual(await mailDuring(up), [second]);
    assert.equal(await published(`semail1._domainkey.${DOMAIN}`), undefined);
    assert.equal(await published(`semail1-ed25519._domainkey.${DOMAIN}`), undefined);
    assert.deepEqual(rolesOf(await state()), ["2 signs"]);
    assert.equal((await keyIds()).size, 2);
  });
});

/** The ids of the key pairs in the stack's state, by name: hashes of the public halves. */
async function keyIds(): Promise<Map<string, string>> {
  const { deployment } = (await project.stack.exportStack()) as {
    deployment: { resources: { urn: string; type: string; id: string }[] };
  };
  return new Map(
    deployment.resources
      .filter(({ type }) => type.endsWith("semail:KeyPair"))
      .map(({ urn, id }) => [urn.split("::").at(-1) ?? "", id]),
  );
}
