import assert from "node:assert/strict";
import { createHmac, X509Certificate } from "node:crypto";
import { BlockList } from "node:net";
import { before, describe, it } from "node:test";
import { DIRECTORY_TYPE, directoryDomain } from "../../stacks/first-domain.ts";
import type { Summary } from "../../stacks/summary.ts";
import {
  byType,
  declare,
  frontAddresses,
  guarding,
  isSecret,
  named,
  plain,
  registered,
  running,
  settingsOf,
  splitEnv,
} from "./declared-stack.ts";

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

  it("has its domain in the directory's container, where an update that broke off is known by", () => {
    const containers = registered.filter(({ type }) => type === DIRECTORY_TYPE);
    assert.equal(directoryDomain(containers.map(({ inputs }) => plain<object>(inputs))), "example.test");
  });

  it("has four resources and a component per person, and no more", () => {
    const alice = registered.filter(({ name }) => name.startsWith("person-alice"));
    assert.deepEqual(alice.map(({ name, type }) => `${name} ${type}`).sort(), [
      "person-alice semail:index:Mailbox",
      "person-alice-box docker:index/container:Container",
      "person-alice-disk pulumi-nodejs:dynamic/semail:DiskLimit",
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
    assert.equal(guarding().GUARD_NETWORK, (ipamConfigs as { subnet: string }[])[0]?.subnet);
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

  it("has access ask smtp-out's login guard with a secret that only the two have, in files alone", () => {
    const { address, port, secret } = settingsOf("mail-smtp-out").access as Record<string, string>;
    const { envs } = named("mail-access").inputs;
    assert.ok(plain<string[]>(envs).includes(`LOGIN_GUARD_URL=http://${address}:${port}/`));
    const { uploads } = named("mail-access-settings-files").inputs;
    assert.ok(isSecret(uploads), "the files travel as a secret");
    const files = plain<{ file: string; content: unknown }[]>(uploads);
    const shown = files.find(({ file }) => file === "/settings/login-guard-secret")?.content;
    assert.equal(plain<string>(shown), secret);
    const { password: relay } = settingsOf("mail-smtp-out").relay as { password: string };
    const known = (settingsOf("mail-smtp-in").relay as { password: string }).password;
    assert.equal(known, relay);
    // Nor can smtp-in, which has the password of the relay, make it of that.
    for (const made of [relay, createHmac("sha256", relay).update("login guard").digest("hex")])
      assert.notEqual(secret, made);
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

describe("without a DNS provider", () => {
  before(() => declare({ domain: "example.test", users: {} }));

  it("no record and no name server is declared", () => {
    assert.ok(!registered.some(({ type, name }) => type.endsWith("gandi:Record") || name.startsWith("dns")));
  });
  it("a system without people still stands", () => assert.equal(running().length, 6));
});
