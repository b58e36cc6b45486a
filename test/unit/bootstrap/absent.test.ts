import assert from "node:assert/strict";
import { test } from "node:test";
import { absentOf, describeAbsent } from "../../../tools/bootstrap/absent.ts";

const resource = (kind: string, name: string, inputs: Record<string, unknown> = {}) => ({
  urn: `urn:${name}`,
  type: `docker:index/${kind}:${kind[0]?.toUpperCase()}${kind.slice(1)}`,
  id: `id-${name}`,
  inputs: { name, ...inputs },
});

const image = (tag: string, repoDigest: string) => ({
  ...{ urn: `urn:${tag}`, type: "docker:index/image:Image", id: tag },
  ...{ inputs: { imageName: tag }, outputs: { imageName: tag, repoDigest } },
});

const state = {
  checkpoint: {
    latest: {
      resources: [
        resource("container", "access"),
        resource("container", "box"),
        resource("container", "gone"),
        resource("container", "settings", { start: false }),
        resource("network", "front"),
        resource("volume", "mail"),
        image("smtp-in:1", "sha256:in"),
        // As a plugin that names no image id leaves it.
        image("smtp-out:1", "registry.test/smtp-out@sha256:out"),
        { urn: "urn:entry", type: "pulumi-nodejs:dynamic/semail:LdapEntry", id: "uid=alice" },
        { urn: "urn:host", type: "semail:index:MailHost" },
      ],
    },
  },
};

test("what runs as the state says is not absent; entries and components are not the engine's", () => {
  const present = new Map([
    ["id-access", true],
    ["id-box", true],
    ["id-gone", true],
    ["id-settings", false],
    ["id-front", true],
    ["mail", true],
    ["sha256:in", true],
    ["smtp-out:1", true],
  ]);
  assert.deepEqual(absentOf(state, present), []);
});

test("stopped and removed things are told apart, by name", () => {
  const absent = absentOf(
    state,
    new Map([
      ["id-access", false],
      ["id-box", true],
      ["id-settings", false],
      // The tag of another image, which no container of the stack is made of.
      ["smtp-in:1", true],
    ]),
  );
  assert.equal(
    describeAbsent(absent),
    "access stopped, gone gone, front gone, mail gone, smtp-in:1 gone, smtp-out:1 gone",
  );
  assert.deepEqual(
    absent.map(({ urn }) => urn),
    ["urn:access", "urn:gone", "urn:front", "urn:mail", "urn:smtp-in:1", "urn:smtp-out:1"],
  );
});

test("a stack that was never updated lacks nothing", () => {
  assert.deepEqual(absentOf({ checkpoint: { latest: null } }, new Map()), []);
});
