/** A host without an engine: who is let in, what it is told to lack, and its firewall. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as firewall from "../../../components/providers/host-firewall/crud.ts";
import { rulesOf } from "../../../components/providers/host-firewall/diff.ts";
import { apply } from "../../../components/providers/host-firewall/scripts.ts";
import { sayWith } from "../../../tools/bootstrap/context.ts";
import { connect } from "../../../tools/remote/connection.ts";
import { prepareHost } from "../../../tools/remote/prepare.ts";
import { openLab } from "../../support/docker.ts";
import { freePort } from "../../support/ports.ts";

import { type RemoteHost, startRemoteHost } from "../../support/remote-host.ts";

const lab = openLab();
let remote: RemoteHost;
let folder: string;
const OPEN = 2525;
const CLOSED = 2526;

/** One more on the host; it is in the background before it listens. */
async function startSshd(port: number, ...args: string[]): Promise<void> {
  const listens = `(: </dev/tcp/127.0.0.1/${port}) 2>/dev/null`;
  const script = `/usr/sbin/sshd ${args.join(" ")} && timeout 10 bash -c 'until ${listens}; do sleep 0.05; done'`;
  const { exitCode, stderr } = await remote.handle.exec(["bash", "-c", script]);
  assert.equal(exitCode, 0, stderr);
}

/** Whether somebody answers at a port of the host. A packet filter that drops says nothing at all. */
async function answers(port: number): Promise<boolean> {
  const socket = dial({ host: remote.access.address, port });
  try {
    return await Promise.race([
      new Promise<boolean>((resolve) => {
        socket.once("data", () => resolve(true));
        socket.once("error", () => resolve(false));
      }),
      sleep(1_500, false),
    ]);
  } finally {
    socket.destroy();
  }
}

before(async () => {
  remote = await startRemoteHost(lab);
  folder = await mkdtemp(join(tmpdir(), "semail-t-remote-"));
});
after(async () => {
  await lab.cleanup();
  await remote?.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe("a host", () => {
  const options = { prefix: "semail-t", ports: [], firewall: false, install: false, say: sayWith(() => {}) };
  const refused: readonly (readonly [string, () => object, RegExp, RegExp])[] = [
    ["with another key", () => ({ hostKey: remote.otherKey }), /another host key/, /don't go on/],
    ["that doesn't know the user", () => ({ user: "stranger" }), /doesn't let us in/, /authorized_keys/],
    [
      "with a key that isn't there",
      () => ({ identity: "/nowhere/id" }),
      /can't be read: \/nowhere\/id/,
      /ssh-keygen/,
    ],
    ["at a port where nothing listens", () => ({ port: 9 }), /refused/, /sshd runs/],
  ];
  for (const [name, over, message, remedy] of refused)
    it(`${name} is refused with what to do`, async () => {
      const access = { ...remote.access, ...over() };
      await assert.rejects(connect(access, { folder: join(folder, "refused"), ports: [] }), {
        name: "Fault",
        message,
        remedy,
      });
    });

  it("is told all that it lacks, as a user who may do nothing about it", async () => {
    const access = { ...remote.access, user: "keeper" };
    const connection = await connect(access, { folder: join(folder, "keeper"), ports: [] });
    await assert.rejects(prepareHost(connection, { ...options, install: true, firewall: true }), {
      message: /^keeper@\S+ can't carry the stack, for 2 reasons\.$/,
      remedy: /engine does not run[\s\S]*firewall needs root/,
    });
    connection.close();
  });

  it("has a port that is taken named", async () => {
    const connection = await connect(remote.access, { folder: join(folder, "root"), ports: [] });
    const ports = [{ path: "ports.smtp", port: 22, binds: ["0.0.0.0"] }];
    await assert.rejects(prepareHost(connection, { ...options, install: true, ports }), {
      message: /Port 22 \(ports\.smtp\) is taken/,
      remedy: /ss -ltnp/,
    });
    connection.close();
  });

  it("is reached by one connection, which two share and which leads to its loopback", async () => {
    const port = await freePort();
    const where = { folder: join(folder, "shared"), ports: [port] };
    await startSshd(port, "-o", `ListenAddress=127.0.0.1:${port}`);
    const [one, two] = await Promise.all([connect(remote.access, where), connect(remote.access, where)]);
    one.close();
    const socket = dial({ host: "127.0.0.1", port });
    const greeting = await new Promise<string>((resolve, reject) => {
      socket.once("data", (chunk) => resolve(String(chunk)));
      socket.once("error", reject);
    });
    socket.destroy();
    assert.match(greeting, /^SSH-2\.0/);
    assert.equal((await two.run("id -u")).stdout, "0\n");
    two.close();
  });
});

describe("a host's firewall", () => {
  const inputs = () => ({
    ...{ stack: "semail-t", access: remote.access, ports: [OPEN] },
    folder: relative(process.cwd(), join(folder, "firewall")),
  });
  before(async () => {
    for (const port of [OPEN, CLOSED]) await startSshd(port, "-p", String(port));
  });

  it("lets in ssh and the stack's ports and nothing else, and is seen to be as it was made", async () => {
    assert.deepEqual(await Promise.all([answers(22), answers(OPEN), answers(CLOSED)]), [true, true, true]);
    const { id } = await firewall.create(inputs());
    assert.deepEqual(await Promise.all([answers(22), answers(OPEN), answers(CLOSED)]), [true, true, false]);
    assert.equal((await firewall.read(id, inputs())).id, id);
  });

  it("is put right where somebody took it away", async () => {
    await remote.handle.exec(["nft", "flush", "ruleset"]);
    assert.deepEqual(await firewall.read("id", inputs()), {});
    await firewall.update("id", inputs(), inputs());
    assert.equal(await answers(CLOSED), false);
  });

  it("is of one stack: another is told, and its end changes nothing", async () => {
    await assert.rejects(firewall.create({ ...inputs(), stack: "other" }), /firewall of another stack/);
    await firewall.delete("id", { ...inputs(), stack: "other" });
    assert.equal(await answers(CLOSED), false);
  });

  it("goes with the stack", async () => {
    await firewall.delete("id", inputs());
    assert.equal(await answers(CLOSED), true);
    const { stdout } = await remote.handle.exec(["sh", "-c", "ls /etc/semail 2>&1; nft list tables"]);
    assert.doesNotMatch(stdout, /firewall|semail\n/);
    await firewall.delete("id", inputs());
  });

  it("goes by itself when nobody gets through it", async () => {
    const connection = await connect(remote.access, { folder: join(folder, "trial"), ports: [] });
    // As if sshd were behind another port than the one that is let in.
    const { code, stderr } = await connection.run(
      apply({ stack: "semail-t", rules: rulesOf(inputs(), 9), id: "t", trialSeconds: 1 }),
    );
    assert.equal(code, 0, stderr);
    const gone = async () => (await connection.run("nft list table inet semail")).code !== 0;
    for (let tries = 0; tries < 100 && !(await gone()); tries += 1) await sleep(100);
    assert.ok(await gone());
    assert.ok(await answers(22));
    connection.close();
  });
});
