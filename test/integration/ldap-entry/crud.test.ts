import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Attribute, Change, Client } from "ldapts";
import * as crud from "../../../components/providers/ldap-entry/crud.ts";
import { type Handle, openLab } from "../../support/docker.ts";

const SUFFIX = "dc=example,dc=test";
const PEOPLE = `ou=people,${SUFFIX}`;
const ADMIN = { bindDn: `cn=admin,${SUFFIX}`, password: "an-admin-password" };
const DN = `uid=alice,${PEOPLE}`;

const lab = openLab();
let slapd: Handle;
let url: string;

/** The inputs of a person's entry, as the shim hands them over after check. */
async function inputs(changes: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const { inputs: checked, failures } = await crud.check(
    {},
    {
      connection: { url, ...ADMIN },
      dn: DN,
      attributes: {
        objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
        uid: ["alice"],
        cn: ["Alice Martin"],
        sn: ["Martin"],
        mailLocalAddress: ["alice@example.test"],
        mailHost: ["box-alice"],
        mailRoutingAddress: [],
      },
      password: "initial-password",
      ...changes,
    },
  );
  assert.deepEqual(failures, []);
  return checked;
}

const attributes = async (changes: Record<string, string[]>) => ({
  attributes: { ...((await inputs()).attributes as Record<string, string[]>), ...changes },
});

function change(operation: "add" | "replace", type: string, values: string[]): Change {
  return new Change({ operation, modification: new Attribute({ type, values }) });
}

/** Works as the admin, behind the provider's back. */
async function byHand<T>(work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ url });
  await client.bind(ADMIN.bindDn, ADMIN.password);
  return work(client).finally(() => client.unbind());
}

async function canBind(dn: string, password: string): Promise<boolean> {
  const client = new Client({ url });
  return client
    .bind(dn, password)
    .then(
      () => true,
      () => false,
    )
    .finally(() => client.unbind());
}

const remove = async (dn = DN) => crud.delete(dn, await inputs({ dn }));

describe("an LDAP entry against a real slapd", () => {
  before(async () => {
    const image = await lab.ensureImage(
      "directory",
      join(import.meta.dirname, "../../../mailserver/images/directory"),
    );
    slapd = await lab.run({
      image,
      hardened: true,
      user: 5001,
      env: { SLAPD_SUFFIX: SUFFIX, SLAPD_DOMAIN: "example.test" },
      settings: { "admin-password": ADMIN.password },
      tmpfs: { "/run": "rw,size=4m,uid=5001,gid=5001,mode=0750", "/tmp": "rw,size=4m,mode=1777" },
      volumes: { "/var/lib/ldap": await lab.volume() },
      publish: ["389/tcp"],
    });
    // Not waited for: the provider has to wait for a directory that is just starting.
    url = `ldap://127.0.0.1:${await slapd.port("389/tcp")}`;
  });
  after(() => lab.cleanup());

  it("is created with a password that binds and is stored hashed", async () => {
    const { id } = await crud.create(await inputs());
    assert.equal(id, DN);
    assert.ok(await canBind(DN, "initial-password"));
    const stored = await byHand((client) =>
      client.search(DN, { scope: "base", attributes: ["userPassword"] }),
    );
    assert.match(String(stored.searchEntries[0]?.userPassword), /^\{(ARGON2|CRYPT)\}/);
  });

  it("reads back without a difference", async () => {
    const { id, props } = await crud.read(DN, await inputs());
    assert.equal(id, DN);
    assert.equal((await crud.diff(DN, props ?? {}, await inputs())).changes, false);
  });

  it("is changed by no more than what differs, and keeps what others added", async () => {
    await byHand((client) => client.modify(DN, change("add", "title", ["Dr"])));
    const news = await inputs(
      await attributes({ cn: ["Alice Durand"], mailLocalAddress: ["a@example.test", "alice@example.test"] }),
    );
    await crud.update(DN, await inputs(), news);
    const { props } = await crud.read(DN, news);
    assert.equal((await crud.diff(DN, props ?? {}, news)).changes, false);
    const { searchEntries } = await byHand((client) =>
      client.search(DN, { scope: "base", attributes: ["title"] }),
    );
    assert.equal(searchEntries[0]?.title, "Dr");
    await crud.update(DN, news, await inputs());
  });

  it("shows drift made by hand, and is put right even when the state is out of date", async () => {
    await byHand((client) => client.modify(DN, change("add", "mailRoutingAddress", ["thief@example.net"])));
    const { props } = await crud.read(DN, await inputs());
    assert.equal((await crud.diff(DN, props ?? {}, await inputs())).changes, true);
    await crud.update(DN, await inputs(), await inputs());
    const { props: after } = await crud.read(DN, await inputs());
    assert.equal((await crud.diff(DN, after ?? {}, await inputs())).changes, false);
  });

  it("never puts back a password that the person has changed", async () => {
    await byHand((client) => client.modify(DN, change("replace", "userPassword", ["chosen by alice"])));
    await crud.update(
      DN,
      await inputs(),
      await inputs({ ...(await attributes({ cn: ["Alice M."] })), password: "other" }),
    );
    assert.ok(await canBind(DN, "chosen by alice"));
    await crud.update(DN, await inputs(await attributes({ cn: ["Alice M."] })), await inputs());
  });

  it("sets a managed password again when it changes", async () => {
    const dn = `cn=smtp-in,ou=services,${SUFFIX}`;
    const service = {
      dn,
      managePassword: true,
      attributes: { objectClass: ["organizationalRole", "simpleSecurityObject"], cn: ["smtp-in"] },
    };
    await crud.create(await inputs({ ...service, password: "first-password" }));
    await crud.update(
      dn,
      await inputs({ ...service, password: "first-password" }),
      await inputs({ ...service, password: "second-password" }),
    );
    assert.ok(await canBind(dn, "second-password"));
    assert.ok(!(await canBind(dn, "first-password")));
    await remove(dn);
  });

  it("refuses an entry that exists, and takes it over when told, keeping the password", async () => {
    await assert.rejects(crud.create(await inputs()), /uid=alice.*exists already; set `adopt`/s);
    const wanted = { ...(await attributes({ cn: ["Adopted"] })), adopt: true, password: "other" };
    await crud.create(await inputs(wanted));
    const { props } = await crud.read(DN, await inputs(wanted));
    assert.deepEqual((props?.attributes as Record<string, string[]> | undefined)?.cn, ["Adopted"]);
    assert.ok(await canBind(DN, "chosen by alice"));
  });

  it("refuses an address that another entry has", async () => {
    const dn = `uid=bob,${PEOPLE}`;
    const bob = await inputs({ dn, ...(await attributes({ uid: ["bob"] })) });
    await assert.rejects(crud.create(bob), /uid=bob.*another entry has already/s);
  });

  it("takes names with LDAP's own signs", async () => {
    const dn = `uid=a\\,b\\+c,${PEOPLE}`;
    const odd = {
      dn,
      ...(await attributes({ uid: ["a,b+c"], cn: ["*)(uid=*"], mailLocalAddress: ["odd@example.test"] })),
    };
    await crud.create(await inputs(odd));
    assert.equal((await crud.read(dn, await inputs(odd))).id, dn);
    await crud.delete(dn, await inputs(odd));
    assert.equal((await crud.read(dn, await inputs(odd))).id, undefined);
  });

  it("takes an address from the entry that still has it, on create and on update, and from that one alone", async () => {
    const other = `uid=bob,${PEOPLE}`;
    const exclusive = ["mailLocalAddress"];
    const bob = async (mailLocalAddress: string[]) =>
      inputs({
        dn: other,
        exclusive,
        attributes: {
          ...(await attributes({ uid: ["bob"], mailHost: ["box-bob"], mailLocalAddress })).attributes,
        },
      });
    const alice = async (mailLocalAddress: string[]) =>
      inputs({ exclusive, ...(await attributes({ mailLocalAddress })) });
    const held = async (dn: string) => {
      const { props } = await crud.read(dn, dn === DN ? await alice([]) : await bob([]));
      return (props?.attributes as Record<string, string[]> | undefined)?.mailLocalAddress;
    };
    const start = ["alice@example.test", "postmaster@example.test", "abuse@example.test"];
    await crud.update(DN, await inputs(), await alice(start));
    await crud.create(await bob(["bob@example.test", "Postmaster@example.test"]));
    assert.deepEqual(await held(DN), ["alice@example.test", "abuse@example.test"]);
    const more = await bob(["bob@example.test", "Postmaster@example.test", "abuse@example.test"]);
    await crud.update(other, await bob(["bob@example.test", "Postmaster@example.test"]), more);
    assert.deepEqual(await held(DN), ["alice@example.test"]);
    // The update that gives the address away finds it gone.
    await crud.update(DN, await alice(start), await alice(["alice@example.test"]));
    assert.equal((await held(other))?.length, 3);
    const greedy = await bob(["alice@example.test"]);
    await assert.rejects(crud.update(other, more, { ...greedy, exclusive: [] }), /another entry has already/);
    await remove(other);
  });

  it("is gone for read and fine for delete once it was deleted by hand", async () => {
    await byHand((client) => client.del(DN));
    assert.equal((await crud.read(DN, await inputs())).id, undefined);
    await remove();
  });

  it("names the cause and the remedy of a wrong admin password, without telling it", async () => {
    const wrong = await inputs({ connection: { url, bindDn: ADMIN.bindDn, password: "not-the-password" } });
    await assert.rejects(crud.create(wrong), (error: Error) => {
      assert.match(error.message, /refused the bind/);
      assert.doesNotMatch(error.message, /not-the-password/);
      return true;
    });
  });

  it("names a missing parent", async () => {
    const dn = `uid=x,ou=nowhere,${SUFFIX}`;
    const lost = await inputs({
      dn,
      ...(await attributes({ uid: ["x"], mailLocalAddress: ["x@example.test"] })),
    });
    await assert.rejects(crud.create(lost), /parent entry is missing/);
  });
});
