import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { changeShared } from "../../../tools/bootstrap/stack.ts";
import {
  checkStackName,
  hasSecretsKeys,
  mergeStackFile,
  putSecret,
  secretOf,
} from "../../../tools/bootstrap/stack-file.ts";
import { temporaryFolder } from "../../support/queue.ts";

const committed = (text: string) => ({ name: "Pulumi.dev.yaml", text });
const salt = "encryptionsalt: v1:abc=:v1:def:ghi==\n";
const plain = "# ours\nconfig:\n  semail:domain: a.test\n";

const merges: [name: string, text: string, kept: string | undefined, merged: string][] = [
  ["nothing kept: as committed", plain, undefined, plain],
  ["the salt kept from before is added", plain, salt, `${plain}encryptionsalt: "v1:abc=:v1:def:ghi=="\n`],
  [
    "kept config is not taken over",
    plain,
    `config:\n  semail:domain: old.test\n${salt}`,
    `${plain}encryptionsalt: "v1:abc=:v1:def:ghi=="\n`,
  ],
  [
    "a missing last newline is made up for",
    "config: {}",
    salt,
    `config: {}\nencryptionsalt: "v1:abc=:v1:def:ghi=="\n`,
  ],
  ["a committed salt wins", `${plain}encryptionsalt: v1:mine\n`, salt, `${plain}encryptionsalt: v1:mine\n`],
  [
    "a committed provider wins",
    `secretsprovider: awskms://k\n${plain}`,
    salt,
    `secretsprovider: awskms://k\n${plain}`,
  ],
  ["an empty file is one too", "", salt, `encryptionsalt: "v1:abc=:v1:def:ghi=="\n`],
];
for (const [name, text, kept, merged] of merges) {
  test(`stack file: ${name}`, () => {
    assert.equal(mergeStackFile(committed(text), kept), merged);
    assert.doesNotThrow(() => parse(merged));
  });
}

test("stack file: keys of a provider are kept together", () => {
  const merged = parse(mergeStackFile(committed(plain), "secretsprovider: gcpkms://k\nencryptedkey: QUJD\n"));
  assert.deepEqual(merged, {
    config: { "semail:domain": "a.test" },
    secretsprovider: "gcpkms://k",
    encryptedkey: "QUJD",
  });
});

const broken: [name: string, text: string, message: RegExp][] = [
  ["a key given twice", "config:\n  semail:users:\n    alice: {}\n    alice: {}\n", /unique.*line 4/is],
  ["a tab", "config:\n\tsemail:domain: a\n", /Pulumi\.dev\.yaml is not valid YAML/],
];
for (const [name, text, message] of broken) {
  test(`stack file: ${name} is refused with its place`, () => {
    assert.throws(() => mergeStackFile(committed(text), salt), { name: "Fault", message });
  });
}

test("a file has secrets keys only at its top", () => {
  assert.equal(hasSecretsKeys(salt), true);
  assert.equal(hasSecretsKeys(`config:\n  ${salt}`), false);
});

for (const name of ["dev", "pr-12", "0", "a".repeat(31)]) {
  test(`${name} can be a stack`, () => assert.equal(checkStackName(name), name));
}
for (const name of ["", "-x", "Dev", "a b", "../x", "a".repeat(32), "a_b", "--yes"]) {
  test(`"${name}" can't be a stack`, () => assert.throws(() => checkStackName(name), { name: "Fault" }));
}

test("a secret is put into a stack file, and everything else stays as its author wrote it", () => {
  const text = `# Ours.
config:
  semail:domain: a.test # the only one
  semail:users:
    alice: { name: "Alice, a name that is long enough to be folded by whoever folds lines at eighty signs" }
`;
  const committed = { name: "Pulumi.prod.yaml", text };
  const once = putSecret(committed, "semail:gandiToken", "v1:abc");
  assert.equal(once, `${text}  semail:gandiToken:\n    secure: v1:abc\n`);
  const twice = putSecret({ ...committed, text: once }, "semail:gandiToken", "v1:def");
  assert.equal(twice, once.replace("v1:abc", "v1:def"));
  assert.equal(secretOf(twice, "semail:gandiToken"), "v1:def");
});

test("a secret takes nothing back that somebody else writes into the stack file meanwhile", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "Pulumi.prod.yaml");
  const before = `${plain}  semail:users:\n    dora: { name: Dora, state: none }\n`;
  writeFileSync(path, before, { mode: 0o640 });
  const made = before.replace(", state: none", "");
  let looked = 0;
  changeShared(path, (text) => {
    // The operator makes a mailbox between the look at the file and the write.
    if (++looked === 1) writeFileSync(path, made);
    return putSecret({ name: "Pulumi.prod.yaml", text }, "semail:gandiToken", "v1:abc");
  });
  assert.equal(readFileSync(path, "utf8"), `${made}  semail:gandiToken:\n    secure: v1:abc\n`);
  assert.equal(statSync(path).mode & 0o777, 0o640);
  assert.deepEqual(readdirSync(folder.path), ["Pulumi.prod.yaml"]);
});

test("a stack file without a config is not written to", () => {
  for (const text of ["", "a: 1\n", "config: [\n"])
    assert.throws(() => putSecret({ name: "Pulumi.x.yaml", text }, "semail:eabKey", "v1:a"), {
      message: /^Pulumi\.x\.yaml has no config/,
    });
});
