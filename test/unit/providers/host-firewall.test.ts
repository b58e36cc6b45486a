import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { check, diff } from "../../../components/providers/host-firewall/crud.ts";
import { rulesOf } from "../../../components/providers/host-firewall/diff.ts";
import { apply, prove, remove } from "../../../components/providers/host-firewall/scripts.ts";
import { LOGIN_MS } from "../../../tools/remote/connection.ts";

const access = { address: "192.0.2.25", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" };
const inputs = { stack: "semail-prod", access, folder: ".semail/ssh/prod", ports: [587, 25, 587] };

describe("a host's firewall", () => {
  it("lets in ssh by the port that is in use, and the stack's ports, each once", () => {
    const rules = rulesOf(inputs, 2222);
    assert.match(rules, /tcp dport 2222 accept/);
    assert.equal(rules.match(/\{ 25, 587 \} accept/g)?.length, 2);
    assert.match(rules, /hook input priority filter; policy drop;/);
  });

  it("begins anew in one step, so that no moment is without rules or with two sets", () => {
    assert.match(
      rulesOf(inputs, 22),
      /^# .*\ntable inet semail\ndelete table inet semail\ntable inet semail \{/,
    );
  });

  it("is checked before it is in force, and its end is sure before that, too", () => {
    const script = apply({ stack: "semail-prod", rules: rulesOf(inputs, 22), id: "1" });
    const order = ["nft -c -f", "nohup sh -c 'sleep 120;", "\nnft -f"].map((part) => script.indexOf(part));
    assert.ok(!order.includes(-1));
    assert.deepEqual(
      order,
      order.toSorted((one, other) => one - other),
    );
  });

  it("stays on trial for longer than the login may take that proves it", () => {
    const script = apply({ stack: "semail-prod", rules: rulesOf(inputs, 22), id: "1" });
    const [, seconds] = /sleep (\d+);/.exec(script) ?? [];
    assert.ok(Number(seconds) * 1_000 > LOGIN_MS + 30_000, seconds);
  });

  it("leaves that of another stack alone", () => {
    for (const script of [apply({ stack: "semail-prod", rules: "", id: "1" }), remove("semail-prod")])
      assert.match(script, /grep -qF '# Made by Semail for the stack semail-prod\.'/);
  });

  const changes: readonly (readonly [string, object, boolean, string[]])[] = [
    ["nothing", {}, false, []],
    ["another port", { ports: [25] }, true, []],
    ["another way to log in to the same host", { access: { ...access, user: "admin" } }, true, []],
    ["another host", { access: { ...access, hostKey: "ssh-ed25519 BBBB" } }, true, ["access"]],
  ];
  for (const [name, change, changed, replaces] of changes)
    it(`${name} ${changed ? "is a change" : "changes nothing"}`, async () => {
      const found = await diff("x", inputs, { ...inputs, ...change });
      assert.deepEqual([found.changes, found.replaces], [changed, replaces]);
    });

  it("refuses what would not be rules", async () => {
    const { failures } = await check({}, { ...inputs, stack: "x'; reboot", ports: [0] });
    assert.deepEqual(
      failures.map(({ property }) => property.split(".")[0]),
      ["stack", "ports"],
    );
  });
});

/** A host of which there are the files alone: what nft was told last is in `kernel`, trials end when they are told to. */
function host() {
  const root = mkdtempSync(join(tmpdir(), "semail-t-firewall-"));
  for (const folder of ["/etc/systemd/system", "/run/systemd/system", "/bin", "/trials"])
    mkdirSync(root + folder, { recursive: true });
  const program = (name: string, script: string) =>
    writeFileSync(join(root, "bin", name), `#!/bin/sh\nset -eu\n${script}\n`, { mode: 0o755 });
  program(
    "nft",
    `case "$*" in
      "-c -f "*) test -e "$3" ;;
      "-f "*) cp "$2" ${root}/kernel ;;
      "delete table"*) rm ${root}/kernel ;;
      "list table"*) test -e ${root}/kernel ;;
    esac`,
  );
  // The unit is oneshot with RemainAfterExit: to start an active one does nothing.
  program(
    "systemctl",
    `case "$*" in
      *"enable -q --now"*)
        test -e ${root}/active || ${root}/bin/nft -f ${root}/etc/semail/firewall.nft
        : >${root}/active ;;
    esac`,
  );
  program("sleep", "exit 0");
  program("nohup", `printf '%s\\n' "$3" >${root}/trials/$(ls ${root}/trials | wc -l)`);
  const run = (script: string) => {
    const here = script
      .replaceAll("/etc/", `${root}/etc/`)
      .replaceAll("/run/", `${root}/run/`)
      .replace('PATH="$PATH:', `PATH="${root}/bin:$PATH:`);
    // A background job may outlive the script, its output not: so the script is over when all that it began is.
    const { status, stderr } = spawnSync("sh", ["-s"], { input: `${here}\nwait\n`, encoding: "utf8" });
    return { code: status, stderr };
  };
  const ports = (file: string) =>
    existsSync(root + file)
      ? /tcp dport \{ (.*?) \}/.exec(readFileSync(root + file, "utf8"))?.[1]
      : undefined;
  return {
    try: (id: string, ...open: number[]) =>
      assert.equal(
        run(apply({ stack: "semail-prod", rules: rulesOf({ ...inputs, ports: open }, 22), id })).code,
        0,
      ),
    prove: (id: string) => run(prove(id)),
    /** The time of the n-th try is over. */
    over: (n: number) => {
      const text = readFileSync(join(root, "trials", String(n)), "utf8");
      spawnSync("sh", ["-c", `PATH="${root}/bin:$PATH"; ${text}`]);
    },
    flush: () => rmSync(join(root, "kernel")),
    remove: () => run(remove("semail-prod")),
    left: () =>
      ["/etc/semail", "/run"].flatMap((folder) =>
        existsSync(root + folder) ? readdirSync(root + folder) : [],
      ),
    /** What is in force now, and what will be after the next boot. */
    rules: () => ({
      now: ports("/kernel"),
      boot: existsSync(`${root}/active`) ? ports("/etc/semail/firewall.nft") : undefined,
    }),
    dispose: () => rmSync(root, { recursive: true, force: true }),
  };
}

describe("a try of new rules", () => {
  let there: ReturnType<typeof host>;
  beforeEach(() => {
    there = host();
  });
  afterEach(() => there.dispose());
  const kept = () => {
    there.try("0", 25);
    assert.equal(there.prove("0").code, 0);
    there.over(0);
    assert.deepEqual(there.rules(), { now: "25", boot: "25" });
  };

  it("is kept, now and over a reboot, when somebody logged in through them", () => {
    kept();
    there.try("1", 25, 993);
    assert.equal(there.prove("1").code, 0);
    there.over(1);
    assert.deepEqual(there.rules(), { now: "25, 993", boot: "25, 993" });
  });

  it("gives way to none where there were none, and isn't there after a reboot", () => {
    there.try("0", 25);
    there.over(0);
    assert.deepEqual(there.rules(), { now: undefined, boot: undefined });
  });

  it("gives way to those that were kept, when nobody logs in", () => {
    kept();
    there.try("1", 25, 993);
    assert.deepEqual(there.rules(), { now: "25, 993", boot: "25" });
    there.over(1);
    assert.deepEqual(there.rules(), { now: "25", boot: "25" });
  });

  it("isn't ended by the end of the one before, nor proven by its login", () => {
    kept();
    there.try("1", 25, 993);
    there.try("2", 25, 995);
    there.over(1);
    assert.equal(there.rules().now, "25, 995");
    assert.notEqual(there.prove("1").code, 0);
    assert.equal(there.prove("2").code, 0);
    there.over(2);
    assert.deepEqual(there.rules(), { now: "25, 995", boot: "25, 995" });
  });

  it("fails when the login comes after its end", () => {
    kept();
    there.try("1", 25, 993);
    there.over(1);
    const { code, stderr } = there.prove("1");
    assert.notEqual(code, 0);
    assert.match(stderr, /gave way/);
    assert.deepEqual(there.rules(), { now: "25", boot: "25" });
  });

  it("is in force once it is proven, whatever became of the rules in the meantime", () => {
    kept();
    there.try("1", 25, 993);
    there.flush();
    assert.equal(there.prove("1").code, 0);
    assert.equal(there.rules().now, "25, 993");
  });

  it("leaves nothing behind when the firewall is removed before it is over", () => {
    kept();
    there.try("1", 25, 993);
    there.remove();
    there.over(1);
    assert.deepEqual(there.rules().now, undefined);
    assert.deepEqual(there.left(), ["systemd"]);
  });
});
