import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { check, create, diff } from "../../../components/providers/discarded-volume/crud.ts";
import { openLab } from "../../support/docker.ts";

const lab = openLab();
after(() => lab.cleanup());

const isThere = (name: string) =>
  lab.docker
    .getVolume(name)
    .inspect()
    .then(
      () => true,
      () => false,
    );

describe("a volume that is thrown away", () => {
  it("is gone, and may be gone already", async () => {
    const volume = await lab.volume();
    const inputs = { volume, since: "2026-01-01", engine: "" };
    assert.deepEqual(await create(inputs), { id: volume, outs: inputs });
    assert.equal(await isThere(volume), false);
    await create(inputs);
  });

  it("stays when something has it, and the error says what to do", async () => {
    const volume = await lab.volume();
    const holder = await lab.docker.createContainer({
      Image: "debian:trixie-slim",
      Cmd: ["true"],
      Labels: lab.labels,
      HostConfig: { Binds: [`${volume}:/mail`] },
    });
    await assert.rejects(
      create({ volume, since: "2026-01-01" }),
      /is in use: remove the containers that have it \(`docker ps -a --filter volume=/,
    );
    assert.equal(await isThere(volume), true);
    await holder.remove();
  });

  it("that can't be asked for is an error", async () => {
    await assert.rejects(
      create({ volume: "any", since: "2026-01-01", engine: "unix:///nowhere.sock" }),
      /any, whose mail was kept long enough, can't be removed: .*ENOENT/,
    );
  });

  it("is another one by its name or its day, and by nothing else", async () => {
    const { inputs, failures } = await check({}, { volume: "v", since: "2026-01-01" });
    assert.deepEqual([inputs, failures], [{ volume: "v", since: "2026-01-01", engine: "" }, []]);
    assert.equal((await check({}, { volume: "", since: "soon" })).failures.length, 2);
    for (const [change, changes, replaces] of [
      [{}, false, []],
      [{ engine: "unix:///x" }, true, []],
      [{ since: "2026-01-02" }, true, ["since"]],
      [{ volume: "w" }, true, ["volume"]],
    ] as const)
      assert.deepEqual(await diff("v", inputs, { ...inputs, ...change }), { changes, replaces });
  });
});
