import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  check,
  create,
  type Deps,
  diff,
  serversOf,
  system,
} from "../../../components/providers/record-seen/crud.ts";

const VALUE = "v=DKIM1; k=rsa; p=AAAA";
const INPUTS = { zone: "a.test", name: "s._domainkey", value: VALUE, servers: [], patienceSeconds: 600 };

/** What each server has at a look, from the first on; the last stays. A text starting with `E` is a failure. */
type World = Readonly<Record<string, readonly string[]>>;

function deps(world: World, servers: readonly string[] | string = Object.keys(world)) {
  let now = 0;
  const looks = new Map<string, number>();
  const said: string[] = [];
  const made: Deps = {
    servers: async () => {
      if (typeof servers === "string") throw Object.assign(new Error(servers), { code: servers });
      return [...servers];
    },
    reaches: async (server) => !server.includes(":"),
    texts: async (server, name) => {
      assert.equal(name, "s._domainkey.a.test");
      const has = world[server] ?? [];
      const at = looks.get(server) ?? 0;
      looks.set(server, at + 1);
      const text = has[Math.min(at, has.length - 1)] ?? "";
      if (/^E[A-Z]/.test(text)) throw Object.assign(new Error(text), { code: text });
      return text === "" ? [] : ["another text", text];
    },
    now: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    say: (text) => void said.push(text),
  };
  return { made, said, seconds: () => now / 1_000 };
}

describe("a record is seen", () => {
  test("at once when every server has it", async () => {
    const { made, said, seconds } = deps({ one: [VALUE], two: [VALUE] });
    assert.equal((await create(INPUTS, made)).id, "s._domainkey.a.test");
    assert.deepEqual([seconds(), said], [0, []]);
  });

  for (const [what, world] of Object.entries({
    "the slowest server has it": { one: [VALUE], two: ["", "", "", VALUE] },
    "the old value is gone": { one: ["v=DKIM1; p=OLD", VALUE] },
    "a silent server answers": { one: ["ETIMEOUT", "ESERVFAIL", VALUE], two: ["ENOTFOUND", VALUE] },
  })) {
    test(`as soon as ${what}, with word of what is waited for`, async () => {
      const { made, seconds } = deps(world);
      await create(INPUTS, made);
      assert.ok(seconds() > 0 && seconds() < 10);
    });
  }

  test("by the servers that are named, without asking who they are", async () => {
    const { made } = deps({ "192.0.2.1": [VALUE] }, "ENOTFOUND");
    await create({ ...INPUTS, servers: ["192.0.2.1"] }, made);
  });

  test("by those that this machine has a way to", async () => {
    const { made } = deps({ one: [VALUE], "2001:db8::1": ["ETIMEOUT"] });
    await create(INPUTS, made);
  });

  test("not at all where nobody looks", async () => {
    const { made } = deps({ one: [""] });
    await create({ ...INPUTS, patienceSeconds: 0 }, made);
  });
});

for (const [what, world, servers, words] of [
  [
    "a server never has it",
    { one: [VALUE], two: [""] },
    undefined,
    /after 600 seconds: two has nothing there/,
  ],
  ["another value stays", { one: ["v=DKIM1; p=OLD"] }, undefined, /one has another value there/],
  ["a server is silent", { one: ["ETIMEOUT"] }, undefined, /one: no answer \(ETIMEOUT\)/],
  ["nobody knows the servers", {}, "ENOTFOUND", /name servers of a\.test can't be found \(ENOTFOUND\)/],
  ["no server has an address", {}, [], /no name server of a\.test has an address/],
  [
    "servers have IPv6 addresses, and the machine has none",
    { "2001:db8::1": [VALUE] },
    undefined,
    /have IPv6 addresses alone, and this machine has no IPv6/,
  ],
] as const) {
  test(`when ${what}, the patience ends in an error that says so and what to do`, async () => {
    const { made, seconds } = deps(world, servers);
    await assert.rejects(create(INPUTS, made), (error: Error) => {
      assert.match(error.message, words);
      assert.match(error.message, /run the update again; `semail:dkim\.patience: 0`/);
      return true;
    });
    assert.ok(seconds() <= 600);
  });
}

test("what was waited for is told once for each change", async () => {
  const { made, said } = deps({ one: ["", "", "", "v=DKIM1; p=OLD", "v=DKIM1; p=OLD", VALUE] });
  await create(INPUTS, made);
  assert.deepEqual(
    said.map((text) => /\((.*)\)/.exec(text)?.[1]),
    ["one has another value there"],
  );
});

test("another key is another thing to be seen; more patience is not", async () => {
  const { inputs } = await check({}, INPUTS);
  assert.deepEqual((await diff("", inputs, { ...inputs, value: "other" })).replaces, ["value"]);
  const patient = await diff("", inputs, { ...inputs, patienceSeconds: 1 });
  assert.deepEqual([patient.changes, patient.replaces], [true, []]);
  assert.equal((await diff("", inputs, inputs)).changes, false);
});

describe("the servers of a zone", () => {
  const absent = (code: string) => Object.assign(new Error(code), { code });
  const addresses: Record<string, readonly string[] | string> = {
    "both 4": ["192.0.2.1", "192.0.2.2"],
    "both 6": ["2001:db8::1"],
    "six 4": "ENODATA",
    "six 6": ["2001:db8::6"],
    "none 4": "ENODATA",
    "none 6": "ENODATA",
    "lost 4": "ETIMEOUT",
    "halfway 4": "ENOTFOUND",
    "halfway 6": "ESERVFAIL",
  };
  const look = (family: number) => async (name: string) => {
    const found = addresses[`${name} ${family}`] ?? "ENOTFOUND";
    if (typeof found === "string") throw absent(found);
    return [...found];
  };
  const resolver = (...names: string[]) =>
    ({ resolveNs: async () => names, resolve4: look(4), resolve6: look(6) }) as unknown as Parameters<
      typeof serversOf
    >[1];

  test("are asked by IPv4 where they have it, and by IPv6 where they have nothing else", async () => {
    const found = await serversOf("a.test", resolver("both", "six", "none"));
    assert.deepEqual(found, ["192.0.2.1", "192.0.2.2", "2001:db8::6"]);
  });

  test("are not left out when one's address can't be had now", async () => {
    await assert.rejects(serversOf("a.test", resolver("both", "lost")), { code: "ETIMEOUT" });
    await assert.rejects(serversOf("a.test", resolver("halfway")), { code: "ESERVFAIL" });
  });

  test("have a way to them, or none, without a packet being sent", async () => {
    assert.equal(await system.reaches("192.0.2.1"), true);
    assert.equal(await system.reaches("127.0.0.1:5353"), true);
    assert.equal(await system.reaches("::1"), true);
    // On which of its networks, a link-local address doesn't say.
    assert.equal(await system.reaches("fe80::1"), false);
  });
});
