/** A person's mailbox by the operator on a real stack: made, used, given up, taken back; and every way to be cut off. */
import assert from "node:assert/strict";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { execa } from "execa";
import type { PersonRequest, RequestView } from "../../mailserver/operator/protocol.ts";
import { openLab } from "../support/docker.ts";
import { deliverAsStranger, loginOf, openImap, readMail, submit } from "../support/mail.ts";
import { carryOut, followOperator, type RunningOperator } from "../support/operator.ts";
import { freePort } from "../support/ports.ts";
import { makeProject, stackPorts, type TestProject } from "../support/project.ts";
import { secretsOf } from "../support/state.ts";

const DOMAIN = "semail.test";
const FILE = "Pulumi.test.yaml";
const users = {
  alice: { name: "Alice Martin" },
  bob: { name: "Bob Durand", state: "none" },
  carol: { name: "Carol Petit", state: "none" },
};
const create: PersonRequest = { kind: "create", uid: "bob", address: `bob@${DOMAIN}` };

const lab = openLab();
let project: TestProject;
let operator: RunningOperator;

const path = () => join(project.folder, FILE);
const merged = () => join(project.folder, ".semail/stacks", FILE);
const text = () => readFile(path(), "utf8");
const git = async (...args: string[]) => {
  const who = ["-c", "user.name=Admin", "-c", "user.email=admin@semail.test"];
  return (await execa("git", ["-C", project.folder, ...who, ...args])).stdout;
};
const login = async (uid: string) => loginOf(await project.summary(), uid);
const mailTo = async (uid: string, subject: string) =>
  deliverAsStranger(await project.summary(), { from: "x@stranger.test", to: `${uid}@${DOMAIN}`, subject });
const last = (events: readonly RequestView[]) => events.at(-1);
const outcome = ({ state, error }: RequestView) => [state, error?.code];
const box = (uid: string) => lab.docker.getContainer(`${project.prefix}-box-${uid}`);
const hasBox = (uid: string) =>
  box(uid)
    .inspect()
    .then(
      () => true,
      () => false,
    );
/** What an update would still change. */
const drift = async () => {
  const { changeSummary } = await project.stack.preview({ configFile: merged() });
  return Object.keys(changeSummary).filter((op) => op !== "same");
};

describe("the operator on a stack", () => {
  before(async () => {
    project = await makeProject({
      domain: DOMAIN,
      dns: { provider: "none" },
      ports: await stackPorts(),
      protect: true,
      keepVolumes: false,
      postmaster: "alice",
      showPasswords: true,
      portal: { enabled: true, port: await freePort() },
      users,
    });
    // The docker provider of this checkout, and the workspace that the shared packages link to.
    const root = join(import.meta.dirname, "../..");
    const workspace = await realpath(join(root, "node_modules/@pulumi/gandi"));
    project.stack.workspace.envVars.SEMAIL_OPERATOR_MOUNTS = [root, workspace].join(delimiter);
    await project.stack.up({ suppressOutputs: true });
    // As `npm run up` leaves it: Pulumi's own keys are kept beside, and never in the file that is committed.
    await mkdir(dirname(merged()), { recursive: true });
    await writeFile(merged(), await text());
    await writeFile(path(), (await text()).replace(/^encryptionsalt: .*\n/m, ""));
    await git("init", "-q", "-b", "main");
    await git("add", FILE);
    await git("commit", "-qm", "The stack");
    operator = await followOperator(lab.docker, project.prefix);
  });
  after(async () => {
    await lab.cleanup();
    if (project) {
      const { envVars: env, workDir: cwd } = project.stack.workspace;
      await execa("pulumi", ["state", "unprotect", "--all", "--yes", "--stack", "test"], { cwd, env });
      await project.dispose();
    }
  });
  it("finds bob in the directory without a mailbox: no mail to him, no reading, no sending", async () => {
    assert.match(await mailTo("bob", "too early"), /^550 5\.1\.1/);
    const summary = await project.summary();
    const auth = await login("bob");
    await assert.rejects(openImap(summary, auth), (error: { responseText?: string }) =>
      /no mailbox here/.test(error.responseText ?? ""),
    );
    await assert.rejects(
      submit(summary, auth, { from: `bob@${DOMAIN}`, to: `alice@${DOMAIN}`, subject: "x" }),
      /535/,
    );
  });

  it("makes his mailbox, in which mail arrives, and commits the diff as his", async () => {
    const started = performance.now();
    const events = await carryOut(operator.client, create);
    assert.deepEqual(outcome(last(events) as RequestView), ["done", undefined], JSON.stringify(last(events)));
    assert.match(await mailTo("bob", "welcome"), /^250 /);
    await readMail(await project.summary(), await login("bob"), "welcome");
    console.log(`create to first readable mail: ${Math.round(performance.now() - started)} ms`);
    const order = ["config", "volume", "container", "entry", "ready"];
    for (const name of order)
      assert.ok(
        events.some((e) => e.steps.some((s) => s.name === name && s.state === "done")),
        name,
      );
    assert.equal(
      await git("log", "-1", "--format=%an <%ae> %s"),
      "Bob Durand <bob@semail.test> bob makes a mailbox",
    );
    assert.match(await git("show", "--format=", "HEAD"), /^-\s+state: none$/m);
    assert.equal(await git("status", "--porcelain", FILE), "");
    assert.deepEqual(await drift(), []);
  });

  it("gives two who ask for the same address at once one of them", async () => {
    const alias = (uid: string): PersonRequest => ({ kind: "update", uid, aliases: ["both@semail.test"] });
    const [one, other] = await Promise.allSettled([
      carryOut(operator.client, alias("bob")),
      operator.client.submit(alias("alice")),
    ]);
    assert.deepEqual([one.status, other.status].sort(), ["fulfilled", "rejected"]);
    assert.match(await mailTo("both", "for one of them"), /^250 /);
  });

  it("gives the log of a person's own box, and restarts it", async () => {
    const before = (await box("bob").inspect()).State.StartedAt;
    assert.equal(last(await carryOut(operator.client, { kind: "restart", uid: "bob" }))?.state, "done");
    assert.notEqual((await box("bob").inspect()).State.StartedAt, before);
    assert.match(await operator.client.log("bob"), /lmtp/);
    assert.equal(await operator.client.log("carol"), "");
  });

  it("refuses to go on where the stack isn't what its code says, and touches nothing", async () => {
    const config = await text();
    await writeFile(join(project.folder, "mailserver/images/resolver/more"), "more\n");
    const view = last(
      await carryOut(operator.client, { ...create, uid: "carol", address: `carol@${DOMAIN}` }),
    );
    assert.deepEqual(view && outcome(view), ["failed", "needs-administrator"]);
    assert.equal(await text(), config);
    await execa("rm", [join(project.folder, "mailserver/images/resolver/more")]);
  });

  const carol: PersonRequest = { kind: "create", uid: "carol", address: `carol@${DOMAIN}` };

  it("killed in the middle of an update finishes it", async () => {
    const id = await operator.client.submit(carol);
    for await (const view of operator.client.events(id))
      if (view.steps.some(({ name, state }) => name === "volume" && state !== "waiting")) break;
    await operator.kill();
    await operator.start();
    for await (const view of operator.client.events(id))
      if (view.state !== "running")
        assert.deepEqual(outcome(view), ["done", undefined], JSON.stringify(view));
    assert.match(await mailTo("carol", "survived"), /^250 /);
    assert.deepEqual(await drift(), []);
    assert.equal(await git("log", "--format=%s", "-1"), "carol makes a mailbox");
  });

  it("takes everything back when the update fails half-way, the directory being down", async () => {
    const config = await text();
    const directory = lab.docker.getContainer(`${project.prefix}-directory`);
    await directory.stop();
    const failed = await operator.client.submit({ kind: "delete", uid: "carol" });
    const failure = operator.heard("operator.failed");
    await failure;
    await directory.start();
    for await (const view of operator.client.events(failed))
      if (view.state === "failed") {
        assert.equal(view.error?.code, "update-failed");
        assert.match(view.error?.detail ?? "", /The directory doesn't answer/);
      }
    assert.equal(await text(), config);
    assert.equal(await git("log", "--format=%s", "-1"), "Undo: carol gives their mailbox up");
    assert.equal(await hasBox("carol"), true);
    assert.deepEqual(await drift(), []);
  });

  it("ends on SIGTERM, and has no secret in its log or its journal", async () => {
    assert.equal(await operator.stop(), 0);
    assert.equal(await git("status", "--porcelain", FILE), "");
    assert.doesNotMatch(await text(), /encryptionsalt/);
    const { values } = await secretsOf(project);
    const kept = await execa("sh", ["-c", `cat "${project.folder}"/.semail/operator/test/*`]);
    for (const secret of values) {
      assert.ok(!operator.lines.join("\n").includes(secret));
      assert.ok(!kept.stdout.includes(secret));
    }
  });
});
