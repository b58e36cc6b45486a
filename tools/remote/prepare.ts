/** Sees to it that a host can carry the stack, before anything is put on it. Idempotent. */
import Docker from "dockerode";
import type { Say } from "../bootstrap/context.ts";
import { refuseOldEngine, unreachable } from "../bootstrap/engine.ts";
import { Fault } from "../bootstrap/fault.ts";
import { nameOf } from "./access.ts";
import { checkBoot, type HostCheck } from "./boot.ts";
import { checkBridges } from "./bridges.ts";
import type { Connection } from "./connection.ts";
import { installPackages, SET_IP6TABLES, START_AT_BOOT, START_ENGINE } from "./install.ts";
import { judgeMachine, type NeededPort, type Needs, type Publication, takenPorts } from "./judge.ts";
import type { Trouble } from "./ssh-faults.ts";
import { type HostFacts, readSurvey, SURVEY } from "./survey.ts";

export interface PrepareOptions {
  /** Begins the names of what the stack has there. */
  readonly prefix: string;
  readonly ports: readonly NeededPort[];
  readonly firewall: boolean;
  /** Whether what is missing may be installed. */
  readonly install: boolean;
  /** A preview: nothing is changed, and what would be is told. */
  readonly dryRun?: boolean;
  readonly say: Say;
}

/** What was found of the engine. */
export interface RemoteEngine {
  readonly docker: Docker;
  readonly version: string;
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64" };
/** systemd takes connections for an engine that is still starting, as after a boot. */
const ANSWERS_WITHIN_MS = 60_000;
/** The first version that keeps the clients' IPv6 addresses without being told to. */
const IP6TABLES_SINCE = 27;

/** One that was looked at. */
export interface PreparedHost extends RemoteEngine {
  /** Whether it comes back by itself after a restart. */
  readonly boot: readonly HostCheck[];
}

/** Checks the host, installs what is missing where that is allowed; throws a Fault that lists everything else. */
export async function prepareHost(connection: Connection, options: PrepareOptions): Promise<PreparedHost> {
  const needs: Needs = {
    user: connection.access.user,
    install: options.install,
    firewall: options.firewall,
    ports: options.ports,
    now: Date.now() / 1_000,
    arch: ARCHITECTURES[process.arch] ?? process.arch,
  };
  let facts = await look(connection);
  const verdict = judgeMachine(facts, needs);
  refuse(connection, verdict.troubles);
  if (verdict.packages.length > 0 || verdict.start) {
    if (options.dryRun) throw lacking(connection, verdict.packages);
    await bring(connection, facts, verdict.packages, options.say);
    facts = await look(connection);
    refuse(connection, judgeMachine(facts, { ...needs, install: false }).troubles);
  }
  const docker = new Docker({ socketPath: connection.socket });
  const version = await engineVersion(connection, docker);
  await keepAddresses(connection, { facts, version, options });
  const published = await publications(docker, options.prefix);
  refuse(connection, takenPorts(options.ports, facts.listeners, published));
  return { docker, version, boot: await keepAtBoot(connection, facts, options) };
}

/** The engine of a host that is taken as it is. */
export async function remoteEngine(connection: Connection): Promise<RemoteEngine> {
  const docker = new Docker({ socketPath: connection.socket });
  return { docker, version: await engineVersion(connection, docker) };
}

/** Looks at a host and nothing else. */
export async function lookAtHost(connection: Connection, firewall: boolean): Promise<HostCheck[]> {
  const facts = await look(connection);
  return [...checkBoot(facts, { firewall }), checkBridges(facts)];
}

async function look(connection: Connection): Promise<HostFacts> {
  const { stdout, stderr } = await connection.run(SURVEY);
  const facts = readSurvey(stdout);
  if (facts) return facts;
  throw new Fault(
    `${nameOf(connection.access)} doesn't tell what it is like.`,
    `${stderr.trim()}\nIs it Debian or Ubuntu, and does its user have a shell that runs \`sh\`?`.trim(),
  );
}

function refuse({ access }: Connection, troubles: readonly Trouble[]): void {
  const [only, ...more] = troubles;
  if (!only) return;
  const name = nameOf(access);
  if (more.length === 0) throw new Fault(`${name} can't carry the stack: ${only.cause}`, only.remedy);
  const lines = troubles.flatMap(({ cause, remedy }) => [
    `- ${cause}`,
    ...remedy.split("\n").map((line) => `  ${line}`),
  ]);
  throw new Fault(`${name} can't carry the stack, for ${troubles.length} reasons.`, lines.join("\n"));
}

const lacking = ({ access }: Connection, packages: readonly string[]): Fault =>
  new Fault(
    `${nameOf(access)} lacks ${packages.length > 0 ? packages.join(", ") : "a running Docker engine"}: nothing can be compared yet.`,
    "`npm run up` brings it, since semail:host.install is true.",
  );

async function bring(
  connection: Connection,
  { admin }: HostFacts,
  packages: readonly string[],
  say: Say,
): Promise<void> {
  const name = nameOf(connection.access);
  if (packages.length > 0) {
    say.doing(`installing ${packages.join(", ")} on ${name}`, "once, about 1 min");
    await must(connection, installPackages(packages), admin, `${name} can't install ${packages.join(", ")}.`);
  }
  say.doing(`starting the Docker engine of ${name}`, "a few seconds");
  await must(connection, START_ENGINE, admin, `The Docker engine of ${name} does not start.`);
}

async function must(
  connection: Connection,
  script: string,
  admin: HostFacts["admin"],
  cause: string,
): Promise<void> {
  const { code, stdout, stderr } = await connection.run(script, { sudo: admin === "sudo" });
  if (code === 0) return;
  const said = `${stdout}\n${stderr}`.trim().split("\n").slice(-10).join("\n");
  throw new Fault(cause, `${said}\nPut that in order there, then run this again.`);
}

async function engineVersion({ access }: Connection, docker: Docker): Promise<string> {
  const error = await unreachable(docker, ANSWERS_WITHIN_MS);
  if (error === undefined) return refuseOldEngine(docker);
  throw new Fault(
    `The Docker engine of ${nameOf(access)} does not answer: ${error}`,
    "See that it runs (`systemctl status docker`), that the user may use it (`docker ps`), and that sshd forwards\n" +
      "sockets and ports (AllowTcpForwarding and AllowStreamLocalForwarding are `yes`, and DisableForwarding is `no`).",
  );
}

/** Has the engine start at boot where things may be installed; whether all does is for others to tell. */
async function keepAtBoot(
  connection: Connection,
  facts: HostFacts,
  { firewall, install, dryRun, say }: PrepareOptions,
): Promise<readonly HostCheck[]> {
  const found = checkBoot(facts, { firewall });
  const [engine] = found;
  if (!engine?.trouble || !install || facts.admin === "no" || dryRun) return found;
  const name = nameOf(connection.access);
  say.doing(`having the Docker engine of ${name} start at boot`);
  await must(
    connection,
    START_AT_BOOT,
    facts.admin,
    `The Docker engine of ${name} can't be set to start at boot.`,
  );
  return checkBoot(await look(connection), { firewall });
}

/** With its older default the engine's proxy is the client of whoever comes over IPv6. */
async function keepAddresses(
  connection: Connection,
  { facts, version, options }: { facts: HostFacts; version: string; options: PrepareOptions },
): Promise<void> {
  const wanted = options.ports.some(({ binds }) => binds.some((bind) => bind.includes(":")));
  if (!wanted || facts.ip6tables || Number.parseInt(version, 10) >= IP6TABLES_SINCE) return;
  if (options.install && !facts.configured && facts.admin !== "no" && !options.dryRun) {
    options.say.doing("having the Docker engine keep the addresses of IPv6 clients");
    return must(connection, SET_IP6TABLES, facts.admin, "The Docker engine does not take its new settings.");
  }
  refuse(connection, [
    {
      cause: `Docker ${version} hides the addresses of IPv6 clients, which SPF and the limits go by.`,
      remedy:
        'Put {"experimental": true, "ip6tables": true} into /etc/docker/daemon.json there, then `systemctl restart docker`;\n' +
        "or take address6 and bind6 out of semail:host.",
    },
  ]);
}

async function publications(docker: Docker, prefix: string): Promise<Publication[]> {
  const containers = await docker.listContainers();
  return containers.flatMap(({ Names, Labels, Ports }) =>
    Ports.flatMap(({ PublicPort, IP }) =>
      PublicPort
        ? [
            {
              ...{ port: PublicPort, address: IP, container: (Names[0] ?? "").replace(/^\//, "") },
              own: Labels["io.semail.stack"] === prefix,
            },
          ]
        : [],
    ),
  );
}
