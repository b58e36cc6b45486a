/** People's passwords, out of a directory into a snapshot, and back into another after the first was lost. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Attribute, Change, Client } from "ldapts";
import { type Handle, openLab } from "../../support/docker.ts";
import { ADMIN_PASSWORD, healthy, PEOPLE, SUFFIX } from "../images/images.ts";
import { person } from "../images/people.ts";
import { type BackupSite, openBackup } from "./site.ts";

const lab = openLab();
const root = await mkdtemp(join(tmpdir(), "semail-t-"));
after(async () => {
  await lab.cleanup();
  await rm(root, { recursive: true, force: true });
});

const dn = (uid: string) => `uid=${uid},${PEOPLE}`;

describe("the backup of the directory", () => {
  const prefix = lab.name();
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
  const admin = <T>(work: (client: Client) => Promise<T>) => as(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD, work);
  const canLogIn = (uid: string, password: string): Promise<boolean> =>
    as(dn(uid), password, async () => true).catch(() => false);
  const setPassword = (uid: string, password: string) => {
    const modification = new Attribute({ type: "userPassword", values: [password] });
    return admin((client) => client.modify(dn(uid), new Change({ operation: "replace", modification })));
  };

  /** A directory as an update makes it: everybody has the password that they begin with. */
  async function make(people: Record<string, object>): Promise<void> {
    directory = await healthy(lab, "directory", { volumes: { "/var/lib/ldap": await lab.volume() } });
    await lab.docker.getContainer(directory.id).rename({ name: `${prefix}-directory` });
    port = await directory.port("389/tcp");
    await admin(async (client) => {
      for (const [uid, more] of Object.entries(people))
        await client.add(dn(uid), { ...person(uid), ...more });
    });
  }

  before(async () => {
    await make({ alice: {}, bob: {}, carol: {} });
    site = await openBackup(lab, { prefix, root, ldapPort: () => port });
    await setPassword("alice", "alice's own");
    await setPassword("bob", "bob's own");
  });

  it("is taken with that of all mailboxes", async () => {
    const lines = (await site.run("save", { all: true, uids: [] })).join("\n");
    assert.match(lines, /✓ directory saved as [0-9a-f]{8} \(3 people, /);
    assert.doesNotMatch(lines, /ARGON2/);
  });

  it("does not touch a directory that was there then: who changed their password since keeps that", async () => {
    await setPassword("alice", "alice's next");
    const lines = (await site.run("restore", { all: true, uids: [] })).join("\n");
    assert.match(lines, /✓ passwords \(the directory is the one of the snapshot/);
    assert.ok(await canLogIn("alice", "alice's next"));
  });

  it("gives everybody the password back that they had, and nobody another's", async () => {
    await directory.remove();
    await make({ alice: {}, bob: { cn: "Bob the Second" }, carol: {}, dave: {} });
    assert.ok(await canLogIn("alice", "password of alice"));
    const lines = (await site.run("restore", { all: true, uids: [] })).join("\n");
    assert.match(lines, /✓ passwords \(of 2 people, as they were on /);
    assert.match(lines, /left alone: bob, dave/);
    assert.ok(await canLogIn("alice", "alice's own"));
    assert.ok(!(await canLogIn("alice", "password of alice")));
    assert.ok(await canLogIn("carol", "password of carol"));
    assert.ok(await canLogIn("bob", "password of bob"));
    assert.ok(!(await canLogIn("bob", "bob's own")));
  });
});
