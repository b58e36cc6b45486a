import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { after, before, describe, it } from "node:test";
import { connect } from "node:tls";
import { ImapFlow } from "imapflow";
import { Attribute, Change, Client } from "ldapts";
import { type Handle, openLab } from "../../support/docker.ts";
import { untilLine } from "../../support/log-lines.ts";
import { selfSigned } from "./certificate.ts";
import { deliver, openDialogue } from "./dialogue.ts";
import {
  ADMIN_PASSWORD,
  BOX_SEED,
  boxPassword,
  healthy,
  lmtpPort,
  PEOPLE,
  SERVICE_PASSWORD,
  SERVICES,
  SUFFIX,
  sha256,
} from "./images.ts";
import { person, service, withoutMailbox } from "./people.ts";

const HOST = "imap.semail.test";

const lab = openLab();
after(() => lab.cleanup());

describe("directory, box and access together", () => {
  let directory: Handle;
  let access: Handle;
  let certificate: string;

  const login = async (auth: { user: string; pass: string }, port: "993/tcp" | "143/tcp" = "993/tcp") => {
    const imap = new ImapFlow({
      host: "127.0.0.1",
      port: await access.port(port),
      ...(port === "993/tcp" ? { secure: true } : { secure: false, doSTARTTLS: true }),
      tls: { ca: certificate, servername: HOST },
      auth,
      logger: false,
    });
    await imap.connect();
    return imap;
  };
  /** The answer to a login, down to its response code. */
  const reply = async (user: string, pass: string) => {
    const imap = await openDialogue(await access.port("993/tcp"));
    await imap.startTls({ ca: certificate, servername: HOST });
    await imap.line();
    imap.send(`a LOGIN "${user}" "${pass}"\r\n`);
    const answer = (await imap.until(/^a /)).at(-1) ?? "";
    imap.close();
    return answer;
  };
  const replyCode = async (user: string, pass: string) => (await reply(user, pass)).replace(/\].*/, "]");
  const subjects = async (imap: ImapFlow) => {
    const lock = await imap.getMailboxLock("INBOX");
    const all = await imap.fetchAll("1:*", { envelope: true });
    lock.release();
    await imap.logout();
    return all.map(({ envelope }) => envelope?.subject);
  };

  before(async () => {
    const front = await lab.network();
    const boxes = await lab.network({ internal: true });
    const made = await selfSigned(HOST);
    certificate = made.certificate;
    directory = await healthy(lab, "directory", { networks: { [front]: ["directory"] } });
    for (const uid of ["alice", "bob"]) {
      const box = await healthy(lab, "box", {
        networks: { [front]: [], [boxes]: [`box-${uid}`] },
        env: { BOX_USER: uid, BOX_SECRET_SHA256: sha256(boxPassword(uid)) },
      });
      const message = `Subject: for ${uid}\r\n\r\nHello`;
      await deliver(await lmtpPort(box), { to: [`${uid}@semail.test`], message });
    }
    access = await healthy(lab, "access", {
      networks: { [front]: [], [boxes]: ["access"] },
      settings: {
        "ldap-password": SERVICE_PASSWORD,
        "box-seed": `${BOX_SEED}\n`,
        "tls.crt": made.certificate,
        "tls.key": made.key,
      },
    });
    const client = new Client({ url: `ldap://127.0.0.1:${await directory.port("389/tcp")}` });
    await client.bind(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD);
    await client.add(`cn=access,${SERVICES}`, service("access"));
    for (const uid of ["alice", "bob"]) await client.add(`uid=${uid},${PEOPLE}`, person(uid));
    await client.add(`uid=carol,${PEOPLE}`, withoutMailbox("carol"));
    await client.unbind();
  });

  for (const [user, port, wanted] of [
    ["alice", "993/tcp", "for alice"],
    ["alice", "143/tcp", "for alice"],
    ["alice.b@semail.test", "993/tcp", "for alice"],
    ["Bob@Semail.Test", "993/tcp", "for bob"],
    ["o'bob!#$%&*/=?^_`{|}~-@semail.test", "993/tcp", "for bob"],
    ["bob ", "993/tcp", "for bob"],
  ] as const) {
    it(`leads ${user} through ${port} to the right box`, async () => {
      const imap = await login({ user, pass: `password of ${wanted.slice(4)}` }, port);
      assert.deepEqual(await subjects(imap), [wanted]);
    });
  }

  it("tells before TLS that there is no login, and refuses one", async () => {
    const imap = await openDialogue(await access.port("143/tcp"));
    assert.match(await imap.line(), /LOGINDISABLED/);
    imap.send('a LOGIN alice "password of alice"\r\n');
    assert.match((await imap.until(/^a /)).at(-1) ?? "", /^a NO \[PRIVACYREQUIRED\]/);
    imap.close();
    const sieve = await openDialogue(await access.port("4190/tcp"));
    const greeting = await sieve.until(/^OK/);
    assert.ok(greeting.includes('"STARTTLS"'));
    assert.ok(greeting.includes('"SASL" ""'), greeting.join("\n"));
    sieve.close();
  });

  it("leads ManageSieve after STARTTLS to the box", async () => {
    const sieve = await openDialogue(await access.port("4190/tcp"));
    const command = async (text: string) => {
      sieve.send(`${text}\r\n`);
      return sieve.until(/^(OK|NO|BYE)/);
    };
    await sieve.until(/^OK/);
    await command("STARTTLS");
    await sieve.startTls({ ca: certificate, servername: HOST });
    await sieve.until(/^OK/);
    const login = Buffer.from("\0alice\0password of alice").toString("base64");
    assert.match((await command(`AUTHENTICATE "PLAIN" "${login}"`)).at(-1) ?? "", /^OK/);
    assert.match((await command('PUTSCRIPT "mine" {5+}\r\nkeep;')).at(-1) ?? "", /^OK/);
    assert.deepEqual((await command("LISTSCRIPTS"))[0], '"mine"');
    sieve.close();
  });

  it("serves another certificate from now on, and ends no session for it", async () => {
    const alice = await login({ user: "alice", pass: "password of alice" });
    const closed = once(alice, "close").then(() => assert.fail("the session ended"));
    const lock = await alice.getMailboxLock("INBOX");
    const shown = async () => {
      const socket = connect({
        host: "127.0.0.1",
        port: await access.port("993/tcp"),
        rejectUnauthorized: false,
      });
      await once(socket, "secureConnect");
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      return new X509Certificate(raw);
    };
    const put = async (file: string, text: string) => {
      const script = `cat >/settings/new && mv /settings/new /settings/${file}`;
      await access.exec(["sh", "-c", script], { input: text, user: "0" });
    };
    const before = await shown();
    const next = await selfSigned(HOST);
    // Half of it is no pair.
    await put("tls.crt", next.certificate);
    await untilLine(lab, access, (line) => line.includes("no usable certificate with its key"));
    assert.ok((await shown()).raw.equals(before.raw));
    await put("tls.key", next.key);
    await untilLine(lab, access, (line) => line.includes("another certificate is served from now on"));
    const wanted = new X509Certificate(next.certificate);
    while (!(await shown()).raw.equals(wanted.raw));
    certificate = next.certificate;
    // The one that was open goes on, and new ones find their box.
    await Promise.race([alice.noop(), closed]);
    assert.equal((await alice.fetchAll("1:*", { envelope: true })).length, 1);
    lock.release();
    const again = await login({ user: "alice", pass: "password of alice" });
    assert.deepEqual(await subjects(again), ["for alice"]);
    closed.catch(() => {});
    await alice.logout();
    await access.waitHealthy();
  });

  it("says temporary while the directory is down, and goes on when it is back", async () => {
    await directory.stop();
    assert.match(await replyCode("alice", "password of alice"), /^a NO \[UNAVAILABLE\]/);
    await directory.start();
    await directory.waitHealthy();
    assert.match(await reply("alice", "password of alice"), /^a OK /);
  });

  it("says temporary when it comes to another's box, as while it knows an address that a box had before", async () => {
    const client = new Client({ url: `ldap://127.0.0.1:${await directory.port("389/tcp")}` });
    await client.bind(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD);
    const lead = (to: string) =>
      client.modify(
        `uid=bob,${PEOPLE}`,
        new Change({ operation: "replace", modification: new Attribute({ type: "mailHost", values: [to] }) }),
      );
    await lead("box-alice");
    assert.match(await replyCode("bob", "password of bob"), /^a NO \[UNAVAILABLE\]/);
    await lead("box-bob");
    assert.match(await reply("bob", "password of bob"), /^a OK /);
    await client.unbind();
  });

  it("tells who has no mailbox so, once their password is right, and nobody else", async () => {
    assert.match(await reply("carol", "password of carol"), /^a NO .*You have no mailbox here: /);
    assert.match(await reply("carol", "password of bob"), /^a NO \[AUTHENTICATIONFAILED\] Auth/);
  });

  it("refuses whoever does not know a person's password", async () => {
    const logins = [
      ["alice", "password of bob"],
      ["alice", ""],
      ["mallory", "password of alice"],
      ["al*", "password of alice"],
      ["alice)(uid=*", "password of alice"],
      // LDAP takes it for alice (RFC 4518 section 2.2), the login guard for another name.
      ["ａlice", "password of alice"],
      ["access", SERVICE_PASSWORD],
    ] as const;
    // At once: each failure makes the next one from the same address wait longer.
    const answers = await Promise.all(
      logins.map(async ([user, pass]) => [user, pass, await replyCode(user, pass)]),
    );
    assert.deepEqual(
      answers,
      logins.map(([user, pass]) => [user, pass, "a NO [AUTHENTICATIONFAILED]"]),
    );
  });

  it("names neither seed nor password in its log", async () => {
    const logs = await access.logs();
    assert.match(logs, /user=<alice>/);
    for (const secret of [BOX_SEED, boxPassword("alice"), "password of"]) assert.ok(!logs.includes(secret));
  });
});
