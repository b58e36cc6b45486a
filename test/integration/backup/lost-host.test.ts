/** A host that was lost: what its timer saved of the new one, before anybody restored, takes nothing from anybody. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Attribute, Change, Client } from "ldapts";
import { type Handle, openLab } from "../../support/docker.ts";
import { deliver } from "../images/dialogue.ts";
import { ADMIN_PASSWORD, healthy, lmtpPort, PEOPLE, SUFFIX } from "../images/images.ts";
import { person } from "../images/people.ts";
import { type BackupSite, openBackup } from "./site.ts";

const lab = openLab();
const root = await mkdtemp(join(tmpdir(), "semail-t-"));
after(async () => {
  await lab.cleanup();
  await rm(root, { recursive: true, force: true });
});

const ALICE = `uid=alice,${PEOPLE}`;
const EVERYBODY = { all: true, uids: [] };

describe("a host that was lost, and made anew", () => {
  const prefix = lab.name();
  const volume = `${prefix}-mail-alice`;
  let box: Handle;
  let directory: Handle;
  let port = 0;
  let site: BackupSite;

  const as = async <T>(who: string, password: string, work: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({ url: `ldap://127.0.0.1:${port}`, timeout: 10_000 });
    try {
      await client.bind(who, password);
      return await work(client);
    } finally {
      await client.unbind();
    }
  };
  const canLogIn = (password: string): Promise<boolean> =>
    as(ALICE, password, async () => true).catch(() => false);
  const setPassword = (current: string, wanted: string) => {
    const modification = new Attribute({ type: "userPassword", values: [wanted] });
    return as(ALICE, current, (client) =>
      client.modify(ALICE, new Change({ operation: "replace", modification })),
    );
  };
  const send = async (subject: string) => {
    const message = `From: s@elsewhere.test\r\nTo: alice@semail.test\r\nSubject: ${subject}\r\n\r\nHello\r\n`;
    const { data } = await deliver(await lmtpPort(box), { to: ["alice@semail.test"], message });
    assert.match(data[0] ?? "", /^250 /);
  };
  const subjects = async () => {
    const { stdout } = await box.exec([
      "sh",
      "-c",
      "cat /srv/mail/Maildir/new/* /srv/mail/Maildir/cur/* 2>/dev/null",
    ]);
    return [...stdout.matchAll(/^Subject: (.*?)\r?$/gm)].map(([, subject]) => subject).sort();
  };

  const doveadm = async (...args: string[]) => {
    const { stdout } = await box.exec(["doveadm", "-c", "/run/dovecot.conf", ...args]);
    return stdout;
  };
  const labelled = ["mailbox", "INBOX", "subject", "two"];

  /** A directory and a box as the first update makes them. */
  async function make(): Promise<void> {
    directory = await healthy(lab, "directory", { volumes: { "/var/lib/ldap": await lab.volume() } });
    await lab.docker.getContainer(directory.id).rename({ name: `${prefix}-directory` });
    port = await directory.port("389/tcp");
    await as(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD, (client) => client.add(ALICE, person("alice")));
    const kinds = { "io.semail.stack": prefix, "io.semail.kind": "mail" };
    await lab.docker.createVolume({ Name: volume, Labels: { ...lab.labels, ...kinds } });
    box = await healthy(lab, "box", { volumes: { "/srv/mail": volume }, env: { BOX_QUOTA_BYTES: "0" } });
  }

  before(async () => {
    await make();
    site = await openBackup(lab, { prefix, root, ldapPort: () => port });
    await setPassword("password of alice", "alice's own");
    for (const subject of ["one", "two"]) await send(subject);
    await doveadm("flags", "add", "-u", "alice", "$Work \\Flagged", ...labelled);
    await site.run("save", EVERYBODY);
    await directory.remove();
    await box.remove();
    await lab.docker.getVolume(volume).remove();
    await make();
    // More often than the repository is asked to keep.
    for (let run = 0; run < 3; run += 1) await site.run("save", EVERYBODY);
    await send("since");
  });

  it("has everybody's mail and passwords of before put back, and keeps what came since", async () => {
    assert.deepEqual(await subjects(), ["since"]);
    const lines = (await site.run("restore", EVERYBODY)).join("\n");
    assert.match(lines, /alice restored from .* \(2 messages put back, 0 there already\)/);
    assert.match(lines, /✓ passwords \(of 1 people, as they were on /);
    assert.deepEqual(await subjects(), ["one", "since", "two"]);
    assert.match(
      await doveadm("fetch", "-u", "alice", "flags", ...labelled),
      /\\Flagged .*\$Work|\$Work .*\\Flagged/,
    );
    assert.ok(await canLogIn("alice's own"));
  });

  it("is one like any other from then on: the latest counts, and who changed their password keeps it", async () => {
    await setPassword("alice's own", "alice's next");
    await send("later");
    await site.run("save", EVERYBODY);
    await box.exec(["sh", "-c", "rm -f /srv/mail/Maildir/new/* /srv/mail/Maildir/cur/*"]);
    const lines = (await site.run("restore", EVERYBODY)).join("\n");
    assert.match(lines, /4 messages put back/);
    assert.match(lines, /Changed since, and so left alone: alice/);
    assert.deepEqual(await subjects(), ["later", "one", "since", "two"]);
    assert.ok(await canLogIn("alice's next"));
  });

  it("puts back the latest, too, where nobody noted that the mail of before is there again", async () => {
    await box.exec(["sh", "-c", "rm -f /srv/mail/.restored /srv/mail/Maildir/new/* /srv/mail/Maildir/cur/*"]);
    const lines = await site.run("restore");
    const restored = lines.filter((line) => line.includes("alice restored from"));
    assert.deepEqual(
      restored.map((line) => /\((\d+) messages put back/.exec(line)?.[1]),
      ["2", "2"],
    );
    assert.deepEqual(await subjects(), ["later", "one", "since", "two"]);
    await box.exec(["sh", "-c", "rm -f /srv/mail/Maildir/new/* /srv/mail/Maildir/cur/*"]);
    assert.match((await site.run("restore")).join("\n"), /\(4 messages put back, 0 there already\)/);
  });

  it("has a snapshot of before put back that is named, and the latest counts from then on", async () => {
    await box.exec(["rm", "-f", "/srv/mail/.restored"]);
    const [first = ""] = await site.run("list");
    const [, snapshot = ""] = first.split(/ {2,}/);
    await site.run("restore", { snapshot });
    const restored = (await site.run("restore")).filter((line) => line.includes("alice restored from"));
    assert.equal(restored.length, 1);
    assert.doesNotMatch(restored.join("\n"), new RegExp(snapshot));
  });

  it("has a folder put back that one of the two snapshots lacks", async () => {
    await box.exec(["rm", "-f", "/srv/mail/.restored"]);
    await doveadm("mailbox", "create", "-u", "alice", "New");
    await site.run("save");
    await doveadm("mailbox", "delete", "-u", "alice", "New");
    const lines = (await site.run("restore", { folder: "New" })).join("\n");
    assert.match(lines, /folders made again: New/);
    assert.match(lines, /The snapshot .* has no folder New\./);
  });

  it("hands out the latest, and tells of what is from before", async () => {
    const lines = (await site.run("export", { output: join(root, "alice.tar") })).join("\n");
    assert.match(lines, /volume of alice was made on .* latest snapshot from before that is [0-9a-f]{8} of /);
  });

  it("gets the mail back that was in a volume which was lost alone", async () => {
    await box.remove();
    await lab.docker.getVolume(volume).remove();
    const kinds = { "io.semail.stack": prefix, "io.semail.kind": "mail" };
    await lab.docker.createVolume({ Name: volume, Labels: { ...lab.labels, ...kinds } });
    box = await healthy(lab, "box", { volumes: { "/srv/mail": volume }, env: { BOX_QUOTA_BYTES: "0" } });
    for (let run = 0; run < 3; run += 1) await site.run("save");
    await site.run("restore");
    assert.deepEqual(await subjects(), ["later", "one", "since", "two"]);
  });
});
