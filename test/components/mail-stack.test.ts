import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { BlockList } from "node:net";
import { before, describe, it } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { disconnect } from "@pulumi/pulumi/runtime/settings.js";
import type { ImagePlans } from "../../components/mail-images.ts";
import { issueAuthority } from "../../components/providers/certificate/issue.ts";
import { opensshKey } from "../../components/ssh-key.ts";
import type { Pair } from "../../stacks/certificate-files.ts";
import { parseConfig } from "../../stacks/check-config.ts";
import { planRotation, type RotationPlan } from "../../stacks/dkim/rotation.ts";
import { mailStack } from "../../stacks/mail-stack.ts";
import { type MailboxFacts, type MailboxPlan, planMailboxes } from "../../stacks/mailboxes/plan.ts";
import { buildModel } from "../../stacks/model.ts";
import { findOperatorPlace, type OperatorPlace } from "../../stacks/operator-place.ts";
import type { StackConfig } from "../../stacks/schema.ts";
import type { Summary } from "../../stacks/summary.ts";

interface Registered {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

const registered: Registered[] = [];
/** Machines that were connected to, with the key that they were to show. */
const reached: string[] = [];
const ENGINE = "unix://.semail/ssh/dev/docker.sock";
/** Part of the certificate's text: another is another certificate. */
let serial = 1;

const plans: ImagePlans = {
  base: { tag: "semail/base:1", context: "x/base", buildArgs: {} },
  node: { tag: "semail/node:1", context: "x/node", buildArgs: {}, on: "base" },
  guard: { tag: "semail/guard:1", context: "x/guard", buildArgs: {}, on: "base" },
  directory: { tag: "semail/directory:1", context: "x/directory", buildArgs: {}, on: "base" },
  box: { tag: "semail/box:1", context: "x/box", buildArgs: {}, on: "base" },
  access: { tag: "semail/access:1", context: "x/access", buildArgs: {}, on: "base" },
  resolver: { tag: "pinned/resolver:7" },
  "smtp-in": { tag: "semail/smtp-in:1", context: "x/smtp-in", buildArgs: {}, on: "node" },
  "smtp-out": { tag: "semail/smtp-out:1", context: "x/smtp-out", buildArgs: {}, on: "node" },
  operator: { tag: "semail/operator:1", context: "x/operator", buildArgs: {}, on: "node" },
  portal: { tag: "semail/portal:1", context: "x/portal", buildArgs: {}, on: "node" },
  backup: { tag: "semail/backup:1", context: "x/backup", buildArgs: {}, on: "node" },
  "backup-timer": { tag: "semail/backup-timer:1", context: "x/backup-timer", buildArgs: {}, on: "node" },
  certifier: { tag: "semail/certifier:1", context: "x/certifier", buildArgs: {}, on: "node" },
  livedns: { tag: "semail/livedns:1", context: "x/livedns", buildArgs: {}, on: "node" },
};

const PRIVATE_KEY = generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
const PUBLIC_KEY = createPublicKey(PRIVATE_KEY).export({ type: "spki", format: "pem" });
const RAW_KEY = Buffer.alloc(32, 7).toString("base64");
const AUTHORITY = await issueAuthority("Test authority", 2, new Date());

const machine: OperatorPlace = {
  root: "/srv/semail",
  stack: "dev",
  user: 1000,
  group: 998,
  binds: [
    { path: "/srv/semail", readOnly: false },
    { path: "/opt/pulumi", readOnly: true },
  ],
  path: "/usr/local/bin:/opt/pulumi",
  pulumiHome: "/srv/semail/.semail/pulumi-home",
};

/** What a real provider would answer, as far as other resources use it. */
function outputs(type: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const pem = {
    certificatePem: "-----BEGIN CERTIFICATE-----\n",
    privateKeyPem: "-----BEGIN PRIVATE KEY-----\n",
  };
  if (type.endsWith(":RemoteImage")) return { ...inputs, imageId: `sha256:${inputs.name}` };
  if (type.endsWith(":Image")) return { ...inputs, repoDigest: `sha256:${inputs.imageName}` };
  if (type.endsWith(":Certificate"))
    return { ...inputs, ...pem, certificatePem: `${pem.certificatePem}${serial}\n` };
  if (type.includes("RandomSecret")) return { ...inputs, value: "0123456789abcdef0123456789abcdef" };
  if (type.includes("Certificate")) return { ...inputs, ...pem, certificatePem: AUTHORITY.certificatePem };
  if (type.includes("KeyPair"))
    return {
      ...{ ...inputs, privateKeyPem: PRIVATE_KEY },
      ...{ publicKeyPem: PUBLIC_KEY, publicKeyBase64: inputs.algorithm === "ed25519" ? RAW_KEY : "MIIB" },
    };
  if (type.includes("LibvirtImage"))
    return {
      ...inputs,
      recipe: "0123456789abcdef",
      disk: "/i/disk",
      kernel: "/i/vmlinuz",
      initrd: "/i/initrd",
    };
  return inputs;
}

/** Runs the program's components against recording mocks. Unwraps secrets, as a provider that takes none gets them. */
async function declare(
  raw: Record<string, unknown>,
  {
    operatorPlace,
    plan,
    mailboxes,
    pair,
  }: {
    operatorPlace?: OperatorPlace;
    plan?: RotationPlan;
    mailboxes?: Partial<MailboxFacts>;
    pair?: Pair;
  } = {},
): Promise<Summary> {
  registered.length = 0;
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        registered.push({ type, name, inputs });
        return { id: `${name}-id`, state: outputs(type, inputs) };
      },
      call: () => ({}),
    },
    "semail",
    "dev",
  );
  const { config, problems } = parseConfig(raw);
  assert.ok(config, JSON.stringify(problems));
  const { summary } = mailStack({
    model: buildModel(config, { project: "semail", stack: "dev" }),
    plans,
    dkim:
      plan ??
      planRotation({
        ...config.dkim,
        wanted: 1,
        prior: undefined,
        seen: true,
        tidies: true,
        now: new Date(),
      }),
    mailboxes: planned(config, mailboxes),
    gandiToken: undefined,
    operatorPlace,
    pair,
    reach: async ({ address, hostKey }) => {
      reached.push(`${address} ${hostKey}`);
      return ENGINE;
    },
  });
  const result = await new Promise<Summary>((resolve) => summary.apply(resolve));
  await disconnect();
  return result;
}

function planned(config: StackConfig, facts: Partial<MailboxFacts> = {}): MailboxPlan {
  const plan = planMailboxes({ config, prior: undefined, today: "2026-02-01", tidies: true, ...facts });
  assert.ok(!("problems" in plan), JSON.stringify(plan));
  return plan;
}

/** Containers that run; those that only hold settings are never started. */
const running = () => byType("container:Container").filter(({ inputs }) => inputs.start !== false);
const byType = (suffix: string) => registered.filter(({ type }) => type.endsWith(suffix));
const named = (name: string): Registered => {
  const found = registered.find((entry) => entry.name === name);
  assert.ok(found, `no resource ${name} among ${registered.map((entry) => entry.name)}`);
  return found;
};
const plain = <T>(value: unknown): T => (isSecret(value) ? value.value : value) as T;
const isSecret = (value: unknown): value is { value: unknown } =>
  typeof value === "object" && value !== null && "value" in value && Object.keys(value).length === 2;

const splitEnv = (line: string): [string, string] => [line.replace(/=.*/, ""), line.replace(/^[^=]*=/, "")];
const guarding = (): Record<string, string | undefined> =>
  Object.fromEntries((named("guard-rules").inputs.envs as string[]).map(splitEnv));
const frontAddresses = (): string[] => guarding().GUARD_FRONT?.split(" ") ?? [];

/** The settings file of a daemon. */
function settingsOf(name: string): Record<string, unknown> & { resolvers?: string[] } {
  const uploads = plain<{ file: string; content: unknown }[]>(named(`${name}-settings-files`).inputs.uploads);
  const file = uploads.find((upload) => upload.file.endsWith("/settings.json"));
  return JSON.parse(plain<string>(file?.content));
}

describe("the declared stack", () => {
  let summary: Summary;
  before(async () => {
    summary = await declare({
      domain: "example.test",
      dns: { provider: "dev" },
      smtpIn: {
        ...{ tagSeparator: "-", catchAll: "bob", dmarcReject: "junk" },
        clients: { address: { connections: 20 }, blockLists: ["bl.example"] },
      },
      smtpOut: { allowTargets: ["192.168.7.0/24"], limits: { messagesPerDay: 7, exempt: ["bob"] } },
      users: {
        alice: { name: "Alice Martin" },
        bob: { name: "Bob", forward: "bob@example.net", memory: "48MB" },
      },
    });
  });

  it("has three resources and a component per person, and no more", () => {
    const alice = registered.filter(({ name }) => name.startsWith("person-alice"));
    assert.deepEqual(alice.map(({ name, type }) => `${name} ${type}`).sort(), [
      "person-alice semail:index:Mailbox",
      "person-alice-box docker:index/container:Container",
      "person-alice-entry pulumi-nodejs:dynamic/semail:LdapEntry",
      "person-alice-mail docker:index/volume:Volume",
    ]);
  });

  it("runs every container hardened", () => {
    const containers = running();
    assert.equal(containers.length, 9);
    for (const { name, inputs } of containers) {
      // It changes the host's firewall, which nobody but root may; see below.
      const guard = name === "guard-rules";
      const adds = guard ? { adds: ["NET_ADMIN", "NET_RAW"] } : {};
      assert.equal(inputs.readOnly, true, name);
      assert.deepEqual(inputs.capabilities, { drops: ["ALL"], ...adds }, name);
      assert.deepEqual(inputs.securityOpts, ["no-new-privileges:true"], name);
      assert.match(String(inputs.user), guard ? /^0:0$/ : /^[1-9]\d*:[1-9]\d*$/, name);
      assert.ok(Number(inputs.memory) > 0, name);
      assert.equal(inputs.memory, inputs.memorySwap, name);
      assert.ok(inputs.healthcheck, name);
      assert.equal(inputs.privileged, undefined, name);
    }
  });

  it("runs each box as a user of its own, whose processes are counted", () => {
    const [alice, bob] = ["person-alice-box", "person-bob-box"].map((name) => named(name).inputs);
    assert.notEqual(alice?.user, bob?.user);
    assert.match(
      String(alice?.tmpfs && (alice.tmpfs as Record<string, string>)["/run"]),
      new RegExp(`uid=${String(alice?.user).split(":")[0]},`),
    );
    assert.deepEqual(alice?.ulimits, [{ name: "nproc", soft: 256, hard: 256 }]);
  });

  it("publishes on loopback only, and nothing of a box", () => {
    const ports = byType("container:Container").flatMap(
      ({ inputs }) => plain<{ ip: string }[]>(inputs.ports) ?? [],
    );
    assert.ok(ports.length > 0);
    assert.deepEqual([...new Set(ports.map(({ ip }) => ip))], ["127.0.0.1"]);
    assert.equal(named("person-alice-box").inputs.ports, undefined);
  });

  it("keeps boxes on an internal network where nobody speaks with anybody, and off the services' one", () => {
    const { internal, options, ipamConfigs } = named("host-cells").inputs;
    assert.equal(internal, true);
    const bridge = "com.docker.network.bridge";
    assert.deepEqual(options, {
      [`${bridge}.name`]: guarding().GUARD_BRIDGE,
      [`${bridge}.enable_icc`]: "false",
      [`${bridge}.inhibit_ipv4`]: "true",
    });
    const networks = named("person-alice-box").inputs.networksAdvanced as { name: string }[];
    assert.deepEqual(
      networks.map(({ name }) => name),
      ["semail-dev-cells"],
    );
    // No box gets an address that the guard lets through.
    const [{ ipRange = "" } = {}] = ipamConfigs as { ipRange: string }[];
    const range = new BlockList();
    range.addSubnet(ipRange.split("/")[0] ?? "", Number(ipRange.split("/")[1]));
    for (const address of frontAddresses()) assert.equal(range.check(address), false, address);
  });

  it("has the guard let the front services, and nobody else, through to a box's ports", () => {
    const atBoxes = ["mail-smtp-in", "mail-smtp-out", "mail-access"].map((name) => {
      const networks = named(name).inputs.networksAdvanced as { name: string; ipv4Address: string }[];
      return networks.find((network) => network.name === "semail-dev-cells")?.ipv4Address;
    });
    assert.deepEqual(frontAddresses(), atBoxes);
    assert.equal(guarding().GUARD_PORTS, "24 26 143 4190");
    const { networkMode, ports, volumes } = named("guard-rules").inputs;
    assert.deepEqual([networkMode, ports, volumes], ["host", undefined, []]);
  });

  it("gives smtp-in and smtp-out each a certificate to the boxes, and the boxes only their authority's", () => {
    const doorOf = (name: string) => (settingsOf(name).boxDoor as { certificate: string }).certificate;
    const certificates = [doorOf("mail-smtp-in"), doorOf("mail-smtp-out")];
    assert.equal(new Set(certificates).size, 2);
    const environment = new Map(
      (named("person-alice-box").inputs.envs as string[]).map((line) => splitEnv(line)),
    );
    const authority = new X509Certificate(Buffer.from(environment.get("BOX_FRONT_CA") ?? "", "base64"));
    for (const certificate of certificates) {
      assert.ok(new X509Certificate(certificate).verify(authority.publicKey));
    }
  });

  it("names everything on the host by the stack", () => {
    const things = registered.filter(({ type }) => /docker:index\/(container|network|volume)/.test(type));
    for (const { name, inputs } of things) assert.match(String(inputs.name), /^semail-dev-/, name);
  });

  it("puts secrets into files, never into the environment or arguments", () => {
    for (const { name, inputs } of byType("container:Container")) {
      const visible = JSON.stringify([inputs.envs, inputs.command, inputs.labels, inputs.entrypoints]);
      assert.doesNotMatch(visible, /PRIVATE KEY|0123456789abcdef0123456789abcdef/, name);
    }
  });

  it("writes a person's entry with their addresses, box and forward", () => {
    const attributes = named("person-bob-entry").inputs.attributes as Record<string, string[]>;
    assert.deepEqual(attributes.mailHost, ["box-bob"]);
    assert.deepEqual(attributes.mailRoutingAddress, ["bob@example.net"]);
    const alice = named("person-alice-entry").inputs.attributes as Record<string, string[]>;
    assert.deepEqual(alice.mailRoutingAddress, []);
    assert.deepEqual(alice.mailLocalAddress, [
      "alice@example.test",
      "postmaster@example.test",
      "abuse@example.test",
    ]);
  });

  it("declares each record once, MX and DKIM among them", () => {
    const records = registered.filter(({ type }) => type.endsWith("gandi:Record"));
    assert.deepEqual(records.map(({ name }) => name).sort(), [
      "_dmarc.example.test-TXT",
      "_imap._tcp.example.test-SRV",
      "_imaps._tcp.example.test-SRV",
      "_pop3._tcp.example.test-SRV",
      "_pop3s._tcp.example.test-SRV",
      "_sieve._tcp.example.test-SRV",
      "_smtp._tls.example.test-TXT",
      "_submission._tcp.example.test-SRV",
      "_submissions._tcp.example.test-SRV",
      "example.test-MX",
      "example.test-TXT",
      "imap.example.test-A",
      "mx.example.test-A",
      "semail1._domainkey.example.test-TXT",
      "smtp.example.test-A",
      "smtp.example.test-TXT",
    ]);
  });

  it("holds settings in containers that never start, and mounts them read-only", () => {
    const holders = byType("container:Container").filter(({ inputs }) => inputs.start === false);
    assert.equal(holders.length, 8);
    for (const { name, inputs } of holders) {
      assert.equal(inputs.networkMode, "none", name);
      assert.equal(inputs.mustRun, false, name);
    }
    const volumes = named("mail-smtp-out").inputs.volumes as { containerPath: string; readOnly?: boolean }[];
    assert.equal(volumes.find(({ containerPath }) => containerPath === "/settings")?.readOnly, true);
  });

  it("gives each SMTP daemon a queue volume of its own", () => {
    for (const [name, volume] of [
      ["mail-smtp-in", "semail-dev-smtp-in-queue"],
      ["mail-smtp-out", "semail-dev-smtp-out-queue"],
    ] as const) {
      const mounts = named(name).inputs.volumes as { volumeName: string; containerPath: string }[];
      assert.ok(
        mounts.some((mount) => mount.volumeName === volume && mount.containerPath === "/var/spool/semail"),
        name,
      );
    }
  });

  it("tells smtp-in its resolver and what to do with whom", () => {
    const settings = settingsOf("mail-smtp-in");
    assert.equal(settings.resolvers?.length, 1);
    assert.deepEqual(settings.senders, {
      ...{ reject: "junk", quarantine: "junk", dnsFailure: "accept", timeoutMs: 10_000 },
    });
    const off = { connectionsPerMinute: 0, recipientsPerHour: 0, errorsPerHour: 0 };
    assert.deepEqual(settings.clients, {
      address: { connections: 20, ...off },
      network: { connections: 0, ...off },
      ...{ exempt: [], blockLists: ["bl.example"], greetDelayMs: 0, proxies: [] },
    });
    for (const name of ["mail-smtp-in", "mail-smtp-out"]) {
      assert.equal(settingsOf(name).tagSeparator, "-");
      assert.deepEqual(settingsOf(name).catchAll, { "example.test": "bob@example.test" });
    }
  });

  it("tells smtp-out how much a person may send", () => {
    assert.deepEqual(settingsOf("mail-smtp-out").sending, {
      ...{ messagesPerMinute: 60, messagesPerDay: 7, newRecipientsPerDay: 500, exempt: ["bob"] },
    });
  });

  it("tells smtp-out to which networks that are not public it may send", () => {
    const { subnet } = (named("host-front").inputs.ipamConfigs as { subnet: string }[])[0] ?? {};
    assert.deepEqual(settingsOf("mail-smtp-out").allowTargets, ["192.168.7.0/24", subnet]);
  });

  it("takes a pinned image as it is, builds the others, and runs each by its id", () => {
    assert.equal(named("mail-resolver").inputs.image, "sha256:pinned/resolver:7");
    assert.equal(named("image-resolver").inputs.keepLocally, true);
    assert.equal(named("image-smtp-in").inputs.imageName, "semail/smtp-in:1");
    assert.equal(named("mail-smtp-in").inputs.image, "sha256:semail/smtp-in:1");
    assert.equal(byType("image:Image").length, 9);
  });

  it("lists ports and durations as the engine does, so that no update sees a change", () => {
    const ports = named("mail-smtp-out").inputs.ports as { internal: number }[];
    assert.deepEqual(
      ports.map(({ internal }) => internal),
      [465, 587],
    );
    for (const { inputs } of running()) {
      const { interval, timeout, startPeriod } = inputs.healthcheck as Record<string, string>;
      for (const duration of [interval, timeout, startPeriod])
        assert.match(duration ?? "", /^(\d+m)?[1-5]?\ds$/);
    }
  });

  it("tells who has a mailbox, with a different password each", () => {
    const [alice, bob] = plain<Summary>(summary).people;
    assert.equal(alice?.address, "alice@example.test");
    assert.match(alice?.initialPassword ?? "", /^([a-z2-9]{5}-){3}[a-z2-9]{5}$/);
    assert.notEqual(alice?.initialPassword, bob?.initialPassword);
  });
});

describe("people without a mailbox", () => {
  const entryOf = (uid: string) =>
    plain<Record<string, string[]>>(named(`person-${uid}-entry`).inputs.attributes);
  const namesOf = (uid: string) =>
    registered.flatMap(({ name }) => (name.startsWith(`person-${uid}`) ? [name] : [])).sort();
  let summary: Summary;
  before(async () => {
    summary = await declare({
      domain: "example.test",
      users: {
        alice: { name: "Alice" },
        bob: { name: "Bob", state: "none" },
        carol: { name: "Carol", state: "deleted", deletedOn: "2026-01-31", forward: "c@example.net" },
      },
    });
  });

  it("have an entry alone, or with the mail that is kept, and no box", () => {
    assert.deepEqual(namesOf("bob"), ["person-bob", "person-bob-entry"]);
    assert.deepEqual(namesOf("carol"), ["person-carol", "person-carol-entry", "person-carol-mail"]);
  });

  it("are nobody that mail goes to or comes from, but have a password", () => {
    for (const uid of ["bob", "carol"]) {
      assert.deepEqual(entryOf(uid).objectClass, ["inetOrgPerson"]);
      for (const name of ["mail", "mailLocalAddress", "mailHost", "mailRoutingAddress"])
        assert.deepEqual(entryOf(uid)[name], [], name);
      assert.ok(named(`person-${uid}-entry`).inputs.password);
    }
    assert.deepEqual(entryOf("alice").objectClass, ["inetOrgPerson", "inetLocalMailRecipient"]);
  });

  it("are told with their password and no address", () => {
    const bob = plain<Summary>(summary).people.find(({ uid }) => uid === "bob");
    assert.equal(bob?.address, undefined);
    assert.ok(bob?.initialPassword);
  });
});

describe("the mail of people who are gone", () => {
  const prior = [
    { id: "bob", uid: "bob", name: "Bob", addresses: [], since: "2026-01-20", left: true },
    { id: "alice", uid: "alice", name: "Alice", addresses: [], since: "2026-01-20", left: true },
    { id: "carol", uid: "carol", name: "Carol", addresses: [], since: "2026-01-01", left: true },
  ];
  const users = { alice: { name: "Another Alice", mailbox: 2 } };
  const declared = (today: string) =>
    declare({ domain: "example.test", users }, { mailboxes: { prior, today } });
  const volumes = () =>
    byType("volume:Volume")
      .map(({ name, inputs }) => `${name} ${String(inputs.name)}`)
      .filter((each) => each.startsWith("person-"))
      .sort();

  it("stays declared, as it was, beside that of another person with the uid", async () => {
    const { kept } = plain<Summary>(await declared("2026-01-25"));
    assert.deepEqual(volumes(), [
      "person-alice-mail semail-dev-mail-alice",
      "person-alice_2-mail semail-dev-mail-alice_2",
      "person-bob-mail semail-dev-mail-bob",
      "person-carol-mail semail-dev-mail-carol",
    ]);
    const mounted = named("person-alice-box").inputs.volumes as { volumeName: string }[];
    assert.deepEqual(
      mounted.map(({ volumeName }) => volumeName),
      ["semail-dev-mail-alice_2"],
    );
    assert.deepEqual(
      kept.map(({ id, until }) => `${id} ${until}`),
      ["bob 2026-02-19", "alice 2026-02-19", "carol 2026-01-31"],
    );
    assert.deepEqual(byType("DiscardedVolume"), []);
  });

  it("is not had by another person's password, nor theirs by its", async () => {
    const entry = () => named("person-alice-entry").inputs;
    const { people } = plain<Summary>(await declared("2026-01-25"));
    const [holder, password] = [entry().holder, plain<string>(entry().password)];
    assert.deepEqual([holder, password], ["alice_2", people[0]?.initialPassword]);
    await declare({ domain: "example.test", users: { alice: { name: "Alice" } } });
    assert.equal(entry().holder, undefined);
    assert.notEqual(plain<string>(entry().password), password);
  });

  it("is thrown away, and by name alone, when its time is over", async () => {
    await declared("2026-02-01");
    assert.equal(volumes().length, 3);
    assert.deepEqual(
      byType("DiscardedVolume").map(({ inputs }) => inputs.volume),
      ["semail-dev-mail-carol"],
    );
  });
});

describe("boxes", () => {
  const users = { alice: { name: "Alice" }, bob: { name: "Bob" } };

  it("run as one user where the engine has no others, whose processes nobody counts", async () => {
    await declare({ domain: "example.test", users, boxes: { users: "shared" } });
    for (const { user, ulimits } of [named("person-alice-box").inputs, named("person-bob-box").inputs])
      assert.deepEqual([user, ulimits], ["5000:5000", undefined]);
  });

  it("are reached by POP3 where the config says so, and nowhere else", async () => {
    await declare({
      domain: "example.test",
      dns: { provider: "dev" },
      users,
      boxes: { pop3: true },
      ports: { pop3s: 9995 },
    });
    assert.equal(guarding().GUARD_PORTS, "24 26 143 4190 110");
    const { envs, ports } = named("mail-access").inputs;
    assert.ok((envs as string[]).includes("POP3=yes"));
    assert.ok(
      (ports as { internal: number; external: number }[]).some(
        (port) => port.internal === 995 && port.external === 9995,
      ),
    );
    assert.deepEqual(named("_pop3s._tcp.example.test-SRV").inputs.values, ["20 1 995 imap.example.test."]);
    await declare({ domain: "example.test", users });
    assert.ok((named("mail-access").inputs.envs as string[]).includes("POP3=no"));
  });
});

describe("the operator", () => {
  const users = { alice: { name: "Alice" } };

  it("is no part of a stack without the portal", async () => {
    await declare({ domain: "example.test", users });
    assert.ok(!registered.some(({ name }) => /^(operator|portal)|-portal$/.test(name)));
  });

  it("publishes nothing, and has no right but what the checkout's owner has with the engine", async () => {
    await declare({ domain: "example.test", users, portal: { enabled: true } }, { operatorPlace: machine });
    const { inputs } = named("operator-server");
    assert.deepEqual(
      [
        inputs.user,
        inputs.readOnly,
        inputs.capabilities,
        inputs.securityOpts,
        inputs.ports,
        inputs.networkMode,
      ],
      ["1000:998", true, { drops: ["ALL"] }, ["no-new-privileges:true"], undefined, "host"],
    );
    assert.equal(inputs.networksAdvanced, undefined);
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-operator", containerPath: "/run/semail/operator" },
      { hostPath: "/srv/semail", containerPath: "/srv/semail" },
      { hostPath: "/opt/pulumi", containerPath: "/opt/pulumi", readOnly: true },
    ]);
  });

  it("is asked by the portal alone, which has nothing else of the machine", async () => {
    await declare({ domain: "example.test", users, portal: { enabled: true } }, { operatorPlace: machine });
    const { inputs } = named("portal-server");
    assert.deepEqual(
      [inputs.user, inputs.readOnly, inputs.capabilities, inputs.securityOpts, inputs.memory],
      ["5027:5027", true, { drops: ["ALL"] }, ["no-new-privileges:true"], 160],
    );
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-operator", containerPath: "/run/semail/operator" },
      { volumeName: "semail-dev-portal", containerPath: "/var/lib/semail-portal" },
      { volumeName: "semail-dev-portal-settings", containerPath: "/settings", readOnly: true },
    ]);
    assert.deepEqual(inputs.ports, [{ internal: 8443, external: 8443, ip: "127.0.0.1", protocol: "tcp" }]);
  });

  it("tells the program that it runs where it is, so that it doesn't replace itself", async () => {
    await declare({ domain: "example.test", users, portal: { enabled: true } }, { operatorPlace: machine });
    const envs = named("operator-server").inputs.envs as string[];
    const place = envs.find((env) => env.startsWith("SEMAIL_OPERATOR_PLACE="))?.slice(22);
    assert.deepEqual(
      await findOperatorPlace({ SEMAIL_OPERATOR_PLACE: place }, "/elsewhere", "other"),
      machine,
    );
  });
});

describe("without a DNS provider", () => {
  before(() => declare({ domain: "example.test", users: {} }));

  it("no record and no name server is declared", () => {
    assert.ok(!registered.some(({ type, name }) => type.endsWith("gandi:Record") || name.startsWith("dns")));
  });
  it("a system without people still stands", () => assert.equal(running().length, 6));
});

describe("a certificate that was renewed", () => {
  const everything = async (number: number) => {
    serial = number;
    await declare({ domain: "example.test", users: { alice: { name: "Alice" } } });
    return new Map(registered.map(({ name, inputs }) => [name, JSON.stringify(inputs)]));
  };

  it("makes nothing new of the services but what holds it", async () => {
    const [old, renewed] = [await everything(1), await everything(2)];
    const changed = [...renewed].filter(([name, inputs]) => old.get(name) !== inputs).map(([name]) => name);
    assert.deepEqual(changed.sort(), [
      "mail-access-live-files",
      "mail-smtp-in-live-files",
      "mail-smtp-out-live-files",
    ]);
    assert.equal(renewed.size, old.size);
    assert.match(renewed.get("mail-smtp-in-live-files") ?? "", /tls\.crt.*tls\.key/);
  });
});

describe("a stack whose certificate a public authority issues", () => {
  const ACME = { kind: "acme", agreed: true, directory: "https://acme.test/dir" };
  before(async () => {
    await declare(
      {
        domain: "example.test",
        domains: ["example.net"],
        dns: { provider: "dev", signed: true, ttl: 3_600 },
        certificates: ACME,
        portal: { enabled: true },
      },
      { operatorPlace: machine },
    );
  });

  it("tells the certifier what for, by whom and how it is proven", () => {
    const settings = settingsOf("certifier-server");
    const web = ["mta-sts", "autoconfig", "autodiscover"];
    assert.deepEqual(settings.names, [
      ...["mx", "smtp", "imap"].map((name) => `${name}.example.test`),
      "example.test",
      ...["example.test", "example.net"].flatMap((zone) => web.map((name) => `${name}.${zone}`)),
    ]);
    assert.equal(settings.directory, ACME.directory);
    assert.deepEqual(settings.contact, ["postmaster@example.test"]);
    // What others remember of the TLSA record from before is forgotten by then.
    assert.equal(settings.holdMs, (3_600 + 900) * 1_000);
    assert.match(JSON.stringify(settings.records), /"apiUrl":"http:\/\/10\.\d+\.0\.54:8080\/v5\/livedns"/);
  });

  it("hands the certifier its secrets as files, and nobody else the account's key", () => {
    const holding = (file: string) =>
      byType("container:Container").flatMap(({ name, inputs }) => {
        const uploads = plain<{ file: string }[]>(inputs.uploads ?? []);
        return uploads.some((upload) => upload.file === `/settings/${file}`) ? [name] : [];
      });
    assert.deepEqual(holding("account.key"), ["certifier-server-settings-files"]);
    assert.deepEqual(holding("dns-token"), ["certifier-server-settings-files"]);
    assert.deepEqual(holding("tls.key"), ["certifier-server-live-files"]);
    const { envs } = named("certifier-server").inputs;
    assert.match(JSON.stringify(envs), /^\["SETTINGS_VERSION=[0-9a-f]+"\]$/);
  });

  it("has every service read its volume, and the certifier alone write it", () => {
    const mounts = Object.fromEntries(
      running().flatMap(({ name, inputs }) =>
        ((inputs.volumes ?? []) as { containerPath: string; readOnly?: boolean }[]).flatMap((volume) =>
          volume.containerPath === "/certificates" ? [[name, volume.readOnly === true]] : [],
        ),
      ),
    );
    assert.deepEqual(mounts, {
      "certifier-server": false,
      "mail-smtp-in": true,
      "mail-smtp-out": true,
      "mail-access": true,
      "portal-server": true,
    });
    for (const name of ["mail-smtp-in", "mail-smtp-out", "portal-server"]) {
      const { certificateFile } = settingsOf(name).tls as { certificateFile: string };
      assert.equal(certificateFile, "/certificates/current/tls.crt", name);
    }
    assert.match(JSON.stringify(named("mail-access").inputs.envs), /"TLS_FOLDER=\/certificates\/current"/);
  });

  it("keeps one key, which the stack's own certificate and the TLSA record are of", () => {
    const { privateKeyPem: key } = outputs("KeyPair", {});
    assert.equal(plain(named("keys-tls").inputs.keyPem), key);
    assert.deepEqual(
      (named("_25._tcp.mx.example.test-TLSA").inputs.values as string[]).map((value) => value.slice(0, 5)),
      ["2 1 1", "3 1 1"],
    );
  });
});

describe("a stack whose mail is signed by a second key", () => {
  before(async () => {
    await declare({
      domain: "example.test",
      ...{
        dns: { provider: "dev" },
        dkim: { ed25519: true },
        smtpOut: { tls: { exempt: ["partner.test"] }, showClient: true },
      },
    });
  });

  it("publishes both and hands both to smtp-out, RSA first (RFC 8463 section 5)", () => {
    const keys = settingsOf("mail-smtp-out").dkim as { selector: string; domain: string }[];
    assert.deepEqual(
      keys.map(({ selector, domain }) => `${selector} ${domain}`),
      ["semail1 example.test", "semail1-ed25519 example.test"],
    );
    assert.deepEqual(named("semail1-ed25519._domainkey.example.test-TXT").inputs.values, [
      `v=DKIM1; k=ed25519; p=${RAW_KEY}`,
    ]);
  });

  it("tells smtp-out whose TLS policy it shall not heed, and both daemons one secret for reverse-paths", () => {
    assert.deepEqual(settingsOf("mail-smtp-out").tlsExempt, ["partner.test"]);
    assert.equal(settingsOf("mail-smtp-out").showClient, true);
    const secret = settingsOf("mail-smtp-out").srsSecret;
    assert.equal(typeof secret, "string");
    assert.equal(settingsOf("mail-smtp-in").srsSecret, secret);
  });

  it("publishes every key of a plan, and signs with those that it says", async () => {
    const more = { ed25519: true, guarded: false };
    await declare(
      { domain: "example.test", domains: ["second.test"], dns: { provider: "dev" }, dkim: { ed25519: true } },
      {
        plan: {
          phase: "overlap",
          keys: [
            { key: 2, role: "signs", ...more },
            { key: 1, role: "retired", ...more, ed25519: false, until: "2026-12-05T00:00:00.000Z" },
          ],
          removed: [],
        },
      },
    );
    const keys = settingsOf("mail-smtp-out").dkim as { selector: string; domain: string }[];
    assert.deepEqual(
      keys.map(({ selector, domain }) => `${selector} ${domain}`),
      ["example.test", "second.test"].flatMap((zone) => [`semail2 ${zone}`, `semail2-ed25519 ${zone}`]),
    );
    const published = byType("gandi:Record")
      .map(({ name }) => name)
      .filter((name) => name.includes("_domainkey") && name.includes("example.test"));
    assert.deepEqual(published.sort(), [
      "semail1._domainkey.example.test-TXT",
      "semail2-ed25519._domainkey.example.test-TXT",
      "semail2._domainkey.example.test-TXT",
    ]);
    assert.deepEqual(
      byType("semail:KeyPair")
        .map(({ name }) => name)
        .sort(),
      ["keys-dkim", "keys-dkim-2", "keys-dkim-2-ed25519"],
    );
  });
});

describe("the backup", () => {
  const config = (backup: object) => ({
    domain: "example.test",
    users: { alice: { name: "Alice" } },
    dns: { provider: "none" },
    backup,
  });

  it("is no part of a stack that does not ask for it", async () => {
    await declare(config({}));
    assert.ok(!registered.some(({ name }) => /backup/.test(name)));
  });

  it("is a pattern that never runs, has nobody's mail and no network, and a repository that stays", async () => {
    await declare(config({ enabled: true }));
    const { inputs } = named("backup-job");
    assert.equal(inputs.start, false);
    assert.equal(inputs.networkMode, "none");
    assert.equal(inputs.readOnly, true);
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-backup", containerPath: "/repository" },
      { volumeName: "semail-dev-backup-settings", containerPath: "/settings", readOnly: true },
    ]);
    assert.doesNotMatch(JSON.stringify(inputs), /0123456789abcdef/);
  });
});

describe("the backup's timer", () => {
  it("is there where a schedule is, after the people, with the engine's socket and nobody's mail", async () => {
    const users = { alice: { name: "Alice" } };
    const base = { domain: "example.test", users, dns: { provider: "none" } };
    await declare({ ...base, backup: { enabled: true } });
    assert.ok(!registered.some(({ name }) => name.startsWith("backup-timer")));
    await declare({ ...base, backup: { enabled: true, schedule: ["02:30", "14:30"] } });
    const { inputs } = named("backup-timer");
    assert.equal(inputs.readOnly, true);
    assert.deepEqual(inputs.capabilities, { drops: ["ALL"] });
    assert.deepEqual(inputs.securityOpts, ["no-new-privileges:true"]);
    assert.equal(inputs.ports, undefined);
    assert.deepEqual(inputs.volumes, [
      { volumeName: "semail-dev-backup-timer", containerPath: "/var/lib/semail" },
      { hostPath: "/var/run/docker.sock", containerPath: "/var/run/docker.sock" },
    ]);
    assert.ok((inputs.envs as string[]).includes("BACKUP_TIMES=02:30 14:30"));
    const order = registered.map(({ name }) => name);
    assert.ok(order.indexOf("person-alice-entry") < order.indexOf("backup-timer"));
  });
});

describe("a stack with a certificate of somebody else's", () => {
  it("has every service read it, the key travelling as a secret, and none of the stack's own", async () => {
    const files = { kind: "files", certificateFile: "/tls/chain.pem", keyFile: "/tls/key.pem" };
    const pair = { certificate: "-----BEGIN CERTIFICATE-----\nbought\n", key: PRIVATE_KEY.toString() };
    const summary = await declare({ domain: "example.test", certificates: files, users: {} }, { pair });
    assert.equal(summary.certificates.kind, "files");
    for (const name of ["mail-smtp-in", "mail-smtp-out", "mail-access"]) {
      const { uploads } = named(`${name}-live-files`).inputs;
      assert.ok(isSecret(uploads), "the files travel as a secret");
      const contents = plain<{ content: unknown }[]>(uploads).map(({ content }) => plain<string>(content));
      assert.deepEqual(contents, [pair.certificate, pair.key]);
    }
  });
});

describe("a stack on a VM of its own", () => {
  const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBWRIsTzN9x0T4pXTRnOy8dZyY0lOy8pJvZ6BzNf8b0Y";
  const network = {
    ...{ kind: "bridge", bridge: "br0", address: "192.0.2.25/24", gateway: "192.0.2.1" },
    nameservers: ["192.0.2.53"],
  };
  const vm = { network, sshKeys: [key], identity: "/keys/mx" };
  const host = { kind: "libvirt", vm, firewall: true };

  it("has its engine where the VM is reached by the key that the stack made", async () => {
    reached.length = 0;
    await declare({ domain: "example.test", dns: { provider: "none" }, host, users: {} });
    const shown = `192.0.2.25 ${opensshKey(RAW_KEY)}`;
    assert.deepEqual(reached, [shown]);
    assert.equal(named("host-engine").inputs.host, ENGINE);
    const { name, folder, dataDisk, authorizedKeys } = named("vm-machine").inputs;
    assert.deepEqual([name, folder], ["semail-dev", "/var/lib/libvirt/images/semail-dev/vm"]);
    assert.equal(dataDisk, "/var/lib/libvirt/images/semail-dev/data.qcow2");
    assert.deepEqual(authorizedKeys, [key]);
    assert.equal(named("vm-data").inputs.deletable, false);
  });

  it("has the firewall set anew with each system, by the same way in", () => {
    const { access, system } = named("host-firewall").inputs;
    assert.deepEqual(access, {
      ...{ address: "192.0.2.25", port: 22, user: "root", identity: "/keys/mx" },
      hostKey: opensshKey(RAW_KEY),
    });
    assert.equal(system, "0123456789abcdef");
  });

  it("looks at services less often and waits longer for them where the processor is emulated", async () => {
    const times = (name: string) => {
      const { healthcheck, waitTimeout } = named(name).inputs;
      const { interval, timeout, startPeriod } = healthcheck as Record<string, string>;
      return [interval, timeout, startPeriod, waitTimeout];
    };
    const users = { alice: { name: "Alice Martin" } };
    const emulated = { ...host, vm: { ...vm, accelerator: "tcg" } };
    await declare({ domain: "example.test", dns: { provider: "none" }, host: emulated, users });
    assert.deepEqual(times("mail-smtp-in"), ["30s", "30s", "1m0s", 360]);
    assert.deepEqual(times("person-alice-box"), ["5m0s", "30s", "1m0s", undefined]);
    await declare({ domain: "example.test", dns: { provider: "none" }, host, users });
    assert.deepEqual(times("mail-smtp-in"), ["5s", "5s", "10s", 60]);
    assert.deepEqual(times("person-alice-box"), ["5m0s", "5s", "10s", undefined]);
  });

  it("has no VM on another host", async () => {
    reached.length = 0;
    await declare({ domain: "example.test", users: {} });
    assert.deepEqual(byType("LibvirtVm"), []);
    assert.deepEqual(reached, []);
  });
});

describe("a stack that is reached on IPv6, too", () => {
  it("publishes each port on both, from a network that has both, and lists them as the engine does", async () => {
    await declare({ domain: "example.test", host: { bind6: "::1" }, users: {} });
    assert.deepEqual(named("mail-smtp-in").inputs.ports, [
      { internal: 25, external: 25, ip: "127.0.0.1", protocol: "tcp" },
      { internal: 25, external: 25, ip: "::1", protocol: "tcp" },
    ]);
    const { ipv6, ipamConfigs } = named("host-front").inputs;
    assert.equal(ipv6, true);
    assert.equal((ipamConfigs as unknown[]).length, 2);
    assert.equal(named("host-cells").inputs.ipv6, undefined);
    const [ldap] = named("directory-server").inputs.ports as { ip: string }[];
    assert.equal(ldap?.ip, "127.0.0.1");
  });
});
