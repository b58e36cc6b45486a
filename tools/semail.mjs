#!/usr/bin/env node
/**
 * Entry of every npm script. Runs on Node 20 with nothing installed: brings the npm packages, among them the Node
 * that the project is written for, and hands the command to tools/bootstrap/main.ts under that Node.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { withLock } from "./bootstrap/lock.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const signals = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Ends the run with a message for the user; without one it was stopped by a signal. */
class Fault extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

const readJson = (...path) => JSON.parse(readFileSync(join(root, ...path), "utf8"));

/** Help of one command, or the list of commands. */
function help(commands, name) {
  const command = commands[name];
  if (!command) {
    const lines = Object.entries(commands).map(([key, { about }]) => `  ${key.padEnd(9)}${about}`);
    return ["Usage: node tools/semail.mjs COMMAND [options]", "", ...lines].join("\n");
  }
  const options = { ...command.options, help: { about: "this text" } };
  const lines = Object.entries(options).map(
    ([key, { value, about }]) => `  ${`--${key}${value ? ` ${value}` : ""}`.padEnd(18)}${about}`,
  );
  return [`Usage: ${command.usage}`, "", command.about, "", ...lines].join("\n");
}

/** Runs a program to its end, its output shown, signals passed on; answers its exit code. */
function run(file, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, stdio: "inherit", ...options });
    const pass = (signal) => child.kill(signal);
    for (const signal of signals) process.on(signal, pass);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      for (const name of signals) process.off(name, pass);
      resolve(code ?? { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal] ?? 1);
    });
  });
}

/** True when what npm says it installed is what the lock file asks for (a developer ran `npm install`). */
function installedMatches() {
  try {
    const wanted = readJson("package-lock.json").packages;
    const have = readJson("node_modules", ".package-lock.json").packages;
    return Object.entries(wanted).every(
      ([path, entry]) =>
        path === "" ||
        !path.includes("node_modules/") ||
        entry.optional ||
        entry.peer ||
        entry.link ||
        (have[path]?.version === entry.version && have[path]?.integrity === entry.integrity),
    );
  } catch {
    return false;
  }
}

/** `npm ci` unless the packages of this lock file are there. */
async function ensurePackages() {
  const stamp = join(modules, ".semail-lock");
  const wanted = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  if (!installedMatches()) {
    if (spawnSync("npm", ["--version"], { stdio: "ignore" }).status !== 0) {
      throw new Fault("npm is not on PATH.\n  Install it (it comes with Node.js), then run this again.");
    }
    console.log("… installing the npm packages (once, 1 to 2 min)");
    // No install scripts: none is needed but the one that ensureNode runs, and some npm versions hold them back.
    const code = await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    if (code > 128) throw new Fault("", code);
    if (code !== 0) {
      throw new Fault(
        "npm could not install the packages (see above).\n" +
          "  Check that the npm registry can be reached and that the disk has room, then run this again.",
      );
    }
    console.log("✓ npm packages");
  }
  writeFileSync(stamp, wanted);
}

const works = (binary) =>
  existsSync(binary) && spawnSync(binary, ["--version"], { stdio: "ignore" }).status === 0;

/** The Node of the npm package `node`, wherever this npm put it; undefined when it isn't there. */
function findNode() {
  const usual = join(modules, "node", "bin", "node");
  // It is linked there in one step once complete, so being there is proof enough.
  if (existsSync(usual)) return usual;
  const { platform, arch } = process;
  const name = `${platform === "darwin" && arch === "arm64" ? "node-bin" : "node"}-${platform}-${arch}`;
  const places = [join(modules, "node", "node_modules", name), join(modules, name)];
  return places.map((place) => join(place, "bin", "node")).find(works);
}

/** Brings the Node that the project runs on: the npm package's own set-up, or this Node if it is recent. */
async function ensureNode() {
  const found = findNode();
  if (found) return found;
  console.log("… fetching Node 24 from npm (once, half a minute)");
  const code = await run(process.execPath, ["installArchSpecificPackage.js"], {
    cwd: join(modules, "node"),
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      npm_config_loglevel: "error",
      npm_config_audit: "false",
      npm_config_fund: "false",
    },
  });
  if (code > 128) throw new Fault("", code);
  const node = findNode();
  if (node) return node;
  if (Number.parseInt(process.versions.node, 10) >= 24) return process.execPath;
  throw new Fault(
    `The npm package "node" gave no Node for ${process.platform}-${process.arch}.\n` +
      "  Check that the npm registry can be reached and run this again, or install Node 24 yourself.",
  );
}

/** Without a lock two first runs at once would each empty node_modules under the other. */
function prepare() {
  const state = join(root, ".semail");
  mkdirSync(state, { recursive: true, mode: 0o700 });
  const onWait = ({ pid }) =>
    console.log(`… waiting for the other run (process ${pid}) to install the packages`);
  return withLock(join(state, "packages.lock"), { onWait }, async () => {
    await ensurePackages();
    return ensureNode();
  });
}

async function main([name, ...args]) {
  if (Number.parseInt(process.versions.node, 10) < 20) {
    throw new Fault(
      `Node ${process.versions.node} is too old.\n  Install Node.js 20 or newer, then run this again.`,
    );
  }
  const commands = readJson("tools", "bootstrap", "commands.json");
  const ours = args.slice(0, args.includes("--") ? args.indexOf("--") : args.length);
  if (!commands[name] || ours.includes("--help") || ours.includes("-h")) {
    const asked = !name || name === "--help" || name === "-h" || commands[name];
    if (!asked) console.error(`There is no command "${name}".\n`);
    console.log(help(commands, name));
    return asked ? 0 : 2;
  }
  const node = await prepare();
  const path = [dirname(node), join(modules, ".bin"), process.env.PATH].filter(Boolean).join(delimiter);
  const env = { ...process.env, PATH: path };
  return run(
    node,
    ["--disable-warning=ExperimentalWarning", join(root, "tools", "bootstrap", "main.ts"), name, ...args],
    {
      env,
    },
  );
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  if (error.message) console.error(`✗ ${error.message}`);
  process.exitCode = error.exitCode;
}
