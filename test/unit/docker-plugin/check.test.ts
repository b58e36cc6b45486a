import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failures, named } from "../../../tools/docker-plugin/check.ts";
import { resources } from "../../../tools/docker-plugin/resources/index.ts";
import { uploadFailures } from "../../../tools/docker-plugin/uploads.ts";
import { hasUnknown, type Props, plain, UNKNOWN } from "../../../tools/docker-plugin/values.ts";

const box = { name: "box", image: "i" };

function faults(props: Props, token = "docker:index/container:Container"): string[] {
  const schema = resources.get(token)?.schema;
  assert.ok(schema);
  return failures(schema, props).map(({ property }) => property);
}

const rows: [string, Props, string[]][] = [
  ["nothing wrong", box, []],
  ["no image", { name: "box" }, ["image"]],
  ["a property that nobody knows", { ...box, imagee: "x" }, ["imagee"]],
  [
    "a property inside that nobody knows",
    { ...box, networksAdvanced: [{ name: "n", alias: "x" }] },
    ["networksAdvanced[0].alias"],
  ],
  ["what only the official plugin serves", { ...box, gpus: "all" }, ["gpus"]],
  ["a feature that is expressly off", { ...box, attach: false, logs: false }, []],
  ["a number as text", { ...box, memory: "64" }, ["memory"]],
  ["a list that isn't one", { ...box, command: "sleep 1" }, ["command"]],
  ["an entry that isn't text", { ...box, envs: ["A=1", 2] }, ["envs[1]"]],
  ["a missing field", { ...box, ports: [{ external: 25 }] }, ["ports[0].internal"]],
  ["a port out of range", { ...box, ports: [{ internal: 70000 }] }, ["ports[0].internal"]],
  ["a restart policy that doesn't exist", { ...box, restart: "sometimes" }, ["restart"]],
  ["a relative path", { ...box, uploads: [{ file: "a", content: "x" }] }, ["uploads[0].file"]],
  [
    "values that are still to come",
    {
      ...box,
      image: UNKNOWN,
      memory: UNKNOWN,
      envs: [UNKNOWN],
      uploads: UNKNOWN,
      networksAdvanced: [UNKNOWN],
    },
    [],
  ],
  ["the engine's own keys", { ...box, __defaults: ["name"] }, []],
];

describe("the check of a container", () => {
  for (const [what, props, expected] of rows)
    it(`${expected.length === 0 ? "passes" : "fails"}: ${what}`, () =>
      assert.deepEqual(faults(props), expected));
  it("names the property and what to do", () => {
    const schema = resources.get("docker:index/container:Container")?.schema;
    assert.ok(schema);
    assert.match(
      failures(schema, { ...box, gpus: "all" })[0]?.reason ?? "",
      /"gpus" is not supported by the air-gapped docker plugin/,
    );
  });
});

describe("the check of uploads", () => {
  for (const [what, upload, count] of [
    ["text", { content: "x" }, 0],
    ["text still to come", { content: UNKNOWN }, 0],
    ["nothing", {}, 1],
    ["an empty text, which the official plugin refuses", { content: "" }, 1],
    ["two contents", { content: "x", source: "/y" }, 1],
    ["a named owner", { content: "x", owner: "root" }, 1],
    ["numbers for owner and group", { content: "x", owner: "0", group: "5000" }, 0],
  ] as const) {
    it(what, () => assert.equal(uploadFailures([{ file: "/a", ...upload }]).length, count));
  }
});

describe("a made-up name", () => {
  const naming = { resourceName: "box", olds: {}, randomSeed: Buffer.from("seed") };
  it("is the resource's with seven characters more", () =>
    assert.match(String(named({}, naming).name), /^box-[0-9a-f]{7}$/));
  it("stays from one run to the next", () => {
    const first = named({}, naming);
    assert.deepEqual(named({}, { ...naming, olds: first, randomSeed: Buffer.from("other") }), first);
  });
  it("gives way to a given one", () => assert.deepEqual(named({ name: "x" }, naming), { name: "x" }));
});

describe("values of the engine", () => {
  const secret = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value: "pw" };
  it("are unwrapped when secret", () => assert.deepEqual(plain({ a: [secret], b: null }), { a: ["pw"] }));
  it("are unknown at any depth", () => {
    assert.equal(hasUnknown({ a: [{ b: UNKNOWN }] }), true);
    assert.equal(hasUnknown({ a: ["x"] }), false);
  });
});
