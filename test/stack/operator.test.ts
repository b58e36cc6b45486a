/** A person's mailbox by the operator on a real stack: made, used, given up, taken back; and every way to be cut off. */
import assert from "node:assert/strict";
import { mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { execa } from "execa";
import type { Browser } from "playwright-core";
import type { PersonRequest, RequestView } from "../../mailserver/operator/protocol.ts";
import { mergeStackFile } from "../../tools/bootstrap/stack-file.ts";
import { openBrowser } from "../support/browser.ts";
import { openLab } from "../support/docker.ts";
import { type Foreign, startForeign } from "../support/foreign.ts";
import { liveDns } from "../support/livedns.ts";
import { deliverAsStranger, loginOf, openImap, readMail, submit } from "../support/mail.ts";
import { carryOut, followOperator, type RunningOperator } from "../support/operator.ts";
import { signIn, visit } from "../support/portal-journey.ts";
import { DOMAIN, makePortalProject } from "../support/portal-stack.ts";
import type { TestProject } from "../support/project.ts";
import { changeState, resourcesOf, secretsOf } from "../support/state.ts";

const FILE = "Pulumi.test.yaml";
const users = {
  alice: { name: "Alice Martin" },
  bob: { name: "Bob Durand", state: "none" },
  carol: { name: "Carol Petit", state: "none" },
  dan: { name: "Dan Moreau", state: "none" },
  erin: { name: "Erin Blanc", state: "none" },
};
const create: PersonRequest = { kind: "create", uid: "bob", address: `bob@${DOMAIN}` };

const lab = openLab();
let project: TestProject;
let operator: RunningOperator;
let browser: Browser;
let foreign: Foreign;

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
/** Chromium beside the portal, and somebody else's mail site. */
async function openWorld(): Promise<{ browser: Browser; foreign: Foreign }> {
  const network = `${project.prefix}-front`;
  const info = await lab.docker.getContainer(`${project.prefix}-resolver`).inspect();
  const resolver = info.NetworkSettings.Networks[network]?.IPAddress ?? "";
  const { ports } = await project.summary();
  const { dnsToken } = await secretsOf(project);
  const dns = liveDns(`http://127.0.0.1:${ports.dnsApi}/v5/livedns`, dnsToken);
  const [{ browser }, foreign] = await Promise.all([
    openBrowser(lab, network),
    startForeign({ lab, network, resolver, dns, domain: "foreign.test" }),
  ]);
  return { browser, foreign };
}
const PORTAL = "https://portal:8443";
const TELEPHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

/** What an update would still change. */
const drift = async () => {
  // As each command of `npm run` brings it up to date.
  const name = { name: FILE, text: await text() };
  await writeFile(merged(), mergeStackFile(name, await readFile(merged(), "utf8")));
  const { changeSummary } = await project.stack.preview({ configFile: merged() });
  return Object.keys(changeSummary).filter((op) => op !== "same");
};

const CONTAINER = "docker:index/container:Container";
describe("the operator on a stack", () => {
  before(async () => {
    project = await makePortalProject(users, { protect: true });
    // As `npm run up` leaves it: Pulumi's own keys are kept beside, and never in the file that is committed.
    await mkdir(dirname(merged()), { recursive: true });
    await writeFile(merged(), await text());
    await writeFile(path(), (await text()).replace(/^encryptionsalt: .*\n/m, ""));
    await git("init", "-q", "-b", "main");
    await git("add", FILE);
    await git("commit", "-qm", "The stack");
    operator = await followOperator(lab.docker, project.prefix);
    ({ browser, foreign } = await openWorld());
  });
  after(async () => {
    await browser?.close();
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

  it("is asked in a browser, and the mailbox that comes of it gets mail of strangers and a test mail", async () => {
    await using dan = await visit(browser, PORTAL, { locale: "en-GB" });
    const { page } = dan;
    const summary = await project.summary();
    const auth = loginOf(summary, "dan");
    await signIn(dan, "dan", auth.pass);
    await page.locator("#local").fill("alice");
    await page.getByText(`alice@${DOMAIN} is taken.`).waitFor();
    await page.locator("#local").fill("dan");
    await page.getByText(`dan@${DOMAIN} is free.`).waitFor();
    await page.getByRole("button", { name: "Create the mailbox" }).click();
    await page.getByText("Under way…", { exact: true }).waitFor();
    await dan.done("Done.");
    await foreign.send(`dan@${DOMAIN}`, "from afar");
    assert.match(await readMail(summary, auth, "from afar"), /^Received: from mx\.foreign\.test/m);
    await page.getByRole("button", { name: "Send me a test mail" }).click();
    await page.getByText(`A test mail is on its way to dan@${DOMAIN}.`).waitFor();
    const source = await readMail(summary, auth, "Your mailbox works");
    assert.match(source, new RegExp(`^From: .*<postmaster@${DOMAIN}>\\r$`, "m"));
    assert.match(source, /^DKIM-Signature: .*d=semail\.test/m);
  });

  it("is asked in French from a telephone without JavaScript", async () => {
    const options = { locale: "fr-FR", javaScriptEnabled: false, ...TELEPHONE };
    const summary = await project.summary();
    const auth = loginOf(summary, "erin");
    {
      await using erin = await visit(browser, PORTAL, options);
      await signIn(erin, "erin", auth.pass);
      await erin.page.getByText("Bonjour Erin Blanc.").waitFor();
      await erin.page.getByRole("button", { name: "Créer la boîte" }).click();
      await erin.page.waitForURL("**/progress/*");
    }
    // The browser was closed in the middle of it: whoever comes back finds it where it is.
    await using erin = await visit(browser, PORTAL, options);
    const { page } = erin;
    await signIn(erin, "erin", auth.pass);
    await page.waitForURL(/\/(progress\/\w+|mailbox)$/);
    if (page.url().endsWith("/mailbox")) await page.getByText(`erin@${DOMAIN}`).first().waitFor();
    else await erin.done("Terminé.");
    await page.getByRole("button", { name: "M’envoyer un courriel d’essai" }).click();
    await page.getByText("Un courriel d’essai est en route").waitFor();
    await readMail(summary, auth, "Votre boîte fonctionne");
  });

  it("is asked by the keyboard alone: a mailbox is given up, taken back, and given up again", async () => {
    await using dan = await visit(browser, PORTAL, { locale: "en-GB" });
    const { page, tabTo } = dan;
    const { keyboard } = page;
    const summary = await project.summary();
    const auth = loginOf(summary, "dan");
    const enter = async (selector: string) => {
      await tabTo(selector);
      await keyboard.press("Enter");
    };
    const fill = async (fields: Readonly<Record<string, string>>) => {
      for (const [selector, text] of Object.entries(fields)) {
        await tabTo(selector);
        await keyboard.type(text);
      }
      await keyboard.press("Enter");
    };
    const giveUp = async () => {
      await enter('a[href="/delete"]');
      await page.waitForURL("**/delete");
      await fill({ "#address": `dan@${DOMAIN}`, "#password": auth.pass });
      await dan.done("Done.");
      assert.match(await mailTo("dan", "too late"), /^550 5\.1\.1/);
      await enter('a[href="/mailbox"]');
      await page.getByRole("heading", { name: "Your mailbox is deleted" }).waitFor();
    };
    await fill({ "#login": "dan", "#password": auth.pass });
    await page.waitForURL("**/mailbox");
    await giveUp();
    await enter('form[action="/delete/cancel"] button');
    await dan.done("Done.");
    await readMail(summary, auth, "from afar");
    await enter('a[href="/mailbox"]');
    await page.waitForURL("**/mailbox");
    await giveUp();
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

  const carol: PersonRequest = { kind: "create", uid: "carol", address: `carol@${DOMAIN}` };

  const MORE = "mailserver/images/resolver/more";
  const edit = (from: string, to: string) => (before: string) => before.replace(from, to);
  for (const [what, path, change, said] of [
    ["its code says", MORE, (before: string) => `${before}more\n`, "the code"],
    ["its config says", FILE, edit("Alice Martin", "Alice Petit"), "semail:users.alice"],
    ["its config says of the person", FILE, edit("Carol Petit", "Carol Grand"), "semail:users.carol"],
  ] as const)
    it(`refuses to go on where the stack isn't what ${what}, and touches nothing`, async () => {
      const file = join(project.folder, path);
      const before = await readFile(file, "utf8").catch(() => undefined);
      await writeFile(file, change(before ?? ""));
      const config = await text();
      const head = await git("rev-parse", "HEAD");
      const logged = operator.heard("operator.update.failed");
      const view = last(await carryOut(operator.client, carol));
      assert.deepEqual(view && outcome(view), ["failed", "needs-administrator"]);
      assert.ok((await logged).includes(`since the last update ${said} changed`));
      assert.deepEqual([await text(), await git("rev-parse", "HEAD")], [config, head]);
      assert.equal(await hasBox("carol"), false);
      if (before === undefined) await rm(file);
      else await writeFile(file, before);
      assert.deepEqual(await drift(), []);
    });

  it("refuses to go on where an administrator's update left something out, and names it", async () => {
    const whole = await project.stack.exportStack();
    const resources = resourcesOf(whole);
    const needed = JSON.stringify(resources.map(({ dependencies, parent }) => [dependencies, parent]));
    const left = resources.find(
      ({ type, urn }) => type === CONTAINER && !urn.includes("::person-") && !needed.includes(`"${urn}"`),
    );
    assert.ok(left);
    await changeState(project, (each) => each.urn !== left.urn);
    const logged = operator.heard("operator.update.failed");
    const view = last(await carryOut(operator.client, carol));
    assert.deepEqual(view && outcome(view), ["failed", "needs-administrator"]);
    assert.ok((await logged).includes(`the state, which has no ${left.urn.split("::").at(-1)},`));
    assert.equal(await hasBox("carol"), false);
    await project.stack.importStack(whole);
    assert.deepEqual(await drift(), []);
  });

  it("leaves the boxes of others as they are, also where an update for all would change them", async () => {
    const before = await box("alice").inspect();
    const memory = (value: (now: number) => number) =>
      changeState(project, (each) => {
        if (each.urn.endsWith("::person-alice-box"))
          for (const properties of [each.inputs, each.outputs]) properties.memory = value(properties.memory);
        return true;
      });
    await memory((now) => now + 1);
    assert.notDeepEqual(await drift(), []);
    const view = last(
      await carryOut(operator.client, { kind: "update", uid: "bob", forward: null, aliases: [] }),
    );
    assert.deepEqual(view && outcome(view), ["done", undefined]);
    const { Id, State } = await box("alice").inspect();
    assert.deepEqual([Id, State.StartedAt], [before.Id, before.State.StartedAt]);
    await memory((now) => now - 1);
    assert.deepEqual(await drift(), []);
  });

  it("takes everything back when the engine refuses half-way", async () => {
    const config = await text();
    const inTheWay = await lab.docker.createContainer({
      name: `${project.prefix}-box-carol`,
      Image: (await box("bob").inspect()).Image,
      Labels: lab.labels,
    });
    const view = last(await carryOut(operator.client, carol));
    assert.deepEqual(view && outcome(view), ["failed", "update-failed"]);
    assert.deepEqual(
      view?.steps.filter(({ state }) => state === "failed").map(({ name }) => name),
      ["container"],
    );
    assert.equal(await text(), config);
    assert.deepEqual(await drift(), []);
    await assert.rejects(lab.docker.getVolume(`${project.prefix}-mail-carol`).inspect(), { statusCode: 404 });
    await inTheWay.remove();
  });

  it("killed in the middle of an update finishes it", async () => {
    const id = await operator.client.submit(carol);
    for await (const view of operator.client.events(id))
      if (view.steps.some(({ name, state }) => name === "volume" && state !== "waiting")) break;
    await operator.kill();
    // As Pulumi leaves it that is killed while it writes its state.
    const name = project.prefix.replace(/-test$/, "");
    await truncate(join(project.folder, ".semail/state/.pulumi/stacks", name, "test.json.attrs"));
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

  it("with approval, puts the diff on a branch and leaves the stack alone", async () => {
    const administrator = (await text()).replace("semail:portal:\n", "semail:portal:\n    approval: true\n");
    await writeFile(path(), administrator);
    await git("commit", "-qam", "Requests are to be approved");
    const head = await git("rev-parse", "HEAD");
    const forward = "carol@elsewhere.example";
    const view = last(await carryOut(operator.client, { kind: "update", uid: "carol", forward }));
    assert.deepEqual(view && outcome(view), ["waiting-for-approval", undefined]);
    assert.deepEqual([await text(), await git("rev-parse", "HEAD")], [administrator, head]);
    assert.deepEqual(await drift(), []);
    const branch = `semail/update-carol-${view?.id.slice(0, 8)}`;
    assert.equal(
      await git("log", "--format=%an %s", `HEAD..${branch}`),
      "Carol Petit carol changes their mailbox",
    );
    const diff = (await git("diff", "--unified=0", "HEAD", branch)).match(/^[+-][^+-].*$/gm);
    assert.deepEqual(
      diff?.map((line) => line.replace(/\s+/, " ")),
      [`+ forward: ${forward}`],
    );
    await git("merge", "-q", "--ff-only", branch);
    assert.deepEqual(await drift(), ["update"]);
  });

  it("ends on SIGTERM, which the portal says, and has no secret in its log or its journal", async () => {
    assert.equal(await operator.stop(), 0);
    await using dan = await visit(browser, PORTAL, { locale: "fr-FR" });
    await signIn(dan, "dan", (await login("dan")).pass);
    await dan.page.getByText("Le service qui modifie les boîtes ne répond pas.").waitFor();
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
