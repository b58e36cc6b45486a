import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { check, diff } from "../../../components/providers/host-firewall/crud.ts";
import { rulesOf } from "../../../components/providers/host-firewall/diff.ts";
import { apply, remove } from "../../../components/providers/host-firewall/scripts.ts";

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

  it("is checked before it is in force, and goes by itself when nobody logs in through it", () => {
    const script = apply("semail-prod", rulesOf(inputs, 22));
    assert.ok(script.indexOf("nft -c -f") < script.indexOf("\nnft -f"));
    assert.match(script, /sleep 45; test -e \S+ \|\| nft delete table inet semail/);
  });

  it("leaves that of another stack alone", () => {
    for (const script of [apply("semail-prod", ""), remove("semail-prod")])
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
