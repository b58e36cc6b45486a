import assert from "node:assert/strict";
import { test } from "node:test";
import { type Context, sayWith } from "../../../tools/bootstrap/context.ts";
import { toolchainFolder, withToolchain } from "../../../tools/bootstrap/toolchain.ts";
import {
  chooseDockerPlugin,
  chooseToolchain,
  isRecent,
  LANGUAGE_HOST_VERSION,
  PULUMI_VERSION,
  parseVersion,
} from "../../../tools/bootstrap/toolchain-choice.ts";

const versions: [text: string, recent: boolean][] = [
  ["v3.200.0", true],
  ["3.200.0", true],
  ["v3.274.1\n", true],
  ["v3.275.0-alpha.1+abc", true],
  ["v3.199.9", false],
  ["v3.68.0", false],
  ["v2.300.0", false],
  // A new major version is an unknown one.
  ["v4.0.0", false],
  ["", false],
  ["dev", false],
];
for (const [text, recent] of versions) {
  test(`pulumi version ${JSON.stringify(text)} is ${recent ? "recent enough" : "refused"}`, () => {
    assert.equal(isRecent(text), recent);
  });
}

test("the versions that are built are themselves well-formed, and recent enough", () => {
  assert.ok(isRecent(PULUMI_VERSION));
  assert.ok(parseVersion(LANGUAGE_HOST_VERSION));
});

const installed = { path: "/usr/bin/pulumi", version: "v3.210.0", nodejs: true };
const choices: [name: string, ...Parameters<typeof chooseToolchain>, kind: string, why?: RegExp][] = [
  ["a recent one with its host is taken", installed, true, "installed"],
  ["none: what was built earlier is taken", undefined, true, "built", /none on PATH/],
  ["none: it is built", undefined, false, "build", /none on PATH/],
  ["an old one is passed over", { ...installed, version: "v3.100.0" }, false, "build", /v3\.100\.0 .* older/],
  [
    "one without a Node.js host is passed over",
    { ...installed, nodejs: false },
    true,
    "built",
    /language host/,
  ],
  [
    "one that says no version is passed over",
    { ...installed, version: "" },
    false,
    "build",
    /unknown version/,
  ],
];
for (const [name, found, built, kind, why] of choices) {
  test(`pulumi on PATH: ${name}`, () => {
    const choice = chooseToolchain(found, built);
    assert.equal(choice.kind, kind);
    if (why) assert.match(choice.kind === "installed" ? "" : choice.why, why);
  });
}

const plugins: [
  wish: string | undefined,
  pulumiInstalled: boolean,
  officialInstalled: boolean,
  choice?: string,
][] = [
  [undefined, false, false, "builtin"],
  ["", false, false, "builtin"],
  [undefined, true, false, "official"],
  [undefined, false, true, "official"],
  ["builtin", true, true, "builtin"],
  ["official", false, false, "official"],
  ["offical", true, true],
];
for (const [wish, pulumiInstalled, officialInstalled, choice] of plugins) {
  test(`docker provider for wish=${wish} installed=${pulumiInstalled} official=${officialInstalled}: ${choice}`, () => {
    assert.equal(chooseDockerPlugin(wish, { pulumiInstalled, officialInstalled }), choice);
  });
}

test("the cache folder follows SEMAIL_CACHE, then XDG_CACHE_HOME, then HOME", () => {
  const name = `toolchain/pulumi-${PULUMI_VERSION}-nodejs-${LANGUAGE_HOST_VERSION}`;
  assert.equal(toolchainFolder({ SEMAIL_CACHE: "/s", XDG_CACHE_HOME: "/x", HOME: "/h" }), `/s/${name}`);
  assert.equal(toolchainFolder({ XDG_CACHE_HOME: "/x", HOME: "/h" }), `/x/semail/${name}`);
  assert.equal(toolchainFolder({ HOME: "/h" }), `/h/.cache/semail/${name}`);
});

test("the toolchain stands on PATH behind the project's Node and before everything else", () => {
  const env = { PATH: "/co/node/bin:/co/node_modules/.bin:/usr/bin", X: "1" };
  assert.deepEqual(withToolchain(env, { folder: "/t", installed: false }), {
    PATH: "/co/node/bin:/t:/co/node_modules/.bin:/usr/bin",
    X: "1",
  });
  assert.equal(withToolchain(env, { folder: undefined, installed: true }), env);
});

test("steps are told on one line each", () => {
  const lines: string[] = [];
  const say: Context["say"] = sayWith((line) => lines.push(line));
  say.doing("building", "6 min");
  say.done("pulumi", "built");
  say.done("stack");
  assert.deepEqual(lines, ["… building (6 min)", "✓ pulumi (built)", "✓ stack"]);
});
