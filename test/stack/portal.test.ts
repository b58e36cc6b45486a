/** A person's way through the portal of a real stack: from the first sign-in to the mailbox given up. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { OutputMap } from "@pulumi/pulumi/automation/index.js";
import Docker from "dockerode";
import type { Summary } from "../../stacks/summary.ts";
import { deliverAsStranger, type Login, loginOf, openImap, readMail } from "../support/mail.ts";
import type { Browser } from "../support/portal.ts";
import {
  carryOutForm,
  DOMAIN,
  definePortalProject,
  type PortalProject,
  portalBrowser,
} from "../support/portal-stack.ts";
import { readSummary, type StackKeys } from "../support/project.ts";

const NEXT = "four words and a comma";
const alice = { name: "Alice Martin" };
const robert = { name: "Bob Durand", addresses: [`robert@${DOMAIN}`] };

let project: PortalProject;
/** What the last update told. */
let outputs: OutputMap;
let summary: Summary;
let browser: Browser;
let password: string;
/** What Bob has before he leaves. */
let his: Awaited<ReturnType<typeof messagesOf>>;

/** An administrator's update, with these people and other keys. */
async function update(users: object, more: StackKeys = {}): Promise<void> {
  await project.configure({ ...project.keys, ...more, users });
  ({ outputs } = await project.stack.up({ suppressOutputs: true }));
  summary = readSummary(outputs);
}

const volume = () => new Docker().getVolume(`${project.prefix}-mail-bob`);
const kept = () => {
  const all = outputs.mailboxes?.value as readonly { id: string; until?: string; left: boolean }[];
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
    const users = { alice, bob: { name: "Bob Durand", state: "none" } };
    project = await definePortalProject(users);
    await update(users);
    browser = portalBrowser(summary);
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
    await carryOutForm(browser, "/new", { local: "robert", domain: DOMAIN });
    assert.match(await mailTo("welcome"), /^250 /);
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
    await carryOutForm(browser, "/delete", sure);
    assert.match(await mailTo("too late"), /^550 5\.1\.1/);
    assert.match((await browser.get("/mailbox")).text, /Your mail is kept until \d{4}-/);
    assert.match((await browser.get("/mailbox", { "accept-language": "fr" })).text, /gardé jusqu/);
    await carryOutForm(browser, "/delete/cancel", {});
    assert.equal(await madeOn(), made);
    his = await messagesOf({ user: "bob", pass: NEXT });
    assert.match(his[0]?.source ?? "", /^Subject: welcome\r$/m);
    await browser.get("/delete");
    await carryOutForm(browser, "/delete", sure);
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
      kept().map(({ id, left }) => [id, left]),
      [["bob", true]],
    );
    assert.deepEqual(
      summary.kept.map(({ id }) => id),
      ["bob"],
    );

    await project.configure({ ...project.keys, users: { alice, bob: robert } });
    await assert.rejects(project.stack.preview(), ({ message }: Error) => {
      assert.match(message, /semail:users\.bob: mail of an earlier bob is kept until .*`restore: true`/);
      assert.match(message, /`mailbox: 2`: theirs begins empty/);
      return true;
    });
    await project.configure({ ...project.keys, users: { alice: { ...alice, aliases: robert.addresses } } });
    await assert.rejects(project.stack.preview(), /robert@semail\.test was bob's, whose mail is kept until/);

    await update({ alice, bob: { ...robert, restore: true } }, { keepVolumes: true });
    // The entry is a new one: who knew the initial password of the one before knows nothing of it.
    await assert.rejects(openImap(summary, { user: "bob", pass: password }));
    password = loginOf(summary, "bob").pass;
    assert.deepEqual(await messagesOf({ user: "bob", pass: password }), his);
    assert.deepEqual(kept(), []);
  });

  it("gives the uid of who left to another person, and throws the old mail away when its time is over", async () => {
    const other = { ...robert, name: "Robert Another", mailbox: 2 };
    await update({ alice, bob: other }, { keepVolumes: true });
    await assert.rejects(openImap(summary, { user: "bob", pass: password }));
    const auth = loginOf(summary, "bob");
    assert.match(await mailTo("for the other"), /^250 /);
    await readMail(summary, auth, "for the other");
    assert.equal((await messagesOf(auth)).length, 1);
    await volume().inspect();

    await update({ alice, bob: other }, { retention: 0 });
    await assert.rejects(volume().inspect(), { statusCode: 404 });
    assert.deepEqual(kept(), []);
    assert.equal((await messagesOf(auth)).length, 1);
  });
});
