import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { Attribute, Change, Client, InsufficientAccessError } from "ldapts";
import { DirectorySettings } from "../../../mailserver/contract.ts";
import { type Accounts, createDirectory, type Directory } from "../../../mailserver/directory/directory.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable } from "../../../mailserver/policy/recipient.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { type Handle, openLab } from "../../support/docker.ts";
import { session, start } from "../../unit/smtp-in/support.ts";

const lab = openLab();
const suffix = "dc=semail,dc=test";
const peopleDn = `ou=people,${suffix}`;
let slapd: Handle;
let settings: DirectorySettings;
let directory: Directory & Accounts;
let now = 0;

const deps = { now: () => now, log: silentLog };

before(async () => {
  slapd = await lab.run({
    image: await lab.ensureImage("directory", "mailserver/images/directory"),
    user: 5001,
    hardened: true,
    env: { SLAPD_SUFFIX: suffix, SLAPD_DOMAIN: "semail.test" },
    settings: { "admin-password": "admin-secret" },
    tmpfs: {
      "/run": "rw,noexec,nosuid,nodev,size=4m,uid=5001,gid=5001,mode=0750",
      "/tmp": "rw,size=4m",
    },
    volumes: { "/var/lib/ldap": await lab.volume() },
    publish: ["389/tcp"],
    health: true,
  });
  await slapd.waitHealthy();
  const url = `ldap://127.0.0.1:${await slapd.port("389/tcp")}`;
  settings = DirectorySettings.parse({
    url,
    bindDn: `cn=smtp-out,ou=services,${suffix}`,
    password: "service-secret",
    peopleDn,
    timeoutMs: 2_000,
  });
  await fill(url);
  directory = createDirectory(settings, deps);
});

after(async () => {
  await directory?.close();
  await lab.cleanup();
});

async function fill(url: string): Promise<void> {
  const admin = new Client({ url });
  await admin.bind(`cn=admin,${suffix}`, "admin-secret");
  await admin.add(settings.bindDn, {
    objectClass: ["organizationalRole", "simpleSecurityObject"],
    cn: "smtp-out",
    userPassword: settings.password,
  });
  const person = (uid: string, more: Record<string, string | string[]>) =>
    admin.add(`uid=${uid},${peopleDn}`, {
      objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
      ...{ uid, cn: uid, sn: uid, mailHost: `box-${uid}`, userPassword: `${uid}-secret` },
      ...more,
    });
  await person("alice", { mailLocalAddress: ["alice@semail.test", "post@semail.test"] });
  await person("bob", { mailLocalAddress: "bob@semail.test", mailRoutingAddress: "bob@one.test" });
  await person("odd", { mailLocalAddress: ["a*b@semail.test", "(c)\\@semail.test"] });
  await admin.add(`uid=dora,${peopleDn}`, {
    objectClass: ["inetOrgPerson"],
    ...{ uid: "dora", cn: "Dora", sn: "Dora", userPassword: "dora-secret" },
  });
  await admin.unbind();
}

test("a person without a mailbox is known to the portal, and to nobody else", async () => {
  assert.equal(await directory.authenticate("dora", "dora-secret"), "refused");
  assert.notEqual(await directory.verify("dora", "dora-secret"), "refused");
  for (const login of ["dora)(uid=*", "*", "uid=dora", "dora\0"])
    assert.equal(await directory.verify(login, "dora-secret"), "refused", login);
});

test("a name, of a mailbox or not, means a person by their entry, which is another one when it was made anew", async () => {
  const dn = `uid=dora,${peopleDn}`;
  const before = await directory.whoIs("dora");
  assert.match(before?.entry ?? "", /^[0-9a-f-]{36}$/);
  assert.deepEqual(await directory.whoIs("post@semail.test"), await directory.whoIs(" Alice "));
  for (const login of ["", "*", "eve", "ａlice", "smtp-out"])
    assert.equal(await directory.whoIs(login), undefined);
  const admin = new Client({ url: settings.url });
  await admin.bind(`cn=admin,${suffix}`, "admin-secret");
  await admin.del(dn);
  assert.equal(await directory.whoIs("dora"), undefined);
  await admin.add(dn, {
    objectClass: ["inetOrgPerson"],
    ...{ uid: "dora", cn: "Dora", sn: "Dora", userPassword: "dora-secret" },
  });
  await admin.unbind();
  const after = await directory.whoIs("dora");
  assert.equal(after?.uid, "dora");
  assert.notEqual(after?.entry, before?.entry);
});

test("a person replaces their password, with the current one only", async () => {
  assert.equal(await directory.changePassword("dora", "wrong", "another secret"), "refused");
  assert.equal(await directory.changePassword("nobody", "dora-secret", "another secret"), "refused");
  assert.equal(await directory.changePassword("dora", "dora-secret", "another secret"), "changed");
  assert.equal(await directory.verify("dora", "dora-secret"), "refused");
  assert.notEqual(await directory.verify("dora", "another secret"), "refused");
});

/** What a directory may take for a hash: each try of it would cost minutes, or a gigabyte, or nothing at all. */
const hashes = {
  "SHA-512 of a billion rounds": "{CRYPT}$6$rounds=999999999$saltsaltsalt$xxxxxxxxxxxxxxxxxxxx",
  "Argon2 over a gigabyte":
    "{ARGON2}$argon2id$v=19$m=1048576,t=1,p=1$c2FsdHNhbHRzYWx0$MTIzNDU2Nzg5MDEyMzQ1Ng",
  "no hash": "{CLEARTEXT}swordfish-swordfish",
  "an old hash": "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g8cXF1",
  "the directory's own way": "{SASL}dora@elsewhere.test",
};
for (const [name, hash] of Object.entries(hashes)) {
  const dn = `uid=hasty,${peopleDn}`;
  const withHasty = async (work: (admin: Client) => Promise<void>): Promise<void> => {
    const admin = new Client({ url: settings.url });
    await admin.bind(`cn=admin,${suffix}`, "admin-secret");
    await admin.add(dn, {
      objectClass: ["inetOrgPerson"],
      ...{ uid: "hasty", cn: "Hasty", sn: "Hasty", userPassword: "hasty-secret" },
    });
    try {
      await work(admin);
    } finally {
      await admin.del(dn);
      await admin.unbind();
    }
  };
  const replace = () =>
    new Change({
      operation: "replace",
      modification: new Attribute({ type: "userPassword", values: [hash] }),
    });

  test(`a password that looks like a hash (${name}) is a password like any other`, () =>
    withHasty(async () => {
      assert.equal(await directory.changePassword("hasty", "hasty-secret", hash), "changed");
      assert.notEqual(await directory.verify("hasty", hash), "refused");
      assert.equal(await directory.verify("hasty", "swordfish-swordfish"), "refused");
    }));

  test(`nobody makes a hash (${name}) their password behind the portal's back`, () =>
    withHasty(async () => {
      const hasty = new Client({ url: settings.url });
      await hasty.bind(dn, "hasty-secret");
      await assert.rejects(hasty.modify(dn, replace()), InsufficientAccessError);
      await hasty.unbind();
      assert.notEqual(await directory.verify("hasty", "hasty-secret"), "refused");
    }));

  test(`a hash (${name}) that an entry has already is not worked out`, () =>
    withHasty(async (admin) => {
      await admin.modify(dn, replace());
      for (const tried of [hash, "swordfish-swordfish"])
        assert.equal(await directory.verify("hasty", tried), "refused");
    }));
}

const alice = { kind: "box", uid: "alice", host: "box-alice" };
const recipients = {
  "alice@semail.test": alice,
  "Alice@Semail.Test": alice,
  "post@semail.test": alice,
  "bob@semail.test": { kind: "box", uid: "bob", host: "box-bob", forward: "bob@one.test" },
  "eve@semail.test": { kind: "absent" },
  alice: { kind: "absent" },
  // Filter syntax in an address is text like any other.
  "a*b@semail.test": { kind: "box", uid: "odd", host: "box-odd" },
  "(c)\\@semail.test": { kind: "box", uid: "odd", host: "box-odd" },
  "*": { kind: "absent" },
  "a*": { kind: "absent" },
  "*)(uid=alice": { kind: "absent" },
  "alice@semail.test)(objectClass=*": { kind: "absent" },
  "\\2a": { kind: "absent" },
};
for (const [address, want] of Object.entries(recipients)) {
  test(`recipient ${address}: ${want.kind}`, async () => {
    assert.deepEqual(await directory.findRecipient(address), want);
  });
}

const aliceHerself = { uid: "alice", addresses: ["alice@semail.test", "post@semail.test"], version: "" };
const logins = [
  { name: "by uid", login: "alice", password: "alice-secret", want: aliceHerself },
  { name: "by address", login: "Post@semail.test", password: "alice-secret", want: aliceHerself },
  { name: "wrong password", login: "alice", password: "bob-secret", want: "refused" },
  { name: "empty password", login: "alice", password: "", want: "refused" },
  { name: "unknown", login: "eve", password: "alice-secret", want: "refused" },
  { name: "blanks around a uid", login: " alice ", password: "alice-secret", want: aliceHerself },
  // Other ways to write a name that LDAP takes for the same would each be an account of its own to guess at.
  { name: "a uid in wide letters", login: "ａlice", password: "alice-secret", want: "refused" },
  { name: "a uid with a soft hyphen", login: "al\u00adice", password: "alice-secret", want: "refused" },
  {
    name: "an address in wide letters",
    login: "post@ｓemail.test",
    password: "alice-secret",
    want: "refused",
  },
  { name: "empty login", login: "", password: "alice-secret", want: "refused" },
  { name: "wildcard", login: "*", password: "alice-secret", want: "refused" },
  { name: "a service is no person", login: "smtp-out", password: "service-secret", want: "refused" },
];
for (const { name, login, password, want } of logins) {
  test(`login ${name}: ${want === "refused" ? want : "accepted"}`, async () => {
    const found = await directory.authenticate(login, password);
    if (found !== "refused") assert.match(found.version, /^\d{14}\.\d+Z#/);
    assert.deepEqual(found === "refused" ? found : { ...found, version: "" }, want);
  });
}

test("smtp-in knows an added person after a second, and a removed one for five at most", async () => {
  let time = Date.now();
  const clock = { ...systemClock, elapsed: () => time };
  const client = await session(
    await start({ lmtpPort: 1, deps: { directory: createDirectory(settings, deps), clock } }),
  );
  assert.equal(await client.say("MAIL FROM:<bob@foreign.example>"), "250 2.1.0");
  const rcpt = (): Promise<string> => client.say("RCPT TO:<new@semail.test>");
  const dn = `uid=new,${peopleDn}`;
  const admin = new Client({ url: settings.url });
  await admin.bind(`cn=admin,${suffix}`, "admin-secret");
  try {
    assert.equal(await rcpt(), "550 5.1.1");
    await admin.add(dn, {
      objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
      ...{ uid: "new", cn: "new", sn: "new", mailHost: "box-new", mailLocalAddress: "new@semail.test" },
    });
    time += 1_000;
    assert.equal(await rcpt(), "250 2.1.5");
    await admin.del(dn);
    time += 5_000;
    assert.equal(await rcpt(), "550 5.1.1");
  } finally {
    await admin.unbind();
  }
});

test("a person is another version of themselves after their password was changed, and absent when gone", async () => {
  const admin = new Client({ url: settings.url });
  await admin.bind(`cn=admin,${suffix}`, "admin-secret");
  const dn = `uid=carol,${peopleDn}`;
  await admin.add(dn, {
    objectClass: ["inetOrgPerson", "inetLocalMailRecipient"],
    ...{ uid: "carol", cn: "carol", sn: "carol", mailHost: "box-carol", userPassword: "one" },
    mailLocalAddress: "carol@semail.test",
  });
  const before = await directory.findPerson("carol");
  assert.deepEqual(before, await directory.authenticate("carol", "one"));
  assert.equal(await directory.authenticate("carol", "wrong"), "refused");
  assert.deepEqual(await directory.findPerson("carol"), before, "a failed login is no change");
  const modification = new Attribute({ type: "userPassword", values: ["two"] });
  await admin.modify(dn, new Change({ operation: "replace", modification }));
  const after = await directory.findPerson("carol");
  assert.ok(after !== "absent");
  assert.notEqual(after.version, before.version);
  await admin.del(dn);
  assert.equal(await directory.findPerson("carol"), "absent");
  await admin.unbind();
});

test("no password reaches the library's debug log", async () => {
  const script = `
    import { createDirectory } from "./mailserver/directory/directory.ts";
    import { silentLog } from "./mailserver/net/log.ts";
    const directory = createDirectory(JSON.parse(process.env.SETTINGS), { now: Date.now, log: silentLog });
    console.log(await directory.authenticate("alice", "alice-secret"));
    console.log(await directory.authenticate("alice", "wrong-secret"));
    await directory.close();`;
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { env: { ...process.env, NODE_DEBUG: "ldapts", SETTINGS: JSON.stringify(settings) } },
  );
  assert.match(stdout, /uid: 'alice'/);
  assert.match(stderr, /Sending message/);
  assert.doesNotMatch(stdout + stderr, /(alice|wrong|service)-secret/);
});

test("it is told how long each question took, and whether it was answered", async () => {
  const told: string[] = [];
  const log = {
    ...silentLog,
    debug: (event: string, fields?: object) => {
      const { operation, outcome, ms } = { operation: "", outcome: "", ms: -1, ...fields };
      assert.ok(ms >= 0 && event === "directory.asked");
      told.push(`${operation} ${outcome}`);
    },
  };
  const timed = createDirectory(settings, { now: Date.now, log });
  await timed.findRecipient("alice@semail.test");
  await timed.authenticate("alice", "wrong");
  await timed.close();
  const nowhere = createDirectory({ ...settings, url: "ldap://127.0.0.1:1" }, { now: Date.now, log });
  await assert.rejects(nowhere.findRecipient("alice@semail.test"));
  assert.deepEqual(told, ["search answered", "search answered", "bind answered", "search failed"]);
});

test("a wrong service password is unavailable, not absent", async () => {
  const wrong = createDirectory({ ...settings, password: "wrong" }, deps);
  await assert.rejects(wrong.findRecipient("alice@semail.test"), DirectoryUnavailable);
  await wrong.close();
});

test("a missing people entry is absent, an unreachable server is unavailable", async () => {
  const nowhere = createDirectory({ ...settings, url: "ldap://127.0.0.1:1" }, deps);
  await assert.rejects(nowhere.findRecipient("alice@semail.test"), DirectoryUnavailable);
  await assert.rejects(nowhere.authenticate("alice", "alice-secret"), DirectoryUnavailable);
  await nowhere.close();
});

test("a connection that the server closed is made anew by the next question", async () => {
  const target = await slapd.port("389/tcp");
  const sockets = new Set<Socket>();
  let connections = 0;
  const proxy = createServer((near) => {
    connections += 1;
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) sockets.add(socket.on("error", () => socket.destroy()));
    near.pipe(far).pipe(near);
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const { port } = proxy.address() as AddressInfo;
  const fresh = createDirectory({ ...settings, url: `ldap://127.0.0.1:${port}` }, deps);
  try {
    for (const round of [1, 2, 3]) {
      const found = await Promise.all([1, 2, 3].map(() => fresh.findRecipient("alice@semail.test")));
      assert.deepEqual(found, [alice, alice, alice]);
      assert.equal(connections, round);
      for (const socket of sockets) socket.destroy();
    }
  } finally {
    await fresh.close();
    proxy.close();
  }
});

test("after a failed connection questions fail at once until the pause is over", async () => {
  const nowhere = createDirectory({ ...settings, url: "ldap://127.0.0.1:1" }, deps);
  await assert.rejects(nowhere.ping(), /ECONNREFUSED/);
  await assert.rejects(nowhere.ping(), /did not answer/);
  now += 100;
  await assert.rejects(nowhere.ping(), /ECONNREFUSED/);
  await nowhere.close();
});

test("a directory that hangs is unavailable within the time limit", async () => {
  const url = `ldap://127.0.0.1:${await slapd.port("389/tcp")}`;
  const hanging = createDirectory({ ...settings, url, timeoutMs: 300 }, deps);
  await hanging.ping();
  await slapd.pause();
  try {
    const start = performance.now();
    await assert.rejects(hanging.findRecipient("alice@semail.test"), DirectoryUnavailable);
    assert.ok(performance.now() - start < 1_500);
  } finally {
    await slapd.unpause();
    await hanging.close();
  }
});
