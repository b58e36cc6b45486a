import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Connection } from "../../../tools/remote/connection.ts";
import { type PrepareOptions, prepareHost } from "../../../tools/remote/prepare.ts";
import { SURVEY } from "../../../tools/remote/survey.ts";

const folder = mkdtempSync(join(tmpdir(), "semail-t-prepare-"));
const socket = join(folder, "docker.sock");
const ANSWERS: Readonly<Record<string, unknown>> = {
  "/_ping": "OK",
  "/version": { Version: "26.1.5", ApiVersion: "1.45", MinAPIVersion: "1.24" },
  "/containers/json": [],
};
/** As much of an engine as is asked here. */
const engine = createServer(({ url = "" }, response) => {
  const answer = ANSWERS[url.replace(/\?.*/, "")];
  response.writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" });
  response.end(JSON.stringify(answer ?? {}));
});

/** A host with systemd whose engine runs, but isn't started with it. */
function hostOf(admin: "root" | "sudo" | "no") {
  const scripts: string[] = [];
  let boot = "disabled";
  const said = () =>
    [
      ...["os=Debian GNU/Linux 13", "debian=yes", `admin=${admin}`, "dockerd=yes", "nft=yes", "socket=yes"],
      ...["usable=yes", "systemd=yes", `boot=${boot}`, "firewall=", "rules=no", "ip6tables=no", "bridges="],
      ...["configured=no", "disk=20000000", "memory=4000000", `time=${Math.round(Date.now() / 1_000)}`],
      ...["synced=yes", "ssh=22", `arch=${process.arch === "arm64" ? "aarch64" : "x86_64"}`, "end=yes"],
    ].join("\n");
  const connection: Connection = {
    access: { address: "mx.example", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" },
    socket,
    run: async (script, { sudo = false } = {}) => {
      if (script === SURVEY) return { code: 0, stdout: said(), stderr: "" };
      scripts.push(`${sudo ? "sudo " : ""}${script}`);
      if (/systemctl enable/.test(script)) boot = "enabled";
      return { code: 0, stdout: "", stderr: "" };
    },
    close: () => {},
  };
  return { connection, scripts };
}

describe("a host whose engine runs, but would not after a restart", () => {
  before(async () => {
    engine.listen(socket);
    await once(engine, "listening");
  });
  after(() => {
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const say = { doing: () => {}, done: () => {}, line: () => {} };
  const options: PrepareOptions = { prefix: "semail-t", ports: [], firewall: false, install: true, say };
  const ENABLE = /^systemctl unmask -q docker && systemctl enable -q docker$/;

  it("has it enabled where things may be installed", async () => {
    const { connection, scripts } = hostOf("root");
    const { boot } = await prepareHost(connection, options);
    assert.equal(scripts.length, 1);
    assert.match(scripts[0] ?? "", ENABLE);
    assert.deepEqual(
      boot.map(({ trouble }) => trouble),
      [undefined],
    );
  });

  it("has it enabled by sudo", async () => {
    const { connection, scripts } = hostOf("sudo");
    await prepareHost(connection, options);
    assert.match(scripts[0] ?? "", /^sudo systemctl/);
  });

  const told: readonly (readonly [string, "root" | "no", Partial<PrepareOptions>])[] = [
    ["in a preview", "root", { dryRun: true }],
    ["where nothing may be installed", "root", { install: false }],
    ["with a user who may not", "no", {}],
  ];
  for (const [name, admin, over] of told)
    it(`is left as it is, and told of, ${name}`, async () => {
      const { connection, scripts } = hostOf(admin);
      const { boot } = await prepareHost(connection, { ...options, ...over });
      assert.deepEqual(scripts, []);
      assert.match(boot[0]?.trouble?.cause ?? "", /docker\.service is disabled/);
    });
});
