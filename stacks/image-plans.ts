/** Build contexts of the container images: which files, and the tag that their content gives. */
import { createHash } from "node:crypto";
import { copyFile, link, mkdir, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { BuildPlan, ImagePlans, ServiceImage } from "../components/mail-images.ts";
import { bundleCache } from "../tools/bundle-cache.ts";
import type { MailModel } from "./model.ts";

/** Relative to the project's folder, so that the state doesn't depend on where the checkout is. */
const SOURCES = "mailserver/images";
const STAGED = ".semail/build";
const BUNDLES = ".semail/bundles";

const DAEMONS: Partial<Record<ServiceImage, string>> = {
  "smtp-in": "mailserver/smtp-in/main.ts",
  "smtp-out": "mailserver/smtp-out/main.ts",
  livedns: "tools/livedns/main.ts",
  portal: "mailserver/portal/main.ts",
  operator: "operator/main.ts",
  backup: "mailserver/backup/main.ts",
  "backup-timer": "operator/backup-timer/main.ts",
  certifier: "mailserver/certifier/main.ts",
};

/** A file that a context gets besides those of its folder. */
interface Extra {
  readonly name: string;
  /** What stands for the content in the hash. */
  readonly identity: string | Uint8Array;
  readonly place: (target: string) => Promise<void>;
}

/** The plans of all images that the model needs, their contexts made ready. */
export async function planImages(
  model: Pick<MailModel, "images" | "dns" | "portal" | "backup"> & {
    certificates: Pick<MailModel["certificates"], "kind">;
  },
): Promise<ImagePlans> {
  const { images } = model;
  const pinned: Partial<Record<ServiceImage, string | undefined>> = {
    directory: images.directory,
    box: images.box,
    access: images.access,
    guard: images.guard,
    resolver: images.resolver,
    "smtp-in": images.smtpIn,
    "smtp-out": images.smtpOut,
    livedns: images.livedns,
    backup: images.backup,
    certifier: images.certifier,
  };
  const bundled = bundleCache(BUNDLES);
  const base = await plan("base", { BASE_IMAGE: images.base, EDITION: images.edition }, []);
  const onBase = async (name: string, extras: Extra[]): Promise<BuildPlan> => ({
    ...(await plan(name, { BASE_IMAGE: base.tag }, extras)),
    on: "base",
  });
  const node = await onBase("node", [await nodeBinary()]);
  const service = async (name: ServiceImage): Promise<[ServiceImage, BuildPlan | { tag: string }]> => {
    const tag = pinned[name];
    if (tag !== undefined) return [name, { tag }];
    const entry = DAEMONS[name];
    if (entry === undefined) return [name, await onBase(name, [])];
    return [
      name,
      { ...(await plan(name, { NODE_IMAGE: node.tag }, [bundle(await bundled(entry))])), on: "node" },
    ];
  };
  const names: ServiceImage[] = ["guard", "directory", "box", "access", "resolver", "smtp-in", "smtp-out"];
  if (model.dns.provider === "dev") names.push("livedns");
  if (model.portal.enabled) names.push("portal", "operator");
  if (model.backup.enabled) names.push("backup");
  if (model.backup.enabled && model.backup.schedule.length > 0) names.push("backup-timer");
  if (model.certificates.kind === "acme") names.push("certifier");
  return { base, node, ...Object.fromEntries(await Promise.all(names.map(service))) };
}

async function plan(name: string, buildArgs: Record<string, string>, extras: Extra[]): Promise<BuildPlan> {
  const source = join(SOURCES, name);
  const hash = createHash("sha256").update(JSON.stringify(buildArgs));
  for (const file of await filesOf(source)) {
    const mode = (await stat(join(source, file))).mode & 0o111 ? "x" : "-";
    hash.update(`\0${file}\0${mode}\0`).update(await readFile(join(source, file)));
  }
  for (const extra of extras) hash.update(`\0${extra.name}\0`).update(extra.identity);
  const digest = hash.digest("hex").slice(0, 12);
  const context =
    extras.length === 0 ? source : await stage(source, join(STAGED, `${name}-${digest}`), extras);
  return { tag: `semail/${name}:${digest}`, context, buildArgs };
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** Puts the folder's files and the extras together; a context that is there already is complete. */
async function stage(source: string, target: string, extras: readonly Extra[]): Promise<string> {
  const ready = join(target, ".dockerignore");
  if (await stat(ready).catch(() => undefined)) return target;
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  for (const file of await filesOf(source)) {
    await mkdir(dirname(join(target, file)), { recursive: true });
    await copyFile(join(source, file), join(target, file));
  }
  for (const extra of extras) await extra.place(join(target, extra.name));
  // Written last: it says that the context is whole.
  await writeFile(ready, ".dockerignore\n");
  return target;
}

const bundle = (code: Uint8Array): Extra => ({
  name: "main.mjs",
  identity: code,
  place: (target) => writeFile(target, code),
});

/** The Node.js that the daemons run on is the one that the project's own package brings. */
async function nodeBinary(): Promise<Extra> {
  const require = createRequire(join(process.cwd(), "package.json"));
  const manifest = require.resolve("node/package.json");
  const { version } = JSON.parse(await readFile(manifest, "utf8")) as { version: string };
  const binary = await realpath(join(dirname(manifest), "bin", "node"));
  return {
    name: "node",
    identity: `${version} ${process.arch}`,
    // 120 MB: a hard link costs nothing where the file system has them.
    place: (target) => link(binary, target).catch(() => copyFile(binary, target)),
  };
}
