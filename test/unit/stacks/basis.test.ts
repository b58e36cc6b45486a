import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import {
  basisOf,
  entryDigest,
  type ForPerson,
  keyOf,
  missingNow,
  othersChanged,
  refusalOf,
  sharedOf,
} from "../../../stacks/basis.ts";
import { parseConfig } from "../../../stacks/check-config.ts";
import { projectCode } from "../../../stacks/project-code.ts";

const users = {
  alice: { name: "Alice Martin" },
  bob: { name: "Bob Durand", state: "none" },
};
const configOf = (keys: Record<string, unknown>) => {
  const { config, problems } = parseConfig({ domain: "example.org", postmaster: "alice", users, ...keys });
  assert.deepEqual(problems, []);
  assert.ok(config);
  return config;
};
const ASKED = { name: "Bob Durand", aliases: ["b@example.org"] };
/** As the operator tells the program. */
const bob = (prior: typeof users.bob | typeof ASKED): ForPerson => ({
  uid: "bob",
  entries: [prior, ASKED].map((user) => {
    const { bob } = configOf({ users: { ...users, bob: user } }).users;
    assert.ok(bob);
    return entryDigest(bob);
  }),
});
const prior = JSON.parse(JSON.stringify({ ...basisOf(configOf({}), "c1"), resources: [] }));

const table: [what: string, keys: Record<string, unknown>, changed: string[], code?: string][] = [
  ["nothing", {}, []],
  ["what is the default", { protect: true }, []],
  ["bob's entry that was asked for", { users: { ...users, bob: ASKED } }, []],
  ["alice's entry", { users: { ...users, alice: { name: "Alice" } } }, ["semail:users.alice"]],
  ["somebody new", { users: { ...users, carol: { name: "Carol" } } }, ["semail:users.carol"]],
  [
    "somebody who is called like a property",
    { users: { ...users, constructor: { name: "C" } } },
    ["semail:users.constructor"],
  ],
  [
    "alice, who goes",
    { postmaster: "bob", users: { bob: { name: "Bob Durand" } } },
    ["the config", "semail:users.alice"],
  ],
  ["a key for everybody", { retention: 3 }, ["the config"]],
  ["the code", {}, ["the code"], "c2"],
];

describe("an update for bob alone", () => {
  for (const [what, keys, changed, code = "c1"] of table)
    it(`${changed.length === 0 ? "may go on from" : "is refused for"} a change of ${what}`, () => {
      const now = basisOf(configOf(keys), code);
      assert.deepEqual(othersChanged(bob(users.bob), prior, now), changed);
      const refusal = refusalOf("bob", changed);
      assert.equal(refusal === undefined, changed.length === 0);
      if (refusal) assert.match(refusal, /`npm run up`/);
    });

  it("is refused for what an administrator changed of his entry, and may go on where it was made already", () => {
    const now = basisOf(configOf({ users: { ...users, bob: ASKED } }), "c1");
    const edited = { name: "Robert Durand", state: "none" };
    assert.deepEqual(othersChanged(bob(edited), prior, now), ["semail:users.bob"]);
    const made = { ...now, resources: [] };
    assert.deepEqual(othersChanged(bob(users.bob), made, now), []);
    const { bob: _, ...people } = prior.people;
    assert.deepEqual(othersChanged(bob(users.bob), { ...prior, people }, now), ["semail:users.bob"]);
  });

  for (const unknown of [undefined, null, "x", { code: "c1" }])
    it(`is refused where the last update left ${JSON.stringify(unknown)}`, () => {
      assert.equal(othersChanged(bob(users.bob), unknown, basisOf(configOf({}), "c1")).length, 1);
    });

  it("is refused where the state lacks what the last update had, people's own aside", () => {
    const BOX = "docker:index/container:Container";
    const VOLUME = "docker:index/volume:Volume";
    const resources = sharedOf([
      { type: "semail:index:Mailbox", name: "person-bob" },
      { type: BOX, name: "person-bob-box" },
      { type: "semail:index:Mailbox", name: "kept-carol" },
      { type: VOLUME, name: "person-carol-mail" },
      { type: "gandi:index:Record", name: "kept-mail.org-MX" },
      { type: "semail:index:MailServer", name: "mail" },
      { type: BOX, name: "mail-smtp-out" },
      { type: VOLUME, name: "mail-smtp-out" },
    ]).map(keyOf);
    const urn = (types: string, name: string) => `urn:pulumi:t::semail::${types}::${name}`;
    const [server, volume, box] = [
      urn("semail:index:MailServer", "mail"),
      urn(`semail:index:MailServer$${VOLUME}`, "mail-smtp-out"),
      urn(`semail:index:MailServer$${BOX}`, "mail-smtp-out"),
    ];
    const record = urn("semail:index:MailDomain$gandi:index:Record", "kept-mail.org-MX");
    const missing = (...urns: string[]) => missingNow({ ...prior, resources }, [record, ...urns]);
    assert.deepEqual(missing(server, volume, box), []);
    assert.deepEqual(missing(server, volume), ["the state, which has no mail-smtp-out,"]);
    assert.equal(missing().length, 3);
  });

  it("names ten of many", () => {
    const many = Array.from({ length: 300 }, (_, index) => `semail:users.u${index}`);
    assert.match(refusalOf("bob", many) ?? "", /u9, 290 more changed/);
  });
});

describe("the digest of the project's code", () => {
  const ROOT = join(import.meta.dirname, "../../..");
  const FOLDERS = ["components", "mailserver", "operator", "sdks", "stacks", "tools"];

  async function project(t: TestContext): Promise<string> {
    const root = await mkdtemp(join(tmpdir(), "semail-code-"));
    t.after(() => rm(root, { recursive: true }));
    for (const file of ["index.ts", "package.json"]) await writeFile(join(root, file), file);
    for (const folder of FOLDERS) {
      await mkdir(join(root, folder, "deep"), { recursive: true });
      await writeFile(join(root, folder, "deep", "one.ts"), "1");
    }
    await mkdir(join(root, "node_modules"));
    await writeFile(join(root, "node_modules/.package-lock.json"), "{}");
    return root;
  }

  it("is the same wherever the project is, and whatever lies beside its code", async (t) => {
    const [one, other] = [await project(t), await project(t)];
    for (const path of [
      "README.md",
      ".semail/state",
      "node_modules/x/index.js",
      "sdks/node_modules/x/index.js",
      ...["stacks/.program.ts.swp", "stacks/program.ts~", "stacks/4913", "tools/x.rej", "tools/#x.ts#"],
    ]) {
      await mkdir(dirname(join(other, path)), { recursive: true });
      await writeFile(join(other, path), "more");
    }
    assert.equal(await projectCode(other), await projectCode(one));
    const linked = join(await project(t), "..", `semail-link-${process.pid}`);
    await symlink(one, linked);
    t.after(() => rm(linked));
    assert.equal(await projectCode(linked), await projectCode(one));
  });

  for (const path of [
    ...FOLDERS.map((folder) => `${folder}/deep/one.ts`),
    "index.ts",
    "package.json",
    "node_modules/.package-lock.json",
    "tsconfig.json",
  ])
    it(`is another one for another ${path}`, async (t) => {
      const root = await project(t);
      const before = await projectCode(root);
      await writeFile(join(root, path), "2");
      assert.notEqual(await projectCode(root), before);
    });

  it("is another one for a file more, and for content that moves from one to the next", async (t) => {
    const root = await project(t);
    const seen = new Set([await projectCode(root)]);
    await writeFile(join(root, "mailserver/deep/two.sh"), "");
    seen.add(await projectCode(root));
    await writeFile(join(root, "mailserver/deep/two.sh"), "1");
    await writeFile(join(root, "mailserver/deep/one.ts"), "");
    seen.add(await projectCode(root));
    assert.equal(seen.size, 3);
  });

  it("is one, too, where npm left no account of what it installed", async (t) => {
    const root = await project(t);
    await rm(join(root, "node_modules"), { recursive: true });
    assert.match(await projectCode(root), /^[0-9a-f]{64}$/);
  });

  it("says what is wrong where a part of the project isn't there", async (t) => {
    const root = await project(t);
    await rm(join(root, "sdks"), { recursive: true });
    await assert.rejects(projectCode(root), /sdks/);
  });

  it("is that of this project", async () => {
    assert.match(await projectCode(ROOT), /^[0-9a-f]{64}$/);
  });
});
