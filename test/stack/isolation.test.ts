/** A box in the hands of an attacker, as the person's own user and as root: nothing gets out of it, and nothing into another. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type BackupOptions, work as backUp } from "../../tools/bootstrap/commands/backup.ts";
import { type Context, sayWith } from "../../tools/bootstrap/context.ts";
import { openLab } from "../support/docker.ts";
import { attempts, echo, reach, reachUdp, type Surroundings } from "../support/hostile.ts";
import { deliverAsStranger, loginOf, openImap, readMail } from "../support/mail.ts";
import { makeProject, stackPorts, type TestProject } from "../support/project.ts";
import { secretsOf } from "../support/state.ts";

const lab = openLab();
let project: TestProject;
let ldapPort: number;
let listener: Server;
let around: Surroundings;

const container = (name: string) => lab.handle(`${project.prefix}-${name}`);
const addressOf = (name: string, network: "front" | "cells") =>
  container(name).ip(`${project.prefix}-${network}`);
const run = async (name: string, script: string, user?: string) => {
  const { stdout, stderr } = await container(name).exec(["bash", "-c", script], user ? { user } : {});
  return `${stdout}${stderr}`;
};

async function arrives(uid: string, subject: string): Promise<void> {
  const summary = await project.summary();
  await deliverAsStranger(summary, { from: "eve@stranger.example", to: `${uid}@semail.test`, subject });
  assert.match(await readMail(summary, loginOf(summary, uid), subject, 60_000), /eve@stranger/);
}

/**
 * Boxes that are made anew together may have each other's address, and Dovecot's front knows the old ones for half a minute
 * (AUTH_DNS_CACHE_TTL_SECS): whom it takes to another's box is refused by that.
 */
async function frontFinds(uid: string): Promise<void> {
  const summary = await project.summary();
  for (const deadline = Date.now() + 60_000; ; await sleep(1_000)) {
    try {
      return await (await openImap(summary, loginOf(summary, uid))).logout();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/** Whether smtp-in gets a connection. */
async function dial(address: string, port: number): Promise<boolean> {
  const code = `require("net").connect(${port},"${address}").on("connect",()=>process.exit(0)).on("error",()=>process.exit(1)).setTimeout(2000,()=>process.exit(1))`;
  return (await container("smtp-in").exec(["/usr/local/bin/node", "-e", code])).exitCode === 0;
}

/** Something of the host, at all its addresses. */
async function listen(): Promise<number> {
  listener = createServer((socket) => socket.on("error", () => {}).end("here\n"));
  const { promise, resolve } = Promise.withResolvers<void>();
  listener.listen(0, "0.0.0.0", resolve);
  await promise;
  const address = listener.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

before(async () => {
  const ports = await stackPorts();
  ldapPort = ports.ldap;
  const keys = {
    ...{ domain: "semail.test", dns: { provider: "dev", ttl: 300 }, ports },
    ...{ protect: false, keepVolumes: false, showPasswords: true },
    users: { alice: { name: "Alice Martin" }, bob: { name: "Bob Durand" } },
    backup: { enabled: true, schedule: ["02:30"] },
  };
  // All as one user, as boxes were once.
  project = await makeProject({ ...keys, boxes: { users: "shared" } });
  await project.stack.up({ suppressOutputs: true });
  await arrives("bob", "from before");
  // Its first run is at once; the update after this one takes the boxes' volumes away from their owners for a moment.
  for (
    const deadline = Date.now() + 180_000;
    !/"savedAt"/.test(await container("backup-timer").logs());
    await sleep(500)
  )
    assert.ok(Date.now() < deadline, await container("backup-timer").logs());
  await project.configure(keys);
  await project.stack.up({ suppressOutputs: true });
  const services = ["smtp-in", "smtp-out", "access"];
  const [smtpIn = "", directory = "", resolver = ""] = await Promise.all(
    ["smtp-in", "directory", "resolver"].map((name) => addressOf(name, "front")),
  );
  const cells = await lab.docker.getNetwork(`${project.prefix}-cells`).inspect();
  around = {
    box: await addressOf("box-bob", "cells"),
    front: await Promise.all(services.map((name) => addressOf(name, "cells"))),
    services: { smtpIn, directory, resolver },
    host: [
      ...new Set([
        ...Object.values(networkInterfaces()).flatMap((all = []) =>
          all.filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address),
        ),
        // Where the host would be on the boxes' network.
        cells.IPAM?.Config?.[0]?.Gateway ?? "",
      ]),
    ].filter((address) => address !== ""),
    hostPort: await listen(),
  };
});

after(async () => {
  listener?.close();
  await project?.dispose();
  await lab.cleanup();
});

describe("what the attempts aim at", () => {
  it("is there for those who may: another box for a front service, the host for a service", async () => {
    const { box, host, hostPort } = around;
    assert.equal(await dial(box, 24), true);
    const reached = await Promise.all(host.map((address) => dial(address, hostPort)));
    assert.ok(reached.includes(true));
  });

  it("would be seen by an attempt: a port of its own, open and closed", async () => {
    const said = await run("box-alice", reach("127.0.0.1", [24, 9]), "0");
    assert.match(said, /through to 127\.0\.0\.1:24\n/);
    assert.match(said, /through: refused by 127\.0\.0\.1:9\n/);
    for (const user of ["0", undefined]) {
      assert.match(await run("box-alice", echo("127.0.0.1"), user), /through/);
      assert.match(await run("box-alice", reachUdp("127.0.0.1", 9), user), /through/);
    }
  });
});

describe("a box's user id", () => {
  const ownerOf = async (name: string) => Number(await run(name, "stat -c %u /srv/mail/Maildir"));

  it("is its own, and so is what was there before", async () => {
    const ids = await Promise.all(["box-alice", "box-bob"].map(ownerOf));
    assert.equal(new Set(ids).size, 2);
    for (const id of ids) assert.ok(id >= 1_879_048_192, String(id));
    assert.equal(await run("box-bob", 'find /srv/mail ! -user "$(id -u)"'), "");
    await frontFinds("bob");
    const summary = await project.summary();
    assert.match(await readMail(summary, loginOf(summary, "bob"), "from before"), /eve@stranger/);
  });

  it("has no right to another's mail, for who got out of its container", async () => {
    const { Image } = await lab.docker.getContainer(`${project.prefix}-box-alice`).inspect();
    const loose = await lab.run({
      ...{
        image: Image,
        user: await ownerOf("box-alice"),
        volumes: { "/other": `${project.prefix}-mail-bob` },
      },
      ...{
        entrypoint: ["bash", "-c"],
        cmd: ["cat /other/Maildir/*/* /other/.dovecot*; touch /other/x && echo through"],
      },
    });
    await loose.wait();
    assert.match(await loose.logs(), /Permission denied/);
    assert.doesNotMatch(await loose.logs(), /through|Subject/);
    // Or the stack can't go: it has bob's volume.
    await loose.remove();
  });

  it("keeps nobody's snapshots from being taken by themselves", async () => {
    const ask = `fetch("http://127.0.0.1:8080/metrics").then((r) => r.text()).then(console.log)`;
    const { stdout } = await container("backup-timer").exec(["/usr/local/bin/node", "-e", ask]);
    assert.match(stdout, /^semail_backup_unsaved 0$/m);
    assert.match(stdout, /^semail_backup_saved_seconds [1-9]/m);
    const logs = await container("backup-timer").logs();
    for (const what of ["alice", "bob", "the directory"])
      assert.ok(logs.includes(`"what":"${what}","snapshot"`), logs);
  });

  it("lets one local repository have everybody's snapshots, as a timer takes them, and give them back", async () => {
    const lines: string[] = [];
    const { signal } = new AbortController();
    const context: Context = {
      ...{ root: project.folder, env: {}, signal, hurry: signal },
      say: sayWith((line) => lines.push(line)),
    };
    const none = { folder: undefined, snapshot: undefined, from: undefined, output: undefined, mbox: false };
    const backup = (action: BackupOptions["action"], more: Partial<BackupOptions>) =>
      backUp(
        context,
        { docker: lab.docker, prefix: project.prefix, ldapPort, signal },
        { ...none, action, stack: "test", uids: [], all: false, ...more },
      );
    /** Files of the repository that count as a box's, or as nobody's that the jobs are. */
    const ofOthers = async (script = ":") => {
      const image = (await lab.docker.getContainer(`${project.prefix}-guard`).inspect()).Image;
      const look = await lab.run({
        ...{ image, user: 0, volumes: { "/repository": `${project.prefix}-backup` } },
        entrypoint: ["/bin/sh", "-c", `${script}; find /repository -type f ! -user 5000`],
      });
      const exitCode = await look.wait();
      const said = await look.logs();
      // It has the stack's volume, which goes with the stack.
      await look.remove();
      assert.equal(exitCode, 0, said);
      return said.split("\n").filter((line) => line !== "");
    };
    await backup("save", { all: true });
    assert.deepEqual(await ofOthers(), []);
    // As it was when each job ran as its box's user.
    const before = await ofOthers(
      "chmod -t /repository; find /repository/data -type f -exec chown 1900000001 {} +",
    );
    assert.ok(before.length > 0);
    await backup("save", { all: true });
    assert.deepEqual(await ofOthers(), []);
    // Twice: two mailboxes and the directory.
    assert.equal(lines.filter((line) => /saved as/.test(line)).length, 6, lines.join("\n"));
    await run("box-bob", "rm -f /srv/mail/Maildir/{new,cur}/*");
    await backup("restore", { uids: ["bob"] });
    const summary = await project.summary();
    assert.match(await readMail(summary, loginOf(summary, "bob"), "from before"), /eve@stranger/);
  });
});

for (const user of ["0", undefined]) {
  describe(`hostile code in a box, as ${user === "0" ? "root" : "its own user"}, does not get`, () => {
    it("anything on the list", async () => {
      const all = attempts(around);
      assert.ok(all.length > 25);
      // One after the other: what is killed for want of memory has tried nothing.
      for (const { what, script } of all) {
        const said = await run("box-alice", `${script}\necho tried`, user);
        assert.match(said, /^tried$/m, what);
        assert.doesNotMatch(said, /through/, `${what}: ${said}`);
      }
    });

    it("a secret of the stack from anything that it can read", async () => {
      const { values } = await secretsOf(project);
      assert.ok(values.length > 5);
      const said = await run(
        "box-alice",
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; find /run /etc /srv /tmp /settings -type f -exec cat {} + 2>/dev/null",
        user,
      );
      assert.match(said, user === "0" ? /junk/ : /PRIVATE KEY/);
      for (const secret of values) assert.ok(!said.includes(secret), "a secret is there");
    });
  });
}

describe("without the guard", () => {
  it("no box is reached, rather than every box; and mail is there once it is back", async () => {
    const { box } = around;
    await container("guard").stop();
    assert.equal(await dial(box, 24), false);
    assert.doesNotMatch(await run("box-alice", reach(box, [24, 26, 110, 143, 4190]), "0"), /through/);
    const summary = await project.summary();
    const subject = "while the guard is away";
    await deliverAsStranger(summary, { from: "eve@stranger.example", to: "bob@semail.test", subject });
    await container("guard").start();
    assert.match(await readMail(summary, loginOf(summary, "bob"), subject, 60_000), /eve@stranger/);
  });
});

/** Its own box may die of it, and is started again. */
const floods = [
  {
    what: "processes",
    script:
      "perl -e 'my $n=0; while($n<5000){my $p=fork; last unless defined $p; if(!$p){sleep 20; exit} $n++} print qq(all\\n) if $n == 5000'",
  },
  { what: "memory", script: `perl -e 'my $x = "a" x 700_000_000; print "all\\n"'` },
  {
    what: "its folder for large messages",
    script: "head -c 200000000 /dev/zero >/tmp/x && echo all; rm -f /tmp/x",
  },
];

describe("hostile code that takes all it can", () => {
  for (const { what, script } of floods) {
    it(`gets no more ${what} than its box may have, and the other box goes on`, async () => {
      const said = await run("box-alice", script, "0").catch((error: unknown) => String(error));
      assert.doesNotMatch(said, /^all$/m);
      await arrives("bob", `after ${what}`);
    });
  }

  it("finds its own box in order again", async () => {
    await container("box-alice").stop();
    await container("box-alice").start();
    await arrives("alice", "here again");
  });
});
