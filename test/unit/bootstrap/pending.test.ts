import assert from "node:assert/strict";
import { test } from "node:test";
import { pendingOf } from "../../../tools/bootstrap/pending.ts";

const container = (name: string, id?: string) => ({
  urn: `urn:pulumi:dev::semail::docker:index/container:Container::${name}`,
  type: "docker:index/container:Container",
  inputs: { name },
  ...(id ? { id } : {}),
});

const latest = (value: unknown) => ({ version: 3, checkpoint: { latest: value } });

test("a stack that was never updated has nothing pending", () => {
  for (const checkpoint of [
    { checkpoint: {} },
    latest(null),
    latest({}),
    latest({ resources: [container("a", "1")] }),
  ]) {
    assert.equal(pendingOf(checkpoint).operations, 0);
  }
});

test("only begun creations of named containers and networks are leftovers; what the state knows is told", () => {
  const network = { urn: "u", type: "docker:index/network:Network", inputs: { name: "front" } };
  const pending = pendingOf(
    latest({
      resources: [container("kept", "id-1")],
      pending_operations: [
        { type: "creating", resource: container("half") },
        { type: "creating", resource: network },
        { type: "updating", resource: container("kept", "id-1") },
        { type: "deleting", resource: container("old", "id-2") },
        {
          type: "creating",
          resource: { urn: "u", type: "docker:index/volume:Volume", inputs: { name: "mail" } },
        },
        { type: "creating", resource: { urn: "u", type: "docker:index/container:Container", inputs: {} } },
      ],
    }),
  );
  assert.equal(pending.operations, 6);
  assert.deepEqual(pending.leftovers, [
    { kind: "container", name: "half" },
    { kind: "network", name: "front" },
  ]);
  assert.deepEqual([...pending.known], ["id-1"]);
});

test("begun creations of records are told, unless they might have taken another's over", () => {
  const mx = { zone: "a.test", name: "@", type: "MX", ttl: 300, values: ["10 mx"], adoptExisting: false };
  const record = (inputs: object) => ({ urn: "u", type: "pulumi-nodejs:dynamic/gandi:Record", inputs });
  const pending = pendingOf(
    latest({
      pending_operations: [
        { type: "creating", resource: record({ ...mx, auth: { ciphertext: "x" }, snapshot: true }) },
        { type: "creating", resource: record({ ...mx, adoptExisting: true }) },
        { type: "updating", resource: record(mx) },
      ],
    }),
  );
  assert.deepEqual(pending.records, [mx]);
});
