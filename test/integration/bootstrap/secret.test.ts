/** A secret that goes into the stack file, by a real Pulumi; needs no engine. */
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { secret } from "../../../tools/bootstrap/commands/secret.ts";
import { type Context, sayWith } from "../../../tools/bootstrap/context.ts";
import { openPulumi } from "../../../tools/bootstrap/session.ts";
import { makeProject, type TestProject } from "../../support/project.ts";

const VALUE = "a-token-that-nobody-sees";

let project: TestProject;
let context: Context;
const lines: string[] = [];
const file = () => readFile(join(project.folder, "Pulumi.test.yaml"), "utf8");

before(async () => {
  project = await makeProject({ domain: "a.test", users: { alice: { name: "Alice" } } });
  const { signal } = new AbortController();
  const say = sayWith((line) => lines.push(line));
  // A home of its own: the commands put the docker provider of their checkout there, and this one goes.
  const env = { ...process.env, PULUMI_HOME: undefined };
  context = { root: project.folder, env, signal, hurry: signal, say };
});
after(() => rm(project.folder, { recursive: true, force: true }));

test("it is encrypted in the stack file, said nowhere, and what Pulumi reads is what was given", async () => {
  const before = await file();
  await secret(context, { stack: "test", name: "gandiToken", value: `${VALUE}\n` });
  const text = await file();
  assert.ok(text.startsWith(before.slice(0, before.indexOf("config:"))));
  assert.match(text, /semail:gandiToken:\n\s+secure: v1:/);
  assert.doesNotMatch(`${text}${lines.join("\n")}`, new RegExp(VALUE));
  assert.deepEqual(await project.stack.getConfig("semail:gandiToken"), { value: VALUE, secret: true });
  assert.equal((await project.stack.getConfig("semail:domain")).value, "a.test");
});

test("another one takes its place", async () => {
  await secret(context, { stack: "test", name: "gandiToken", value: "another" });
  assert.equal((await project.stack.getConfig("semail:gandiToken")).value, "another");
});

test("it is the first command on a stack, whose keys stay out of the stack file", async () => {
  const path = join(project.folder, "Pulumi.bare.yaml");
  await writeFile(path, "config:\n  semail:domain: a.test\n");
  await secret(context, { stack: "bare", name: "gandiToken", value: VALUE });
  assert.match(
    await readFile(path, "utf8"),
    /^config:\n {2}semail:domain: a\.test\n {2}semail:gandiToken:\n {4}secure: v1:\S+\n$/,
  );
  const { stack, pulumi } = await openPulumi(context, "bare");
  const target = ["--stack", "bare", "--config-file", stack.configFile];
  assert.equal((await pulumi.query(["config", "get", "semail:gandiToken", ...target])).trim(), VALUE);
});

test("what is no secret of a stack is refused", async () => {
  await assert.rejects(secret(context, { stack: "test", name: "domain", value: "b.test" }), {
    name: "Fault",
    message: "domain is no secret of a stack.",
  });
  await assert.rejects(secret(context, { stack: "test", name: "eabKey", value: "\n" }), {
    message: "There is no value.",
  });
});
