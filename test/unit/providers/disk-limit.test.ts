import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as crud from "../../../components/providers/disk-limit/crud.ts";
import { type InForce, readAnswer } from "../../../tools/docker-plugin/limit-disk.ts";

const INPUTS = {
  ...{ guard: "semail-t-guard", volume: "semail-t-mail-alice", user: 1_900_000_000 },
  ...{ bytes: 5_000, files: 40, required: false, engine: "" },
};
const WHY = "ext4 on /dev/sda1 is mounted without usrquota";
const OFF: InForce = { limited: false, why: WHY };

/** A file system with a limit, or none; what it is told. */
function fileSystem(state: InForce | Error) {
  const told: unknown[] = [];
  const limitDisk: crud.Deps["limitDisk"] = async (_inputs, limit) => {
    told.push(limit);
    if (state instanceof Error) throw state;
    return limit && state.limited ? { limited: true, ...limit } : state;
  };
  return { told, deps: { limitDisk } };
}

const gone = Object.assign(new Error("no such container"), { statusCode: 404 });
const set = (kib: number): InForce => ({ limited: true, kib, files: 40 });

describe("the limit of a box's disk", () => {
  it("is told in whole KiB, rounded up, and is the user's", async () => {
    const { told, deps } = fileSystem(set(0));
    const { inputs, failures } = await crud.check({}, INPUTS);
    assert.deepEqual(failures, []);
    const { id, outs } = await crud.create(inputs, deps);
    assert.deepEqual([id, outs.limit, outs.why], ["1900000000", "5 KiB, 40 files", ""]);
    assert.deepEqual(told, [{ kib: 5, files: 40 }]);
  });

  it("is none where the file system has none, and the reason is kept", async () => {
    const { outs } = await crud.update("1", {}, INPUTS, fileSystem(OFF).deps);
    assert.deepEqual([outs.limit, outs.why], ["none", WHY]);
  });

  it("that is required and can't be had is an error with the reason", async () => {
    const required = { ...INPUTS, required: true };
    await assert.rejects(
      crud.create(required, fileSystem(OFF).deps),
      /1900000000 can't be limited, as `semail:boxes\.diskLimits: required` asks for: ext4 on .* without usrquota\./,
    );
    assert.equal((await crud.create(required, fileSystem(set(0)).deps)).outs.limit, "5 KiB, 40 files");
  });

  it("is an error where nobody can be asked", async () => {
    const broken = fileSystem(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }));
    await assert.rejects(
      crud.create(INPUTS, broken.deps),
      /can't limit the disk of user 1900000000: no Docker engine/,
    );
  });

  it("is taken away with its box, and nobody minds that all is gone already", async () => {
    const { told, deps } = fileSystem(set(5));
    await crud.delete("1", INPUTS, deps);
    assert.deepEqual(told, [{ kib: 0, files: 0 }]);
    await crud.delete("1", INPUTS, fileSystem(gone).deps);
    await assert.rejects(crud.delete("1", INPUTS, fileSystem(new Error("broken")).deps), /broken/);
  });

  const SET = "5 KiB, 40 files";
  const DRIFT: readonly (readonly [what: string, was: string, is: InForce, differs: boolean])[] = [
    ["that is in force is as it was", SET, set(5), false],
    ["that somebody took away is to be set", SET, set(0), true],
    ["that somebody made larger is to be set", SET, set(5_000_000), true],
    [
      "of which somebody took away that of files is to be set",
      SET,
      { limited: true, kib: 5, files: 0 },
      true,
    ],
    ["that was raised for who had more already is as it was", "9 KiB, 40 files", set(9), false],
    ["that was lost with the file system's quotas is to be set", SET, OFF, true],
    ["that still can't be had is as it was", "none", OFF, false],
    ["that can be had by now is to be set", "none", set(0), true],
  ];
  for (const [what, limit, now, differs] of DRIFT) {
    it(`${what}, says a refresh`, async () => {
      const { props } = (await crud.read("1", { ...INPUTS, limit }, fileSystem(now).deps)) as {
        props: object;
      };
      assert.deepEqual((await crud.diff("1", { ...props }, INPUTS)).changes, differs);
      assert.equal((props as { why: string }).why, now.limited ? "" : WHY);
      // A refresh may follow on a refresh.
      await crud.read("1", { ...props }, fileSystem(now).deps);
    });
  }

  it("is not there for a refresh when the guard isn't", async () => {
    assert.deepEqual(await crud.read("1", INPUTS, fileSystem(gone).deps), {});
  });

  it("is another one for another user, and set in place for anything else", async () => {
    for (const [change, changes, replaces] of [
      [{}, false, []],
      [{ bytes: 6_000 }, true, []],
      [{ volume: "semail-t-mail-alice_2" }, true, []],
      [{ user: 1_900_000_001 }, true, ["user"]],
    ] as const)
      assert.deepEqual(await crud.diff("1", INPUTS, { ...INPUTS, ...change }), { changes, replaces });
  });

  it("is refused with what is no user of a box", async () => {
    const { failures } = await crud.check({}, { ...INPUTS, user: 0, volume: "" });
    assert.deepEqual(failures.map(({ property }) => property).sort(), ["user", "volume"]);
  });
});

describe("the answer of limit-disk", () => {
  const ANSWERS: readonly (readonly [exitCode: number, said: string, answer: object])[] = [
    [0, "limited 65536 1000\n", { limited: true, kib: 65_536, files: 1_000 }],
    [0, "setquota: a warning\nlimited 0 0\n", { limited: true, kib: 0, files: 0 }],
    [0, `unlimited: ${WHY}\n`, OFF],
    [64, "no\nuser", { limited: false, why: "limit-disk ended with 64: no user" }],
    [1, "limited 5 5\n", { limited: false, why: "limit-disk ended with 1: limited 5 5" }],
    [0, "limited 5\n", { limited: false, why: "limit-disk ended with 0: limited 5" }],
  ];
  for (const [exitCode, said, answer] of ANSWERS)
    it(`${JSON.stringify(said)} at exit code ${exitCode} is read`, () =>
      assert.deepEqual(readAnswer({ exitCode, said }), answer));
});
