import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { difference } from "../../../tools/docker-plugin/diff.ts";
import { resources } from "../../../tools/docker-plugin/resources/index.ts";
import { type Props, UNKNOWN } from "../../../tools/docker-plugin/values.ts";

const kinds = {
  container: "docker:index/container:Container",
  network: "docker:index/network:Network",
  volume: "docker:index/volume:Volume",
  image: "docker:index/image:Image",
  remoteImage: "docker:index/remoteImage:RemoteImage",
} as const;

function diff(kind: keyof typeof kinds, olds: Props, news: Props) {
  const schema = resources.get(kinds[kind])?.schema;
  assert.ok(schema);
  return difference(schema, olds, news);
}

const box = { name: "box", image: "semail/box:1" };

const unchanged: [string, keyof typeof kinds, Props, Props][] = [
  ["nothing", "container", box, box],
  [
    "a default spelled out",
    "container",
    box,
    { ...box, restart: "no", mustRun: true, readOnly: false, waitTimeout: 60 },
  ],
  ["a default no longer spelled out", "container", { ...box, start: true, logDriver: "json-file" }, box],
  ["an empty list", "container", box, { ...box, envs: [], tmpfs: {}, capabilities: { adds: [] } }],
  [
    "the order of the environment",
    "container",
    { ...box, envs: ["A=1", "B=2"] },
    { ...box, envs: ["B=2", "A=1"] },
  ],
  [
    "the order of networks and their aliases",
    "container",
    { ...box, networksAdvanced: [{ name: "a", aliases: ["x", "y"] }, { name: "b" }] },
    { ...box, networksAdvanced: [{ name: "b" }, { name: "a", aliases: ["y", "x"] }] },
  ],
  [
    "the order of dropped capabilities",
    "container",
    { ...box, capabilities: { drops: ["NET_RAW", "MKNOD"] } },
    { ...box, capabilities: { drops: ["MKNOD", "NET_RAW"] } },
  ],
  [
    "the protocol and address of a port spelled out",
    "container",
    { ...box, ports: [{ internal: 25, external: 2525 }] },
    { ...box, ports: [{ internal: 25, external: 2525, protocol: "tcp", ip: "0.0.0.0" }] },
  ],
  [
    "an upload's executable flag spelled out",
    "container",
    { ...box, uploads: [{ file: "/a", content: "x" }] },
    { ...box, uploads: [{ file: "/a", content: "x", executable: false }] },
  ],
  [
    "a subnet that the engine chose",
    "network",
    { name: "n", ipamConfigs: [{ subnet: "10.0.0.0/24" }] },
    { name: "n" },
  ],
  [
    "the order of labels",
    "volume",
    {
      name: "v",
      labels: [
        { label: "a", value: "1" },
        { label: "b", value: "2" },
      ],
    },
    {
      name: "v",
      labels: [
        { label: "b", value: "2" },
        { label: "a", value: "1" },
      ],
    },
  ],
];

const changed: [string, keyof typeof kinds, Props, Props, Record<string, string>][] = [
  ["memory", "container", { ...box, memory: 32 }, { ...box, memory: 64 }, { memory: "update update" }],
  ["memory, removed", "container", { ...box, memory: 32 }, box, { memory: "update update" }],
  ["restart", "container", box, { ...box, restart: "always" }, { restart: "update update" }],
  ["retries", "container", box, { ...box, maxRetryCount: 3 }, { maxRetryCount: "update update" }],
  [
    "waiting",
    "container",
    box,
    { ...box, wait: true, waitTimeout: 5 },
    { wait: "update update", waitTimeout: "update update" },
  ],
  [
    "the grace on removal",
    "container",
    box,
    { ...box, destroyGraceSeconds: 5 },
    { destroyGraceSeconds: "update add" },
  ],
  ["a container found stopped", "container", { ...box, mustRun: false }, box, { mustRun: "update update" }],
  ["the image", "container", box, { ...box, image: "semail/box:2" }, { image: "replace update" }],
  [
    "the command's order",
    "container",
    { ...box, command: ["a", "b"] },
    { ...box, command: ["b", "a"] },
    { command: "replace update" },
  ],
  [
    "a file's content",
    "container",
    { ...box, uploads: [{ file: "/a", content: "x" }] },
    { ...box, uploads: [{ file: "/a", content: "y" }] },
    { uploads: "replace update" },
  ],
  ["the environment", "container", box, { ...box, envs: ["A=1"] }, { envs: "replace add" }],
  [
    "one field of the health check",
    "container",
    { ...box, healthcheck: { tests: ["CMD", "x"], interval: "1s" } },
    { ...box, healthcheck: { tests: ["CMD", "x"], interval: "2s" } },
    { "healthcheck.interval": "replace update" },
  ],
  [
    "tmpfs",
    "container",
    { ...box, tmpfs: { "/tmp": "size=1m" } },
    { ...box, tmpfs: { "/tmp": "size=2m" } },
    { 'tmpfs["/tmp"]': "replace update" },
  ],
  [
    "an address not known yet",
    "container",
    { ...box, networksAdvanced: [{ name: "n" }] },
    { ...box, networksAdvanced: [{ name: UNKNOWN }] },
    { networksAdvanced: "replace update" },
  ],
  ["an image not known yet", "container", box, { ...box, image: UNKNOWN }, { image: "replace update" }],
  [
    "the subnet",
    "network",
    { name: "n", ipamConfigs: [{ subnet: "10.0.0.0/24" }] },
    { name: "n", ipamConfigs: [{ subnet: "10.0.1.0/24" }] },
    { ipamConfigs: "replace update" },
  ],
  ["isolation", "network", { name: "n" }, { name: "n", internal: true }, { internal: "replace update" }],
  [
    "the volume's driver",
    "volume",
    { name: "v" },
    { name: "v", driver: "nfs" },
    { driver: "replace update" },
  ],
  [
    "a file of the build",
    "image",
    { imageName: "i", build: { contextDigest: "1" } },
    { imageName: "i", build: { contextDigest: "2" } },
    { "build.contextDigest": "update update" },
  ],
  [
    "a build argument",
    "image",
    { imageName: "i", build: { args: { A: "1" } } },
    { imageName: "i", build: { args: { A: "1", B: "2" } } },
    { "build.args.B": "update add" },
  ],
  ["the image's tag", "image", { imageName: "i:1" }, { imageName: "i:2" }, { imageName: "update update" }],
  ["another remote image", "remoteImage", { name: "a" }, { name: "b" }, { name: "replace update" }],
  [
    "keeping a remote image",
    "remoteImage",
    { name: "a" },
    { name: "a", keepLocally: true },
    { keepLocally: "update update" },
  ],
];

describe("the difference between two states of a resource", () => {
  for (const [what, kind, olds, news] of unchanged) {
    it(`is none for ${what}`, () => assert.deepEqual(diff(kind, olds, news).changes, []));
  }
  for (const [what, kind, olds, news, expected] of changed) {
    it(`shows ${what}`, () => {
      const { changes, replaces } = diff(kind, olds, news);
      assert.deepEqual(
        Object.fromEntries(changes.map((each) => [each.path, `${each.change} ${each.kind}`])),
        expected,
      );
      const replacing = Object.entries(expected).filter(([, text]) => text.startsWith("replace"));
      assert.deepEqual(replaces, [...new Set(replacing.map(([path]) => path.split(/[.[]/)[0]))]);
    });
  }

  it("deletes first when both would have the same name", () => {
    assert.equal(diff("container", box, { ...box, image: "semail/box:2" }).deleteBeforeReplace, true);
    assert.equal(diff("network", { name: "n" }, { name: "n", internal: true }).deleteBeforeReplace, true);
  });
  it("creates first when the name is made up or another", () => {
    const news = { ...box, image: "semail/box:2" };
    assert.equal(diff("container", box, { ...news, __defaults: ["name"] }).deleteBeforeReplace, false);
    assert.equal(diff("container", box, { ...news, name: "other" }).deleteBeforeReplace, false);
  });
  it("doesn't delete first for an update in place", () => {
    assert.equal(diff("container", box, { ...box, memory: 64 }).deleteBeforeReplace, false);
  });

  it("never depends on the order of a set", () => {
    const lines = fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 6 });
    fc.assert(
      fc.property(
        lines.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([a, b]) => {
          assert.deepEqual(diff("container", { ...box, envs: a }, { ...box, envs: b }).changes, []);
        },
      ),
    );
  });
});
