/** What `protect` guards, and what may go all the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { declare, guarded, machine, registered } from "./declared-stack.ts";

const users = { alice: { name: "Alice" } };
const base = { domain: "example.test", dns: { provider: "none" }, users };
const portal = { enabled: true };
const backup = { enabled: true, repository: "local", schedule: ["02:30"] };
const toStore = { ...backup, repository: "s3:https://store.example/mail", keyId: "k" };

/** What leaves the stack from the one config to the other, and is guarded there. */
async function refused(before: object, now: object): Promise<string[]> {
  const places = (keys: object) => ("portal" in keys ? { operatorPlace: machine } : {});
  await declare({ ...base, ...before }, places(before));
  const kept = new Set(guarded);
  const present = [...kept].map((name) => `urn:pulumi:dev::semail::a:b:C::${name}`);
  await declare({ ...base, ...now }, { ...places(now), present });
  return [...kept].filter((name) => !registered.some((each) => each.name === name)).sort();
}

const cases: readonly (readonly [what: string, before: object, now: object, refused: readonly string[]])[] = [
  ["the portal", { portal }, {}, []],
  ["the backup, whose repository stays on the host", { backup }, {}, []],
  ["the backup in a store", { backup: toStore }, {}, []],
  ["a repository on the host for one in a store", { backup }, { backup: toStore }, []],
  ["the backup's schedule", { backup }, { backup: { ...backup, schedule: [] } }, []],
  ["both", { portal, backup }, {}, []],
  [
    "no repository that would be gone with it",
    { backup, keepVolumes: false },
    { keepVolumes: false },
    ["backup-repository"],
  ],
];

describe("a protected stack gives up", () => {
  for (const [what, before, now, expected] of cases)
    it(what, async () => assert.deepEqual(await refused(before, now), expected));
});

const BACKUP_KEY =
  "urn:pulumi:dev::semail::semail:index:Keys$pulumi-nodejs:dynamic:RandomSecret::keys-backup";

for (const [what, backup, present, expected] of [
  ["where there is a backup", { enabled: true }, [], true],
  ["where there was one", {}, [BACKUP_KEY], true],
  [
    "nowhere else: a version from before could not let it go",
    {},
    [BACKUP_KEY.replace("backup", "srs")],
    false,
  ],
] as const)
  it(`there is a password of snapshots ${what}`, async () => {
    await declare({ ...base, backup }, { present });
    assert.equal(guarded.has("keys-backup"), expected);
  });

it("what nobody can make again is guarded, also the password of snapshots when the backup is off", async () => {
  await declare(base, { present: [BACKUP_KEY] });
  for (const name of [
    "keys-ca",
    "keys-dkim",
    "keys-people",
    "keys-boxes",
    "keys-srs",
    "keys-backup",
    "directory-data",
  ])
    assert.ok(guarded.has(name), `${name} among ${[...guarded].join(", ")}`);
  assert.ok(guarded.has("person-alice-mail"));
  await declare({ ...base, protect: false });
  assert.deepEqual([...guarded], []);
});
