import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Attribute, Change, Client, InsufficientAccessError, InvalidCredentialsError } from "ldapts";
import { type Handle, openLab } from "../../support/docker.ts";
import { ADMIN_PASSWORD, healthy, PEOPLE, SERVICE_PASSWORD, SERVICES, SUFFIX } from "./images.ts";
import { person, service } from "./people.ts";

const ADMIN = `cn=admin,${SUFFIX}`;
const SERVICE = `cn=smtp-in,${SERVICES}`;
const dn = (uid: string) => `uid=${uid},${PEOPLE}`;

const lab = openLab();
after(() => lab.cleanup());

describe("directory", () => {
  let volume: string;
  let directory: Handle;
  let url: string;

  const start = async () => {
    directory = await healthy(lab, "directory", { volumes: { "/var/lib/ldap": volume } });
    url = `ldap://127.0.0.1:${await directory.port("389/tcp")}`;
  };
  const as = async <T>(who: string, password: string, work: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({ url, timeout: 10_000 });
    try {
      if (who !== "") await client.bind(who, password);
      return await work(client);
    } finally {
      await client.unbind();
    }
  };
  const admin = <T>(work: (client: Client) => Promise<T>) => as(ADMIN, ADMIN_PASSWORD, work);
  const canBind = (who: string, password: string) => as(who, password, async () => true);
  const storedPassword = (uid: string) =>
    admin(async (client) => {
      const { searchEntries } = await client.search(dn(uid), { scope: "base", attributes: ["userPassword"] });
      return String(searchEntries[0]?.userPassword);
    });

  before(async () => {
    volume = await lab.volume();
    await start();
    await admin(async (client) => {
      for (const uid of ["alice", "bob"]) await client.add(dn(uid), person(uid));
      await client.add(SERVICE, service("smtp-in"));
    });
  });

  it("stores a password given in clear as Argon2, by add and by modify", async () => {
    assert.match(await storedPassword("alice"), /^\{ARGON2\}\$argon2id\$/);
    const replace = new Change({
      operation: "replace",
      modification: new Attribute({ type: "userPassword", values: ["bob's second"] }),
    });
    await admin((client) => client.modify(dn("bob"), replace));
    assert.match(await storedPassword("bob"), /^\{ARGON2\}\$argon2id\$/);
    assert.ok(await canBind(dn("bob"), "bob's second"));
    await assert.rejects(canBind(dn("bob"), "password of bob"), InvalidCredentialsError);
  });

  it("lets people change their own password (RFC 3062) and nobody else's, and the admin any", async () => {
    const field = (tag: number, text: string) => Buffer.from([tag, text.length, ...Buffer.from(text)]);
    const modifyPassword = async (client: Client, fields: Buffer[]): Promise<void> => {
      const body = Buffer.concat(fields);
      const request = Buffer.concat([Buffer.from([0x30, body.length]), body]);
      await client.exop("1.3.6.1.4.1.4203.1.11.1", request);
    };
    const change = (id: string, old: string, next: string) =>
      as(dn("alice"), old, (client) =>
        modifyPassword(client, [field(0x80, id), field(0x81, old), field(0x82, next)]),
      );
    await change(dn("alice"), "password of alice", "alice's own");
    assert.ok(await canBind(dn("alice"), "alice's own"));
    assert.match(await storedPassword("alice"), /^\{ARGON2\}/);
    await assert.rejects(change(dn("bob"), "alice's own", "stolen"));
    const replace = (type: string) =>
      new Change({ operation: "replace", modification: new Attribute({ type, values: ["x"] }) });
    const modify = (uid: string, type: string) =>
      as(dn("alice"), "alice's own", (client) => client.modify(dn(uid), replace(type)));
    await assert.rejects(modify("bob", "userPassword"), InsufficientAccessError);
    await assert.rejects(modify("alice", "mailHost"), InsufficientAccessError);
    // Of somebody who has forgotten theirs.
    await admin((client) => modifyPassword(client, [field(0x80, dn("bob")), field(0x82, "bob's third")]));
    assert.ok(await canBind(dn("bob"), "bob's third"));
  });

  it("shows services what routes mail, never a password", async () => {
    const found = await as(SERVICE, SERVICE_PASSWORD, async (client) => {
      const filter = "(mailLocalAddress=bob@semail.test)";
      return (await client.search(PEOPLE, { scope: "sub", filter })).searchEntries;
    });
    assert.deepEqual(found, [
      {
        dn: dn("bob"),
        objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
        uid: "bob",
        mail: "bob@semail.test",
        mailLocalAddress: person("bob").mailLocalAddress,
        mailHost: "box-bob",
      },
    ]);
  });

  it("shows people and strangers nothing", async () => {
    const search = (client: Client) => client.search(PEOPLE, { scope: "sub" });
    await assert.rejects(as("", "", search), /authentication required/);
    await assert.rejects(as(dn("bob"), "bob's third", search), /0x20/);
  });

  it("refuses an address or uid that another person has", async () => {
    const add = (uid: string, entry: Record<string, string | string[]>) =>
      admin((client) => client.add(dn(uid), { ...person(uid), ...entry }));
    await assert.rejects(
      add("carol", { mailLocalAddress: ["carol@semail.test", "BOB@semail.test"] }),
      /0x13/,
    );
    await assert.rejects(add("carol", { uid: ["carol", "bob"] }), /0x13/);
    await add("carol", {});
    const both = await Promise.allSettled(
      ["dan", "eve"].map((uid) => add(uid, { mailLocalAddress: "team@semail.test" })),
    );
    assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  });

  it("gives services more than 500 entries", async () => {
    await admin(async (client) => {
      for (let n = 0; n < 510; n++) {
        const { userPassword: _, ...entry } = person(`p${n}`);
        await client.add(dn(`p${n}`), entry);
      }
    });
    const found = await as(SERVICE, SERVICE_PASSWORD, (client) =>
      client.search(PEOPLE, { scope: "sub", filter: "(uid=*)", attributes: ["uid"] }),
    );
    assert.ok(found.searchEntries.length >= 510, `${found.searchEntries.length} entries`);
  });

  it("keeps everything when the container is replaced", async () => {
    await directory.stop();
    await directory.remove();
    await start();
    assert.ok(await canBind(dn("alice"), "alice's own"));
  });
});
