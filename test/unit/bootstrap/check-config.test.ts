import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { checkStackConfig } from "../../../tools/bootstrap/check-config.ts";
import { preview } from "../../../tools/bootstrap/commands/preview.ts";
import { up } from "../../../tools/bootstrap/commands/up.ts";
import { type Context, sayWith } from "../../../tools/bootstrap/context.ts";
import { Fault } from "../../../tools/bootstrap/fault.ts";

const check = (config: string) =>
  checkStackConfig({ project: "semail", committed: { name: "Pulumi.dev.yaml", text: `config:\n${config}` } });

const right: [name: string, config: string][] = [
  ["the least there can be", "  semail:domain: a.test\n"],
  ["keys without the project's name", "  domain: a.test\n"],
  ["others' keys", "  semail:domain: a.test\n  gcp:zone: 5\n"],
  ["a secret that only Pulumi can read", "  semail:domain: a.test\n  semail:gandiToken:\n    secure: v1:x\n"],
  ["a secret where none is usual: Pulumi can read it", "  semail:domain:\n    secure: v1:x\n"],
  [
    "a secret within a key",
    "  semail:domain: a.test\n  semail:postmaster: bob\n  semail:users:\n    bob: { name: { secure: v1:x } }\n",
  ],
  [
    "people who share what is written once",
    "  semail:domain: a.test\n  semail:users:\n    bob: &all { name: Bob }\n    eve: { <<: *all, name: Eve }\n",
  ],
  ["a person", "  semail:domain: a.test\n  semail:users:\n    bob: { name: Bob }\n"],
];
for (const [name, config] of right) {
  test(`a stack file passes with ${name}`, () => assert.doesNotThrow(() => check(config)));
}

const wrong: [name: string, config: string, cause: RegExp, remedy: RegExp][] = [
  ["nothing in it", "", /^Pulumi\.dev\.yaml has 1 problem;/, /semail:domain: is missing/],
  [
    "an unknown key",
    "  semail:domain: a.test\n  semail:usrs: {}\n",
    /1 problem;/,
    /semail:usrs: is not a known key/,
  ],
  [
    "a choice that isn't there",
    "  semail:domain: a.test\n  semail:dns: { provider: route53 }\n",
    /1 problem;/,
    /semail:dns\.provider: must be one of dev, gandi, none/,
  ],
  [
    "several faults, all told",
    "  semail:domain: a\n  semail:users:\n    bob: {}\n",
    /2 problems;/,
    /semail:domain: must be a domain name.*semail:users\.bob\.name: is missing.*docs\/configuration\.md/s,
  ],
];
for (const [name, config, cause, remedy] of wrong) {
  test(`a stack file is refused before anything is started, with ${name}`, () => {
    assert.throws(
      () => check(config),
      (error) => {
        assert.ok(error instanceof Fault);
        assert.match(error.message, cause);
        assert.match(error.remedy, remedy);
        return true;
      },
    );
  });
}

const options = {
  stack: "dev",
  unlock: false,
  color: false,
  refresh: false,
  diff: false,
  comment: undefined,
  expectNoChanges: false,
};
const commands = { up, preview };
for (const [name, command] of Object.entries(commands)) {
  test(`\`${name}\` says what is wrong with the stack file before it looks for an engine`, async () => {
    const root = mkdtempSync(join(tmpdir(), "semail-t-config-"));
    try {
      writeFileSync(join(root, "Pulumi.yaml"), "name: semail\nruntime: nodejs\n");
      writeFileSync(join(root, "Pulumi.dev.yaml"), "config:\n  semail:domain: nodots\n");
      const said: string[] = [];
      const { signal } = new AbortController();
      const env = { PATH: "", DOCKER_HOST: `unix://${join(root, "none.sock")}` };
      const context: Context = { root, env, signal, hurry: signal, say: sayWith((line) => said.push(line)) };
      await assert.rejects(command(context, options), { message: /^Pulumi\.dev\.yaml has 1 problem;/ });
      assert.deepEqual(said, []);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
}
