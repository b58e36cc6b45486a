import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { createStsPolicies, type StsDeps, stsStep } from "../../../mailserver/courier/mta-sts.ts";
import { openStsStore, type StsPolicy, type StsStore } from "../../../mailserver/courier/sts-store.ts";
import { createTargetRule } from "../../../mailserver/courier/target.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";
import { temporaryFolder } from "../../support/queue.ts";

const DAY = 86_400_000;
const policy = (more: Partial<StsPolicy> = {}): StsPolicy => ({
  ...{ id: "1", mode: "enforce", mx: ["mx.one.test"], fetched: 0, expires: 7 * DAY },
  ...more,
});

for (const { name, cached, id, now, want } of [
  {
    name: "nothing is known and there is no record",
    cached: undefined,
    id: undefined,
    now: 0,
    want: "cached",
  },
  { name: "nothing is known and there is a record", cached: undefined, id: "1", now: 0, want: "fetch" },
  { name: "the record has the id that is known", cached: policy(), id: "1", now: 1, want: "cached" },
  { name: "the record has another id", cached: policy(), id: "2", now: 1, want: "fetch" },
  { name: "the record is gone or DNS silent", cached: policy(), id: undefined, now: 6 * DAY, want: "cached" },
  { name: "it was fetched a day ago", cached: policy(), id: "1", now: DAY, want: "fetch" },
  { name: "half of a short life is over", cached: policy({ expires: 100 }), id: "1", now: 50, want: "fetch" },
  { name: "it has expired", cached: policy({ expires: 100 }), id: "1", now: 100, want: "fetch" },
] as const) {
  test(`${name}: ${want}`, () => assert.equal(stsStep(cached, id, now), want));
}

const folders: AsyncDisposable[] = [];
let store: StsStore;
let path: string;
beforeEach(async () => {
  const folder = await temporaryFolder();
  folders.push(folder);
  path = folder.path;
  store = openStsStore(path, silentLog);
});
afterEach(async () => {
  store.close();
  for (const folder of folders.splice(0)) await folder[Symbol.asyncDispose]();
});

const RECORD = { "_mta-sts.one.test": { txt: ["v=STSv1; id=1;"] } };
const FILE = { mode: "enforce", mx: ["mx.one.test", "*.many.test"], maxAge: 604_800 };

/** A world in which the domain's file is `file`, or can't be had. */
function world(given: { zone?: Zone; file?: unknown } = {}) {
  const clock = new FakeClock(1_000_000);
  const state = { zone: given.zone ?? (RECORD as Zone), file: given.file ?? (FILE as unknown), fetched: 0 };
  const dns: StsDeps["dns"] = {
    resolve4: (name) => fakeDns(state.zone).resolve4(name),
    resolve6: (name) => fakeDns(state.zone).resolve6(name),
    resolveTxt: (name) => fakeDns(state.zone).resolveTxt(name),
  };
  const fetch = async (): Promise<unknown> => {
    state.fetched += 1;
    if (state.file instanceof Error) throw state.file;
    return state.file;
  };
  const open = () =>
    createStsPolicies({ dns, mayReach: createTargetRule(), store, clock, log: silentLog, fetch });
  let policies = open();
  return {
    state,
    clock,
    restart: () => {
      store.close();
      store = openStsStore(path, silentLog);
      policies = open();
    },
    ask: async (host = "mx.one.test") => (await policies.find("one.test")).rule?.facts(host),
  };
}
const BROKEN = new Error("404");
const ENFORCED = { mode: "enforce", listed: true };

describe("the policy of a domain", () => {
  test("is fetched once, and kept over a restart", async () => {
    const { ask, restart, state } = world();
    assert.deepEqual(await ask(), ENFORCED);
    assert.deepEqual(await ask(), ENFORCED);
    restart();
    assert.deepEqual(await ask(), ENFORCED);
    assert.equal(state.fetched, 1);
  });

  test("is in force although it can't be written down, and fetched again after a restart", async () => {
    const put = mock.method(store, "put", () => {
      throw new Error("database or disk is full");
    });
    const { ask, restart, state } = world();
    assert.deepEqual(await ask(), ENFORCED);
    state.file = BROKEN;
    assert.deepEqual(await ask(), ENFORCED, "and stays so, though nobody can fetch it any more");
    assert.equal(state.fetched, 1);
    put.mock.restore();
    restart();
    assert.equal(await ask(), undefined);
  });

  test("names hosts, by a wildcard those with one more label", async () => {
    const { ask } = world();
    for (const [host, listed] of [
      ["MX.one.test", true],
      ["mx2.one.test", false],
      ["a.many.test", true],
      ["a.b.many.test", false],
      ["many.test", false],
    ] as const) {
      assert.deepEqual(await ask(host), { mode: "enforce", listed }, host);
    }
  });

  test("is none without a record, and nothing is fetched", async () => {
    const { ask, state } = world({ zone: {} });
    assert.equal(await ask(), undefined);
    assert.equal(state.fetched, 0);
  });

  for (const txt of ["v=STSv1; id=;", "v=STSv2; id=1;", "id=1"]) {
    test(`is none with the record ${txt}`, async () => {
      assert.equal(await world({ zone: { "_mta-sts.one.test": { txt: [txt] } } }).ask(), undefined);
    });
  }

  test("is none with two records", async () => {
    const txt = ["v=STSv1; id=1;", "v=STSv1; id=2;"];
    assert.equal(await world({ zone: { "_mta-sts.one.test": { txt } } }).ask(), undefined);
  });

  test("is none when it can't be fetched, which is tried again after five minutes", async () => {
    const { ask, clock, state } = world({ file: BROKEN });
    assert.equal(await ask(), undefined);
    assert.equal(await ask(), undefined);
    assert.equal(state.fetched, 1);
    state.file = FILE;
    clock.pass(300_000);
    assert.deepEqual(await ask(), ENFORCED);
  });

  test("that could not be had is asked for again after five minutes, also when the clock is set back", async () => {
    const { ask, clock, state } = world({ file: BROKEN });
    assert.equal(await ask(), undefined);
    state.file = FILE;
    clock.set(-500_000);
    assert.equal(await ask(), undefined);
    clock.pass(300_000);
    assert.deepEqual(await ask(), ENFORCED);
  });

  test("that was fetched while the clock was ahead is fetched again when it is right", async () => {
    const { ask, clock, state } = world();
    await ask();
    clock.set(-500_000);
    state.file = BROKEN;
    assert.deepEqual(await ask(), ENFORCED);
    assert.equal(state.fetched, 2);
  });

  test("stays in force when its record goes, DNS fails, or another can't be fetched; until it expires", async () => {
    const { ask, clock, state } = world();
    await ask();
    for (const zone of [{}, { "_mta-sts.one.test": { txt: "ESERVFAIL" } }]) {
      state.zone = zone;
      assert.deepEqual(await ask(), ENFORCED);
    }
    state.zone = { "_mta-sts.one.test": { txt: ["v=STSv1; id=2;"] } };
    state.file = BROKEN;
    assert.deepEqual(await ask(), ENFORCED);
    clock.pass(FILE.maxAge * 1_000);
    assert.equal(await ask(), undefined);
  });

  test("gives way to a new one, also to one that ends it", async () => {
    const { ask, state } = world();
    await ask();
    state.zone = { "_mta-sts.one.test": { txt: ["v=STSv1; id=2;"] } };
    state.file = { mode: "none", maxAge: 86_400 };
    assert.deepEqual(await ask(), { mode: "none", listed: true });
  });

  test("is fetched once for many who ask at the same time", async () => {
    const { ask, state } = world();
    await Promise.all(Array.from({ length: 10 }, () => ask()));
    assert.equal(state.fetched, 1);
  });
});

test("no policy host inside is asked", async () => {
  const zone: Zone = { ...RECORD, "mta-sts.one.test": { a: ["10.0.0.1", "127.0.0.1"], aaaa: ["::1"] } };
  const told: unknown[] = [];
  const policies = createStsPolicies({
    dns: fakeDns(zone),
    mayReach: createTargetRule(),
    store,
    clock: new FakeClock(0),
    log: { ...silentLog, warn: (_event, fields) => void told.push(String(fields?.error)) },
  });
  assert.deepEqual(await policies.find("one.test"), { failure: { result: "sts-policy-fetch-error" } });
  assert.deepEqual(told, ["Error: mta-sts.one.test has no address that may be asked"]);
});
