import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseMaker } from "../../../tools/bootstrap/base-image.ts";
import {
  chooseEngine,
  type EngineFacts,
  isApiRecent,
  parseDockerHost,
} from "../../../tools/bootstrap/engine-choice.ts";
import type { Machine } from "../../../tools/bootstrap/machine.ts";

function machine(facts: Partial<Omit<Machine, "has">> & { programs?: string[] }): Machine {
  const { programs = [], ...rest } = facts;
  return { root: false, debian: false, systemd: false, has: (name) => programs.includes(name), ...rest };
}

const noSocket = "connect ENOENT /var/run/docker.sock";
const down = (facts: Parameters<typeof machine>[0], over: Partial<EngineFacts> = {}): EngineFacts => ({
  configured: undefined,
  error: noSocket,
  machine: machine(facts),
  ...over,
});

const choices: [name: string, facts: EngineFacts, kind: string, remedy?: RegExp][] = [
  ["root on Debian without Docker installs it", down({ root: true, debian: true }), "install"],
  ["root with a dockerd starts it", down({ root: true, programs: ["dockerd"] }), "start"],
  ["root on another system is told to install", down({ root: true }), "explain", /Install Docker 20\.10/],
  ["a user on Debian is told the package", down({ debian: true }), "explain", /apt-get install docker\.io/],
  [
    "a user with a dockerd is told to start it",
    down({ programs: ["dockerd"] }),
    "explain",
    /`dockerd` as root/,
  ],
  [
    "a user under systemd is told how",
    down({ systemd: true, programs: ["dockerd"] }),
    "explain",
    /systemctl start/,
  ],
  [
    "a user who may not talk to it is told the group",
    down({ debian: true, programs: ["dockerd"] }, { error: "connect EACCES /var/run/docker.sock" }),
    "explain",
    /usermod -aG docker/,
  ],
  [
    "a configured engine is never replaced by another",
    down({ root: true, debian: true }, { configured: "tcp://far:2375" }),
    "explain",
    /correct DOCKER_HOST/,
  ],
];
for (const [name, facts, kind, remedy] of choices) {
  test(`no engine answers: ${name}`, () => {
    const choice = chooseEngine(facts);
    assert.equal(choice.kind, kind);
    if (choice.kind === "explain" && remedy) assert.match(choice.remedy, remedy);
  });
}

test("systemd starts the engine where it runs", () => {
  const facts = { root: true, programs: ["dockerd"] };
  assert.deepEqual(chooseEngine(down({ ...facts, systemd: true })), { kind: "start", systemd: true });
  assert.deepEqual(chooseEngine(down(facts)), { kind: "start", systemd: false });
});

test("the fault names the address and the engine's own error", () => {
  const choice = chooseEngine(down({}, { configured: "unix:///no.sock", error: "connect ENOENT /no.sock" }));
  assert.ok(choice.kind === "explain");
  assert.match(choice.cause, /unix:\/\/\/no\.sock.*ENOENT/);
});

const apis: [version: string, recent: boolean][] = [
  ["1.41", true],
  ["1.50", true],
  ["2.0", true],
  ["1.40", false],
  // Not a decimal fraction.
  ["1.9", false],
  ["", false],
];
for (const [version, recent] of apis) {
  test(`engine API "${version}" is ${recent ? "taken" : "refused"}`, () =>
    assert.equal(isApiRecent(version), recent));
}

const hosts: [text: string, tls: boolean, connection: ReturnType<typeof parseDockerHost>][] = [
  ["unix:///run/d.sock", false, { socketPath: "/run/d.sock" }],
  ["tcp://h:1234", false, { protocol: "http", host: "h", port: 1234 }],
  ["tcp://h", false, { protocol: "http", host: "h", port: 2375 }],
  ["tcp://h", true, { protocol: "https", host: "h", port: 2376 }],
  ["tcp://[::1]:99", false, { protocol: "http", host: "::1", port: 99 }],
  ["ssh://me@h", false, { protocol: "ssh", host: "h", port: 22, username: "me" }],
  ["ssh://h:2222", false, { protocol: "ssh", host: "h", port: 2222 }],
  ["h:2375", false, undefined],
  ["npipe:////./pipe/docker_engine", false, undefined],
];
for (const [text, tls, connection] of hosts) {
  test(`DOCKER_HOST ${text}${tls ? " with TLS" : ""}`, () =>
    assert.deepEqual(parseDockerHost(text, tls), connection));
}

const makers: [Parameters<typeof machine>[0], string][] = [
  [{ root: true, debian: true, programs: ["mmdebstrap"] }, "ready"],
  [{ root: true, debian: true }, "install"],
  [{ root: true }, "impossible"],
  [{ debian: true, programs: ["mmdebstrap"] }, "impossible"],
];
for (const [facts, maker] of makers) {
  test(`making the base image as ${JSON.stringify(facts)}: ${maker}`, () => {
    assert.equal(chooseMaker(machine(facts)), maker);
  });
}
