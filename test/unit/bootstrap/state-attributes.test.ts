/** What Pulumi leaves half written beside its state when it is killed. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { removeHalfAttributes } from "../../../tools/bootstrap/state-attributes.ts";

const backend = mkdtempSync(join(tmpdir(), "semail-t-state-"));
after(() => rmSync(backend, { recursive: true }));
const WHOLE = '{"user.content_type":"text/plain; charset=utf-8","md5":"DQYmEsnXBfDhLmt2BT4UFg=="}';

test("half attributes go, beside states and locks, and nothing else does", () => {
  const files: Readonly<Record<string, readonly [text: string, stays: boolean]>> = {
    "meta.yaml": ["version: 1\n", true],
    "meta.yaml.attrs": ["", false],
    "stacks/semail/dev.json": ['{"version": 3}', true],
    "stacks/semail/dev.json.attrs": ["", false],
    "stacks/semail/dev.json.bak": ["", true],
    "stacks/semail/dev.json.bak.attrs": [WHOLE, true],
    "stacks/semail/prod.json": ["", true],
    "stacks/semail/prod.json.attrs": [WHOLE.slice(0, 40), false],
    "locks/organization/semail/dev/1.json": ["{", true],
    "locks/organization/semail/dev/1.json.attrs": ["{", false],
    "history/semail/dev/dev-1.history.json.attrs": ["", true],
  };
  for (const [name, [text]] of Object.entries(files)) {
    const path = join(backend, ".pulumi", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  // Of that name, and none: what can't be read is left alone.
  mkdirSync(join(backend, ".pulumi/stacks/semail/odd.json.attrs"));
  removeHalfAttributes(backend);
  assert.ok(existsSync(join(backend, ".pulumi/stacks/semail/odd.json.attrs")));
  const wanted = Object.entries(files).flatMap(([name, [, stays]]) => (stays ? [name] : []));
  const left = readdirSync(join(backend, ".pulumi"), { recursive: true }).map(String);
  assert.deepEqual(left.filter((name) => name in files).sort(), wanted.sort());
});

test("a state that does not exist yet has none", () => {
  assert.doesNotThrow(() => removeHalfAttributes(join(backend, "nowhere")));
});
