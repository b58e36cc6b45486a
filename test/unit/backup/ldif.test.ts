import assert from "node:assert/strict";
import { test } from "node:test";
import { madeAt, parseLdif, toPutBack } from "../../../tools/bootstrap/backup/ldif.ts";

const HASH = "{ARGON2}$argon2id$v=19$m=7168,t=5,p=1$c2FsdA$aGFzaA";
const base64 = Buffer.from(HASH).toString("base64");
const alice = { uid: "alice", name: "Alice Martin", hash: HASH };

const entry = (...lines: string[]) => `dn: uid=alice,ou=people,dc=a,dc=test\n${lines.join("\n")}\n\n`;

const cases: readonly (readonly [name: string, ldif: string, found: readonly object[]])[] = [
  ["an entry", entry("uid: alice", "cn: Alice Martin", `userPassword:: ${base64}`), [alice]],
  [
    "lines that go on on the next",
    entry(
      "uid: alice",
      "cn: Alice Mar",
      " tin",
      `userPassword:: ${base64.slice(0, 40)}`,
      ` ${base64.slice(40)}`,
    ),
    [alice],
  ],
  [
    "a name that is not of ASCII",
    entry("uid: alice", `cn:: ${Buffer.from("Élise").toString("base64")}`, `userPassword:: ${base64}`),
    [{ ...alice, name: "Élise" }],
  ],
  [
    "line ends of another system",
    entry("uid: alice", "cn: A", `userPassword: ${HASH}`).replaceAll("\n", "\r\n"),
    [{ ...alice, name: "A" }],
  ],
  ["an entry without a password", entry("uid: alice", "cn: Alice Martin"), []],
  ["nothing", "", []],
];
for (const [name, ldif, found] of cases)
  test(`LDIF is read with ${name}`, () => assert.deepEqual(parseLdif(ldif), found));

test("entries of several people stay apart", () => {
  const bob = entry("uid: bob", "cn: Bob", `userPassword:: ${base64}`);
  const both = parseLdif(`${entry("uid: alice", "cn: Alice Martin")}${bob}`);
  assert.deepEqual(both, [{ uid: "bob", name: "Bob", hash: HASH }]);
});

const times: readonly (readonly [time: string, made: string | undefined])[] = [
  ["20260131102030Z", "2026-01-31T10:20:30.000Z"],
  ["20260131102030.123456Z", "2026-01-31T10:20:30.000Z"],
  ["yesterday", undefined],
];
for (const [time, made] of times)
  test(`a directory of ${time} was made ${made ?? "nobody knows when"}`, () =>
    assert.equal(madeAt(`dn: dc=a,dc=test\ncreateTimestamp: ${time}\no: a\n`)?.toISOString(), made));

test("a password goes to who has uid and name of the snapshot and got no other since, and to nobody else", () => {
  const dn = (uid: string) => `uid=${uid},ou=people,dc=a,dc=test`;
  const people = [
    { dn: dn("alice"), uid: "alice", name: "Alice Martin", changed: false },
    { dn: dn("bob"), uid: "bob", name: "Another Bob", changed: false },
    { dn: dn("carol"), uid: "carol", name: "Carol", changed: true },
    { dn: dn("new"), uid: "new", name: "New", changed: true },
  ];
  const saved = [
    alice,
    { uid: "bob", name: "Bob", hash: "{ARGON2}b" },
    { uid: "carol", name: "Carol", hash: "{ARGON2}c" },
    { uid: "gone", name: "G", hash: "{ARGON2}g" },
  ];
  assert.deepEqual(toPutBack(saved, people), {
    put: [{ dn: dn("alice"), hash: HASH }],
    others: ["bob", "new"],
    changed: ["carol"],
  });
});
