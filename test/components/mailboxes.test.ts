import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { boxDisk } from "../../stacks/box-disk.ts";
import type { Summary } from "../../stacks/summary.ts";
import { byType, declare, guarding, named, plain, registered } from "./declared-stack.ts";

describe("people without a mailbox", () => {
  const entryOf = (uid: string) =>
    plain<Record<string, string[]>>(named(`person-${uid}-entry`).inputs.attributes);
  const namesOf = (uid: string) =>
    registered.flatMap(({ name }) => (name.startsWith(`person-${uid}`) ? [name] : [])).sort();
  let summary: Summary;
  before(async () => {
    summary = await declare({
      domain: "example.test",
      users: {
        alice: { name: "Alice" },
        bob: { name: "Bob", state: "none" },
        carol: { name: "Carol", state: "deleted", deletedOn: "2026-01-31", forward: "c@example.net" },
      },
    });
  });

  it("have an entry alone, or with the mail that is kept, and no box", () => {
    assert.deepEqual(namesOf("bob"), ["person-bob", "person-bob-entry"]);
    assert.deepEqual(namesOf("carol"), ["person-carol", "person-carol-entry", "person-carol-mail"]);
  });

  it("are nobody that mail goes to or comes from, but have a password", () => {
    for (const uid of ["bob", "carol"]) {
      assert.deepEqual(entryOf(uid).objectClass, ["inetOrgPerson"]);
      for (const name of ["mail", "mailLocalAddress", "mailHost", "mailRoutingAddress"])
        assert.deepEqual(entryOf(uid)[name], [], name);
      assert.ok(named(`person-${uid}-entry`).inputs.password);
    }
    assert.deepEqual(entryOf("alice").objectClass, ["inetOrgPerson", "inetLocalMailRecipient"]);
  });

  it("are told with their password and no address", () => {
    const bob = plain<Summary>(summary).people.find(({ uid }) => uid === "bob");
    assert.equal(bob?.address, undefined);
    assert.ok(bob?.initialPassword);
  });
});

describe("the mail of people who are gone", () => {
  const prior = [
    { id: "bob", uid: "bob", name: "Bob", addresses: [], since: "2026-01-20", left: true },
    { id: "alice", uid: "alice", name: "Alice", addresses: [], since: "2026-01-20", left: true },
    { id: "carol", uid: "carol", name: "Carol", addresses: [], since: "2026-01-01", left: true },
  ];
  const users = { alice: { name: "Another Alice", mailbox: 2 } };
  const declared = (today: string) =>
    declare({ domain: "example.test", users }, { mailboxes: { prior, today } });
  const volumes = () =>
    byType("volume:Volume")
      .map(({ name, inputs }) => `${name} ${String(inputs.name)}`)
      .filter((each) => each.startsWith("person-"))
      .sort();

  it("stays declared, as it was, beside that of another person with the uid", async () => {
    const { kept } = plain<Summary>(await declared("2026-01-25"));
    assert.deepEqual(volumes(), [
      "person-alice-mail semail-dev-mail-alice",
      "person-alice_2-mail semail-dev-mail-alice_2",
      "person-bob-mail semail-dev-mail-bob",
      "person-carol-mail semail-dev-mail-carol",
    ]);
    const mounted = named("person-alice-box").inputs.volumes as { volumeName: string }[];
    assert.deepEqual(
      mounted.map(({ volumeName }) => volumeName),
      ["semail-dev-mail-alice_2"],
    );
    assert.deepEqual(
      kept.map(({ id, until }) => `${id} ${until}`),
      ["bob 2026-02-19", "alice 2026-02-19", "carol 2026-01-31"],
    );
    assert.deepEqual(byType("DiscardedVolume"), []);
  });

  it("is not had by another person's password, nor theirs by its", async () => {
    const entry = () => named("person-alice-entry").inputs;
    const { people } = plain<Summary>(await declared("2026-01-25"));
    const [holder, password] = [entry().holder, plain<string>(entry().password)];
    assert.deepEqual([holder, password], ["alice_2", people[0]?.initialPassword]);
    await declare({ domain: "example.test", users: { alice: { name: "Alice" } } });
    assert.equal(entry().holder, undefined);
    assert.notEqual(plain<string>(entry().password), password);
  });

  it("was had by a password that no later person of the uid begins with, with a mailbox or without", async () => {
    const begins = async (user: object, former: number) => {
      const formerHolders = former === 0 ? {} : { alice: former };
      const given = { domain: "example.test", users: { alice: { name: "Alice", ...user } } };
      const random = "0123456789abcdef".repeat(2);
      const { people } = plain<Summary>(await declare(given, { formerHolders, random }));
      const password = plain<string>(named("person-alice-entry").inputs.password);
      assert.equal(password, people[0]?.initialPassword);
      return password;
    };
    const passwords: string[] = [];
    for (const former of [0, 1, 2])
      for (const user of [{}, { mailbox: 2 }]) passwords.push(await begins(user, former));
    assert.equal(new Set(passwords).size, 6);
    assert.equal(await begins({ state: "none" }, 1), passwords[2]);
    // The first holder's: of whoever is there already.
    assert.deepEqual(passwords.slice(0, 2), ["bx24n-w4w9y-q9pjk-ewn2y", "cn793-grecw-vrxck-9xpxh"]);
  });

  it("is thrown away, and by name alone, when its time is over", async () => {
    await declared("2026-02-01");
    assert.equal(volumes().length, 3);
    assert.deepEqual(
      byType("DiscardedVolume").map(({ inputs }) => inputs.volume),
      ["semail-dev-mail-carol"],
    );
  });
});

describe("boxes", () => {
  const users = { alice: { name: "Alice" }, bob: { name: "Bob" } };

  it("are limited by the host's file system, as users of their own, unless it is not to", async () => {
    const limits = async (boxes: object) => {
      await declare({ domain: "example.test", users, boxes });
      return byType("DiskLimit");
    };
    const [alice, bob, ...more] = await limits({});
    assert.deepEqual([alice?.name, bob?.name, more], ["person-alice-disk", "person-bob-disk", []]);
    const { user, bytes, files, guard, volume, required } = plain<Record<string, unknown>>(alice?.inputs);
    assert.equal(named("person-alice-box").inputs.user, `${user}:${user}`);
    assert.deepEqual([bytes, files], Object.values(boxDisk(2 ** 30, 1_000)));
    assert.deepEqual([guard, volume, required], ["semail-dev-guard", "semail-dev-mail-alice", false]);
    assert.equal((await limits({ diskLimits: "required" }))[0]?.inputs.required, true);
    assert.deepEqual(await limits({ diskLimits: "off" }), []);
    assert.deepEqual(await limits({ users: "shared" }), []);
  });

  it("say why the host's file system limits none, unless it is not to", async () => {
    const troubles = async (boxes: object) =>
      plain<Summary>(await declare({ domain: "example.test", users, boxes })).diskTroubles;
    assert.deepEqual(await troubles({}), ["ext4 on /dev/sda1 has no quotas for users, or has them off"]);
    assert.match((await troubles({ users: "shared" }))?.join() ?? "", /one user/);
    assert.equal(await troubles({ users: "shared", diskLimits: "off" }), undefined);
    assert.equal(await troubles({ diskLimits: "off" }), undefined);
  });

  it("run as one user where the engine has no others, whose processes nobody counts", async () => {
    await declare({ domain: "example.test", users, boxes: { users: "shared" } });
    for (const { user, ulimits } of [named("person-alice-box").inputs, named("person-bob-box").inputs])
      assert.deepEqual([user, ulimits], ["5000:5000", undefined]);
  });

  it("are reached by POP3 where the config says so, and nowhere else", async () => {
    await declare({
      domain: "example.test",
      dns: { provider: "dev" },
      users,
      boxes: { pop3: true },
      ports: { pop3s: 9995 },
    });
    assert.equal(guarding().GUARD_PORTS, "24 26 143 4190 110");
    const { envs, ports } = named("mail-access").inputs;
    assert.ok((envs as string[]).includes("POP3=yes"));
    assert.ok(
      (ports as { internal: number; external: number }[]).some(
        (port) => port.internal === 995 && port.external === 9995,
      ),
    );
    assert.deepEqual(named("_pop3s._tcp.example.test-SRV").inputs.values, ["20 1 995 imap.example.test."]);
    await declare({ domain: "example.test", users });
    assert.ok((named("mail-access").inputs.envs as string[]).includes("POP3=no"));
  });
});
