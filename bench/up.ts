/**
 * `npm run bench -- up`: how long an update takes. With `--cold` also from a fresh clone with nothing built: tools,
 * images and packages anew (an existing Docker engine is used, and its images of this project are removed first).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Docker from "dockerode";
import { execa } from "execa";
import { deliverAsStranger, loginOf, readMail } from "../test/support/mail.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../test/support/project.ts";
import { PREVIEW_ENV } from "../tools/bootstrap/pulumi.ts";
import { atMost, type Row, ratioAtMost, report } from "./support/result.ts";

const ROOT = join(import.meta.dirname, "..");
const PEOPLE = 1_000;

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

async function baseKeys(): Promise<StackKeys> {
  return {
    domain: "bench.test",
    dns: { provider: "dev", ttl: 300 },
    ports: await stackPorts(),
    protect: false,
    keepVolumes: false,
  };
}

async function withProject<T>(keys: StackKeys, work: (project: TestProject) => Promise<T>): Promise<T> {
  const project = await makeProject(keys);
  try {
    return await work(project);
  } finally {
    await project.dispose();
  }
}

/** Warm start, no change, one more person. */
async function updates(): Promise<Row[]> {
  const base = await baseKeys();
  const users = { alice: { name: "Alice" }, bob: { name: "Bob" } };
  return withProject({ ...base, users }, async (project) => {
    const up = () => project.stack.up({ suppressOutputs: true });
    await up();
    await project.stack.destroy({ suppressOutputs: true });
    const warm = await seconds(up);
    const noop = await seconds(up);
    const person = await seconds(async () => {
      await project.configure({ ...base, users: { ...users, carol: { name: "Carol" } } });
      await up();
      const summary = await project.summary();
      await deliverAsStranger(summary, { from: "a@stranger.test", to: "carol@bench.test", subject: "first" });
      await readMail(summary, loginOf(summary, "carol"), "first");
    });
    return [
      atMost("warm start from down", "s", warm, 90),
      atMost("update without changes", "s", noop, 12),
      atMost("config diff to the new person's first mail read", "s", person, 20),
    ];
  });
}

/** As many components and custom resources as `PEOPLE` people have, doing nothing. */
const FLOOR = `
Error.stackTraceLimit = 0; // as in index.ts: the floor is the engine's, not the SDK's traces
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
for (let i = 0; i < ${PEOPLE}; i++) {
  const parent = new pulumi.ComponentResource("bench:index:Trivial", "t" + i);
  for (const part of ["a", "b", "c"]) new docker.Volume("t" + i + part, { name: "t" + i + part }, { parent });
}
`;

/** A preview of many people, and of as many trivial resources through the same engine. */
async function largePreview(): Promise<Row[]> {
  const users = Object.fromEntries(
    Array.from({ length: PEOPLE }, (_, index) => [`user${index}`, { name: `User ${index}` }]),
  );
  return withProject({ ...(await baseKeys()), users }, async (project) => {
    // As `npm run preview` does.
    for (const [name, value] of Object.entries(PREVIEW_ENV)) project.stack.workspace.envVars[name] = value;
    const preview = () => seconds(() => project.stack.preview());
    const ours = await preview();
    await writeFile(join(project.folder, "index.ts"), FLOOR);
    const theirs = await preview();
    const metric = `preview of ${PEOPLE} people`;
    const row = { metric, unit: "s", ours, peer: "trivial resources", theirs };
    return [atMost(metric, "s", ours, 60), ratioAtMost(row, 1.5)];
  });
}

/** \`npm run up\` in a fresh clone. */
async function cold(): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), "semail-cold-"));
  const docker = new Docker();
  const images = await docker.listImages({ filters: { reference: ["semail/*", "debian:trixie-slim"] } });
  for (const { Id } of images) await docker.getImage(Id).remove({ force: true });
  try {
    await execa("git", ["clone", "--quiet", ROOT, join(folder, "semail")]);
    const cwd = join(folder, "semail");
    const env = {
      SEMAIL_CACHE: join(folder, "cache"),
      GOCACHE: join(folder, "gocache"),
      GOMODCACHE: join(folder, "gomod"),
      GOFLAGS: "-modcacherw",
      npm_config_cache: join(folder, "npm"),
    };
    const whole = await seconds(() => execa("npm", ["run", "up"], { cwd, env, stdio: "inherit" }));
    await execa("npm", ["run", "down", "--", "--purge", "--yes"], { cwd, env, stdio: "inherit" });
    return [atMost("cold `npm run up`", "min", whole / 60, 15)];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const rows = process.argv.includes("--cold") ? await cold() : [];
rows.push(...(await updates()), ...(await largePreview()));
await report("up", rows);
