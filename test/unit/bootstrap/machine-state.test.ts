import assert from "node:assert/strict";
import { test } from "node:test";
import { dataDiskOf, machineOf } from "../../../tools/bootstrap/machine-state.ts";

const resource = (kind: string, inputs: object) => ({
  urn: `urn:pulumi:prod::semail::${kind}`,
  type: `pulumi-nodejs:dynamic/semail:${kind}`,
  inputs,
});
const stateOf = (...resources: object[]) => ({ checkpoint: { latest: { resources } } });
const disk = (deletable: unknown) => resource("LibvirtDisk", { path: "/d/data.qcow2", deletable });

test("of a stack's resources those of its VM are told from others", () => {
  const state = stateOf(resource("LdapEntry", {}), disk(false), resource("LibvirtVm", {}));
  assert.deepEqual(machineOf(state), [
    "urn:pulumi:prod::semail::LibvirtDisk",
    "urn:pulumi:prod::semail::LibvirtVm",
  ]);
  assert.deepEqual(machineOf(undefined), []);
});

test("the data disk may go once an update has noted so, and never by a guess", () => {
  assert.deepEqual(dataDiskOf(stateOf(disk(true))), { path: "/d/data.qcow2", deletable: true });
  for (const kept of [false, undefined, "true"])
    assert.equal(dataDiskOf(stateOf(disk(kept)))?.deletable, false);
  assert.equal(dataDiskOf(stateOf(resource("LibvirtVm", {}))), undefined);
  assert.equal(dataDiskOf(undefined), undefined);
});
