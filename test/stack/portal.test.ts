/** A person's way through the portal of a real stack: from the first sign-in to the mailbox given up. */
import assert from "node:assert/strict";
import { realpath } from "node:fs/promises";
import { request } from "node:https";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";
import Docker from "dockerode";
import type { Summary } from "../../stacks/summary.ts";
import { deliverAsStranger, type Login, loginOf, openImap, readMail } from "../support/mail.ts";
import { Browser } from "../support/portal.ts";
import { freePort } from "../support/ports.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../support/project.ts";

const DOMAIN = "semail.test";
const NEXT = "four words and a comma";
const alice = { name: "Alice Martin" };
const robert = { name: "Bob Durand", addresses: [`robert@${DOMAIN}`] };

let project: TestProject;
let summary: Summary;
let browser: Browser;
let password: string;
let keys: StackKeys;
/** What Bob has before he leaves. */
let his: Awaited<ReturnType<typeof messagesOf>>;

/** `fetch` that trusts the stack's authority. */
function send(path: string, init: RequestInit = {}): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const headers = { ...(init.headers as Record<string, string>) };
  const body = init.body === undefined ? undefined : String(init.body);
  if (body !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
  const where = { host: "localhost", port: summary.portal?.port, path, ca: summary.ca, agent: false };
  const sent = request({ ...where, method: init.method ?? "GET", headers }, async (answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const { statusCode: status = 0, rawHeaders } = answer;
    const pairs = rawHeaders.flatMap((name, at): [string, string][] =>
      at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ""]] : [],
    );
    resolve(new Response(Buffer.concat(chunks), { status, headers: pairs }));
  });
  sent.once("error", reject);
  sent.end(body);
  return promise;
}

/** Sends a form that changes the mailbox, and stays until that is done. */
async function carryOut(path: string, fields: Record<string, string>): Promise<void> {
  const asked = await browser.post(path, fields);
  assert.match(asked.location ?? "", /^\/progress\//, asked.text);
  const events = await browser.get(`${asked.location}/events`);
  assert.match(events.text, /"text":"Done\.".*\n\n$/, events.text);
}

/** An administrator's update, with these people and other keys. */
async function update(users: object, more: StackKeys = {}): Promise<void> {
  await project.configure({ ...keys, ...more, users });
  await project.stack.up({ suppressOutputs: true });
}

const volume = () => new Docker().getVolume(`${project.prefix}-mail-bob`);
const kept = async () => {
  const { mailboxes } = await project.stack.outputs();
  const all = mailboxes?.value as readonly { id: string; until?: string; left: boolean }[];
  return all.filter(({ until }) => until !== undefined);
};

/** What an IMAP client sees of each message. */
async function messagesOf(auth: Login) {
  const client = await openImap(summary, auth);
  const lock = await client.getMailboxLock("INBOX");
  const all = await client.fetchAll("1:*", { uid: true, flags: true, source: true, internalDate: true });
  lock.release();
  await client.logout();
  return all.map(({ uid, flags, source, internalDate }) => ({
    ...{ uid, source: String(source), date: String(internalDate) },
    flags: [...(flags ?? [])].filter((flag) => flag !== "\\Recent").sort(),
  }));
}

const mailTo = (subject: string) =>
  deliverAsStranger(summary, { from: "x@stranger.test", to: `robert@${DOMAIN}`, subject });

describe("the portal on a stack", () => {
  before(async () => {
    const port = await freePort();
    keys = {
      domain: DOMAIN,
      dns: { provider: "dev" },
      ports: await stackPorts(),
      protect: false,
      keepVolumes: false,
      postmaster: "alice",
      showPasswords: true,
      portal: { enabled: true, port },
    };
    project = await makeProject({ ...keys, users: { alice, bob: { name: "Bob Durand", state: "none" } } });
    const root = join(import.meta.dirname, "../..");
    const workspace = await realpath(join(root, "node_modules/@pulumi/gandi"));
    project.stack.workspace.envVars.SEMAIL_OPERATOR_MOUNTS = [root, workspace].join(delimiter);
    await project.stack.up({ suppressOutputs: true });
    summary = await project.summary();
    browser = new Browser(send, `https://localhost:${port}`);
    password = loginOf(summary, "bob").pass;
  });
  after(() => project?.dispose());

  it("lets in who is in the directory, with a mailbox or without", async () => {
    assert.equal((await browser.post("/sign-in", { login: "bob", password: "wrong" })).status, 403);
    assert.equal((await browser.post("/sign-in", { login: "bob", password })).location, "/mailbox");
    const page = await browser.get("/new", { "accept-language": "fr" });
    assert.match(page.text, /Bonjour Bob Durand/);
    assert.match(page.text, /<td>mx\.semail\.test\.?<\/td><td>MX<\/td><td>\d+<\/td>/);
    assert.doesNotMatch(page.text, /ne mènent pas ici/);
  });

  it("makes the mailbox, in which mail arrives", async () => {
    assert.match((await browser.post("/new", { local: "alice", domain: DOMAIN })).text, /is taken/);
    const started = performance.now();
    await carryOut("/new", { local: "robert", domain: DOMAIN });
    assert.match(await mailTo("welcome"), /^250 /);
    summary = await project.summary();
    await readMail(summary, { user: "bob", pass: password }, "welcome");
    console.log(`create to first readable mail: ${Math.round(performance.now() - started)} ms`);
    assert.match((await browser.get("/mailbox")).text, /Space for mail: [\d.]+ kB of 1 GB used/);
  });

  it("changes the password at the directory", async () => {
    const changed = await browser.post("/password", { current: password, next: NEXT, again: NEXT });
    assert.match(changed.text, /Your password is changed/);
    await assert.rejects(openImap(summary, { user: "bob", pass: password }));
    await readMail(summary, { user: "bob", pass: NEXT }, "welcome");
  });

  it("gives the mailbox up, takes that back with the mail, and gives it up again", async () => {
    const madeOn = async () => ((await volume().inspect()) as { CreatedAt?: string }).CreatedAt;
    const made = await madeOn();
    const sure = { address: `robert@${DOMAIN}`, password: NEXT };
    await browser.get("/delete");
    await carryOut("/delete", sure);
    assert.match(await mailTo("too late"), /^550 5\.1\.1/);
    assert.match((await browser.get("/mailbox")).text, /Your mail is kept until \d{4}-/);
    assert.match((await browser.get("/mailbox", { "accept-language": "fr" })).text, /gardé jusqu/);
    await carryOut("/delete/cancel", {});
    assert.equal(await madeOn(), made);
    his = await messagesOf({ user: "bob", pass: NEXT });
    assert.match(his[0]?.source ?? "", /^Subject: welcome\r$/m);
    await browser.get("/delete");
    await carryOut("/delete", sure);
    assert.match((await browser.get("/mailbox")).text, /Your mailbox is deleted/);
    const { changeSummary } = await project.stack.preview();
    assert.deepEqual(
      Object.keys(changeSummary).filter((op) => op !== "same"),
      [],
    );
  });

  it("keeps the mail of who leaves, from everybody who may be another, and gives it back as it was", async () => {
    // Volumes that go from the stack stay on the host from now on.
    await update({ alice }, { keepVolumes: true });
    assert.deepEqual(
      (await kept()).map(({ id, left }) => [id, left]),
      [["bob", true]],
    );
    assert.deepEqual(
      (await project.summary()).kept.map(({ id }) => id),
      ["bob"],
    );

    await project.configure({ ...keys, users: { alice, bob: robert } });
    await assert.rejects(project.stack.preview(), ({ message }: Error) => {
      assert.match(message, /semail:users\.bob: mail of an earlier bob is kept until .*`restore: true`/);
      assert.match(message, /`mailbox: 2`: theirs begins empty/);
      return true;
    });
    await project.configure({ ...keys, users: { alice: { ...alice, aliases: robert.addresses } } });
    await assert.rejects(project.stack.preview(), /robert@semail\.test was bob's, whose mail is kept until/);

    await update({ alice, bob: { ...robert, restore: true } }, { keepVolumes: true });
    summary = await project.summary();
    assert.deepEqual(await messagesOf({ user: "bob", pass: password }), his);
    assert.deepEqual(await kept(), []);
  });

  it("gives the uid of who left to another person, and throws the old mail away when its time is over", async () => {
    const other = { ...robert, name: "Robert Another", mailbox: 2 };
    await update({ alice, bob: other }, { keepVolumes: true });
    summary = await project.summary();
    await assert.rejects(openImap(summary, { user: "bob", pass: password }));
    const auth = loginOf(summary, "bob");
    assert.match(await mailTo("for the other"), /^250 /);
    await readMail(summary, auth, "for the other");
    assert.equal((await messagesOf(auth)).length, 1);
    await volume().inspect();

    await update({ alice, bob: other }, { retention: 0 });
    await assert.rejects(volume().inspect(), { statusCode: 404 });
    assert.deepEqual(await kept(), []);
    assert.equal((await messagesOf(auth)).length, 1);
  });
});
