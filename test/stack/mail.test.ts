/** The whole system, once: up, mail in both directions, a person more and one less, drift, down. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import type { OpMap } from "@pulumi/pulumi/automation/index.js";
import { Attribute, Change, Client } from "ldapts";
import { DeskAnswer } from "../../mailserver/desk/words.ts";
import { imapLine, Summary, swaksLine } from "../../tools/bootstrap/summary.ts";
import type { Check } from "../../tools/doctor/types.ts";
import { openLab } from "../support/docker.ts";
import { type Foreign, startForeign } from "../support/foreign.ts";
import { type LiveDns, liveDns, lookUpMx } from "../support/livedns.ts";
import { untilLine } from "../support/log-lines.ts";
import { deliverAsStranger, loginOf, openImap, readMail, submit } from "../support/mail.ts";
import { openManageSieve } from "../support/manage-sieve.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../support/project.ts";
import { RawClient } from "../support/raw-client.ts";
import { secretsOf } from "../support/state.ts";

const DOMAIN = "semail.test";
const alice = { name: "Alice Martin" };
const bob = { name: "Bob Durand", aliases: ["robert@semail.test"] };
const carol = { name: "Carol Petit" };

const lab = openLab();
let project: TestProject;
let base: StackKeys;
let dns: LiveDns;
let foreign: Foreign;
let doctorPassword = "";
const resolver = async () => {
  const info = await lab.docker.getContainer(`${project.prefix}-resolver`).inspect();
  return info.NetworkSettings.Networks[`${project.prefix}-front`]?.IPAddress ?? "";
};

/** What `npm run doctor` tells a machine, alice logging in, and how it ends. */
async function askDoctor(): Promise<{ exitCode: number | undefined; stack: string; checks: Told[] }> {
  const { exitCode, stdout } = await project.command(["doctor", "--json", "--login", "alice"], {
    SEMAIL_DOCTOR_PASSWORD: doctorPassword,
  });
  return { exitCode, ...JSON.parse(stdout) };
}

type Told = Check & { readonly state: string };

/** What an update did, without what it left alone. */
function changed(counts: OpMap | undefined): OpMap {
  const { same: _, ...rest } = counts ?? {};
  return rest;
}

/** Everything on the engine that carries the stack's name. */
async function leftovers(): Promise<string[]> {
  const filters = { label: [`io.semail.stack=${project.prefix}`] };
  const [containers, networks, { Volumes }] = await Promise.all([
    lab.docker.listContainers({ all: true, filters }),
    lab.docker.listNetworks({ filters }),
    lab.docker.listVolumes({ filters }),
  ]);
  return [
    ...containers.flatMap(({ Names }) => Names),
    ...networks.map(({ Name }) => Name),
    ...Volumes.map(({ Name }) => Name),
  ];
}

describe("a stack from nothing to nothing", () => {
  before(async () => {
    base = {
      domain: DOMAIN,
      dns: { provider: "dev", ttl: 300 },
      ports: await stackPorts(),
      protect: false,
      keepVolumes: false,
      showPasswords: true,
      smtpOut: { limits: { messagesPerDay: 3, exempt: ["alice"] } },
    };
    project = await makeProject({ ...base, users: { alice, bob } });
  });
  after(async () => {
    await lab.cleanup();
    await project?.dispose();
  });

  it("comes up with two people", async () => {
    const { summary } = await project.stack.up({ suppressOutputs: true });
    assert.deepEqual(Object.keys(changed(summary.resourceChanges)), ["create"]);
    const { people } = await project.summary();
    assert.deepEqual(
      people.map(({ uid }) => uid),
      ["alice", "bob"],
    );
  });

  it("keeps no secret in its state in clear", async () => {
    const secrets = await secretsOf(project);
    assert.ok(secrets.values.length > 5);
    for (const secret of secrets.values) assert.ok(!secrets.state.includes(secret));
  });

  it("has a foreign Postfix find the MX by DNS and deliver to alice, who reads it over IMAP", async () => {
    const { ports } = await project.summary();
    dns = liveDns(
      `http://127.0.0.1:${ports.dnsApi}/v5/livedns`,
      await secretsOf(project).then(({ dnsToken }) => dnsToken),
    );
    foreign = await startForeign({
      lab,
      network: `${project.prefix}-front`,
      resolver: await resolver(),
      dns,
      domain: "foreign.test",
    });
    // Who could be anybody is answered by no script.
    await dns.put(foreign.domain, "@", "TXT", ['"v=spf1 mx -all"']);
    assert.deepEqual(await lookUpMx(await resolver(), DOMAIN), [`mx.${DOMAIN}`]);
    await foreign.send(`alice@${DOMAIN}`, "from afar");
    const summary = await project.summary();
    const source = await readMail(summary, loginOf(summary, "alice"), "from afar");
    assert.match(source, /^Received: from mx\.foreign\.test/m);
    assert.match(source, /Hello from foreign\.test/);
  });

  it("has alice's mail to the foreign site arrive in its Maildir, signed", async () => {
    const summary = await project.summary();
    await submit(summary, loginOf(summary, "alice"), {
      from: `alice@${DOMAIN}`,
      to: foreign.address,
      subject: "to afar",
    });
    const source = await foreign.read("to afar");
    assert.match(source, /^DKIM-Signature: .*d=semail\.test/m);
    assert.match(source, /^Message-ID: /im);
  });

  it("delivers between its own people, by alias too, and lets them log in by address", async () => {
    const summary = await project.summary();
    await submit(summary, loginOf(summary, "alice"), {
      from: `alice@${DOMAIN}`,
      to: `robert@${DOMAIN}`,
      subject: "hello bob",
    });
    const login = { ...loginOf(summary, "bob"), user: `robert@${DOMAIN}` };
    assert.match(await readMail(summary, login, "hello bob"), /^From: alice@semail\.test/m);
  });

  it("answers a stranger and bob by the script that alice put into her box: in her name, signed, with no way back", async () => {
    const summary = await project.summary();
    const sieve = await openManageSieve({
      ...{ port: summary.ports.sieve, ca: summary.ca, servername: summary.hostnames.imap },
      ...loginOf(summary, "alice"),
    });
    await sieve.run('require "vacation"; vacation :subject "Away" "Back on Monday.";');
    await foreign.send(`alice@${DOMAIN}`, "are you there");
    const source = await foreign.read("Away", 60_000);
    assert.match(source, /^Return-Path: <>/m);
    assert.match(source, /^DKIM-Signature: .*d=semail\.test/m);
    assert.match(source, /^From: <?alice@semail\.test>?$/m);
    assert.match(source, /^Auto-Submitted: auto-replied/m);
    await submit(summary, loginOf(summary, "bob"), {
      from: `bob@${DOMAIN}`,
      to: `alice@${DOMAIN}`,
      subject: "and you",
    });
    const own = await readMail(summary, loginOf(summary, "bob"), "Away", 60_000);
    assert.match(own, /^DKIM-Signature: .*d=semail\.test/m);
    assert.match((await sieve.command('SETACTIVE ""')).at(-1) ?? "", /^OK/);
    sieve.close();
  });

  it("takes mail for two people at once while one's box is stopped, and brings it when the box is back", async () => {
    const summary = await project.summary();
    const box = lab.docker.getContainer(`${project.prefix}-box-bob`);
    await box.stop();
    await foreign.send([`alice@${DOMAIN}`, `bob@${DOMAIN}`], "for both");
    await readMail(summary, loginOf(summary, "alice"), "for both");
    await box.start();
    await readMail(summary, loginOf(summary, "bob"), "for both", 60_000);
  });

  it("sends and reads with the lines that `npm run up` prints", async () => {
    const summary = await project.summary();
    const clients = await lab.run({
      image: await lab.ensureImage("clients", join(import.meta.dirname, "../fixtures/images/clients")),
      networks: { host: [] },
    });
    await clients.exec(["tee", "/tmp/ca.pem"], { input: summary.ca });
    const shell = (line = "") => clients.exec(["sh", "-c", line]);
    const sent = await shell(swaksLine(Summary.parse(summary), "/tmp/ca.pem"));
    assert.equal(sent.exitCode, 0, sent.stdout + sent.stderr);
    await readMail(summary, loginOf(summary, "bob"), "test ");
    const read = await shell(imapLine(Summary.parse(summary), "/tmp/ca.pem"));
    assert.equal(read.exitCode, 0, read.stderr);
    assert.match(read.stdout, /This is a test mailing/);
  });

  it("refuses what it must", async () => {
    const summary = await project.summary();
    const mail = { from: foreign.address, subject: "no" };
    assert.match(await deliverAsStranger(summary, { ...mail, to: `nobody@${DOMAIN}` }), /^550 5\.1\.1 /);
    assert.match(await deliverAsStranger(summary, { ...mail, to: foreign.address }), /^55\d 5\.7\.1 /);
    await assert.rejects(openImap(summary, { user: "alice", pass: "wrong" }));
    const wrong = { user: "alice", pass: "wrong" };
    await assert.rejects(
      submit(summary, wrong, { ...mail, from: `alice@${DOMAIN}`, to: foreign.address }),
      /535/,
    );
    const login = loginOf(summary, "alice");
    await assert.rejects(
      submit(summary, login, { ...mail, from: `bob@${DOMAIN}`, to: foreign.address }),
      /55\d/,
    );
  });

  it("holds bob to his limit, and tells the postmaster once", async () => {
    const summary = await project.summary();
    const mail = { from: `bob@${DOMAIN}`, to: `alice@${DOMAIN}`, subject: "from bob" };
    for (let count = 0; count < 2; count += 1) await submit(summary, loginOf(summary, "bob"), mail);
    for (let count = 0; count < 2; count += 1) {
      await assert.rejects(submit(summary, loginOf(summary, "bob"), mail), /450 4\.7\.1 3 messages a day/);
    }
    // Hers by default: she is the first of the people.
    const subject = "bob has reached a sending limit";
    const warning = await readMail(summary, loginOf(summary, "alice"), subject);
    assert.match(warning, /^To: postmaster@semail\.test\r$/m);
    const inbox = await openImap(summary, loginOf(summary, "alice"));
    await inbox.mailboxOpen("INBOX");
    assert.equal([(await inbox.search({ header: { subject } })) || []].flat().length, 1);
    await inbox.logout();
  });

  it("has what waits for a busy host listed, shown, held, released, tried, dropped and flushed", async () => {
    const summary = await project.summary();
    const busy = foreign.address.replace("@", "+busy@");
    const later = foreign.address.replace("@", "+later@");
    const out = lab.handle(`${project.prefix}-smtp-out`);
    const deferred = (to: string, attempts: number) =>
      untilLine(lab, out, (line) =>
        [`"event":"queue.deferred"`, `"to":"${to}"`, `"attempts":${attempts},`].every((words) =>
          line.includes(words),
        ),
      );
    const send = async (to: string, subject: string): Promise<void> => {
      await foreign.defer(to);
      await submit(summary, loginOf(summary, "alice"), { from: `alice@${DOMAIN}`, to, subject });
      await deferred(to, 1);
    };
    const queue = async (...words: string[]): Promise<string> => {
      const { exitCode, stdout, stderr } = await project.command(["queue", ...words]);
      assert.equal(exitCode, 0, stdout + stderr);
      return stdout;
    };
    await send(busy, "for a busy host");
    const list = await queue("list");
    assert.match(
      list,
      /\+busy@foreign\.test {2}pending, 1 attempt, next in \d+ min: 450 4\.2\.0 .*Come back later/,
    );
    const [item] = DeskAnswer.parse(JSON.parse(await queue("list", "--json"))).items;
    assert.ok(item);
    const { id } = item;
    assert.match(await queue("show", id), /\+busy@foreign\.test goes to mx:foreign\.test/);
    assert.match(await queue("hold", id), /is held/);
    assert.match(await queue("list", "--state=held"), /\+busy@foreign\.test {2}held, 1 attempt/);
    assert.match(await queue("release", id), /is released and tried now \(1 recipient\)/);
    await deferred(busy, 2);
    assert.match(await queue("retry", id), /is tried now/);
    await deferred(busy, 3);
    // As docs/operations.md says for where there is only Docker.
    const command = ["node", "--disable-warning=ExperimentalWarning", "/app/main.mjs", "queue", "show", id];
    assert.match((await out.exec(command)).stdout, /pending, 3 attempts/);
    assert.match(await queue("drop", id), /is dropped/);
    assert.match(await queue("list"), /^0 items in all/m);
    const gone = await project.command(["queue", "show", id]);
    assert.deepEqual([gone.exitCode, gone.stdout], [1, ""], gone.stderr);
    await send(later, "for a host that is there again");
    await foreign.defer();
    assert.match(await queue("flush"), /^1 recipient made due now/);
    await foreign.read("for a host that is there again");
  });

  it("has a doctor who finds nothing wrong", async () => {
    doctorPassword = loginOf(await project.summary(), "alice").pass;
    const { exitCode, stack, checks } = await askDoctor();
    assert.deepEqual([exitCode, stack], [0, "test"]);
    assert.equal(checks.filter(({ about }) => about.endsWith("lets alice in")).length, 2);
    assert.deepEqual(
      checks.filter(({ state }) => state !== "good"),
      [],
    );
    const areas = new Set(checks.map(({ area }) => area));
    assert.deepEqual([...areas].toSorted(), ["Host", "Name servers", "Records", "Services"]);
  });

  it("has nothing to do the second time, and `npm run up` ends with the doctor's table", async () => {
    const { exitCode, stdout } = await project.command(["up"]);
    assert.equal(exitCode, 0, stdout);
    // Green it is to the doctor above, who has more patience with a busy machine.
    const table = stdout.slice(stdout.indexOf("Looked at from outside"));
    for (const area of ["Host", "Name servers", "Records", "Services"])
      assert.match(table, new RegExp(`^  [✓✗!?] ${area} +\\d+ of \\d+$`, "m"));
    assert.match(table, /^[✓✗!] \d+ checks good/m);
    const { result, resourceChanges } = (await project.stack.info(false)) ?? {};
    assert.deepEqual([result, changed(resourceChanges)], ["succeeded", {}]);
  });

  it("previews carol's resources and nothing else", async () => {
    await project.configure({ ...base, users: { alice, bob, carol } });
    const created: string[] = [];
    const { changeSummary } = await project.stack.preview({
      onEvent: ({ resourcePreEvent }) => {
        const { op, urn, type } = resourcePreEvent?.metadata ?? {};
        // Pulumi hands the stack's config to the provider of dynamic resources, which is no resource of the stack.
        if (!op || !urn || op === "same" || type?.startsWith("pulumi:providers:pulumi-nodejs")) return;
        created.push(`${op} ${urn.split("::").at(-1)}`);
      },
    });
    assert.deepEqual(created.sort(), [
      "create person-carol",
      "create person-carol-box",
      "create person-carol-disk",
      "create person-carol-entry",
      "create person-carol-mail",
    ]);
    assert.deepEqual(changed(changeSummary as OpMap), { create: 5 });
  });

  it("takes carol's mail as soon as the update ends", async () => {
    const { summary } = await project.stack.up({ suppressOutputs: true });
    assert.deepEqual(changed(summary.resourceChanges), { create: 5 });
    await foreign.send(`carol@${DOMAIN}`, "welcome");
    const stack = await project.summary();
    await readMail(stack, loginOf(stack, "carol"), "welcome");
  });

  it("shows a hand-edited entry and record as drift, and puts them right", async () => {
    const secrets = await secretsOf(project);
    const { ports } = await project.summary();
    const client = new Client({ url: `ldap://127.0.0.1:${ports.ldap}` });
    await client.bind("cn=admin,dc=semail,dc=test", secrets.directoryAdmin);
    const dn = "uid=alice,ou=people,dc=semail,dc=test";
    const forward = new Attribute({ type: "mailRoutingAddress", values: ["thief@foreign.test"] });
    await client.modify(dn, new Change({ operation: "add", modification: forward }));
    await dns.put(DOMAIN, "@", "MX", ["10 mx.foreign.test."]);
    const { exitCode, checks } = await askDoctor();
    assert.equal(exitCode, 1);
    assert.equal(checks.filter(({ about }) => about.endsWith("lets alice in")).length, 2);
    assert.deepEqual(
      checks.flatMap(({ findings }) => findings.map(({ record, message }) => [record, message])),
      [[`${DOMAIN} MX`, `mail goes to mx.foreign.test, not to 10 mx.${DOMAIN}.`]],
    );

    const { changeSummary } = await project.stack.preview({ refresh: true });
    assert.deepEqual(changed(changeSummary as OpMap), { update: 2 });
    await project.stack.up({ refresh: true, suppressOutputs: true });

    const { searchEntries } = await client.search(dn, { scope: "base", attributes: ["mailRoutingAddress"] });
    assert.deepEqual(searchEntries[0]?.mailRoutingAddress, []);
    assert.deepEqual(await dns.get(DOMAIN, "@", "MX"), [`10 mx.${DOMAIN}.`]);
    await client.unbind();
  });

  it("removes carol alone, and then refuses her mail", async () => {
    await project.configure({ ...base, users: { alice, bob } });
    // Her mail is kept, by a component of its own; component, box, limit and entry go.
    const { summary } = await project.stack.up({ suppressOutputs: true });
    assert.deepEqual(changed(summary.resourceChanges), { create: 1, delete: 4 });
    const answer = await deliverAsStranger(await project.summary(), {
      from: foreign.address,
      to: `carol@${DOMAIN}`,
      subject: "gone",
    });
    assert.match(answer, /^550 5\.1\.1 /);
  });

  it("serves a renewed certificate, and replaces neither SMTP daemon for it", async () => {
    const { ports, ca } = await project.summary();
    const started = () =>
      Promise.all(
        ["smtp-in", "smtp-out"].map(async (name) => {
          const { Id, State } = await lab.docker.getContainer(`${project.prefix}-${name}`).inspect();
          return [name, Id, State.StartedAt];
        }),
      );
    const before = await started();
    // Another address on the certificate: it is issued anew.
    await project.configure({ ...base, users: { alice, bob }, host: { address: "192.0.2.25" } });
    await project.stack.up({ suppressOutputs: true });
    assert.deepEqual(await started(), before);
    const namesOf = (client: RawClient, secured: TLSSocket): string => {
      const { subjectaltname = "" } = secured.getPeerCertificate();
      client.close();
      return subjectaltname;
    };
    const asking = {
      "smtp-in": async () => {
        const client = await RawClient.open(ports.smtp);
        await client.reply();
        await client.say("STARTTLS");
        return namesOf(client, await client.secure({ ca }));
      },
      "smtp-out": async () => {
        const client = await RawClient.open(ports.submissions, { ca });
        return namesOf(client, client.socket as TLSSocket);
      },
    };
    for (const [name, ask] of Object.entries(asking)) {
      for (const deadline = Date.now() + 60_000; !(await ask()).includes("192.0.2.25"); await sleep(500)) {
        if (Date.now() > deadline) assert.fail(`${name} still serves the certificate before`);
      }
    }
  });

  it("makes what belongs to a person after what it needs, and takes it away before", async () => {
    const { deployment } = await project.stack.exportStack();
    const resources: { urn: string; dependencies?: string[] }[] = deployment.resources;
    for (const [name, needed] of [
      // Its data outlives the stack: entries are taken out of a directory that still runs.
      ["person-alice-entry", "directory-server"],
      ["person-alice-entry", "person-alice-box"],
      ["person-alice-box", "person-alice-disk"],
      ["person-alice-disk", "guard-rules"],
    ] as const) {
      const { dependencies = [] } = resources.find(({ urn }) => urn.endsWith(`::${name}`)) ?? {};
      assert.ok(
        dependencies.some((other) => other.endsWith(`::${needed}`)),
        `${name} may go after ${needed}`,
      );
    }
  });

  it("leaves nothing behind when destroyed, and takes the records back itself", async () => {
    // The foreign site stands on the stack's network.
    await lab.cleanup();
    const { deployment } = await project.stack.exportStack();
    const records = (deployment.resources as { type: string; urn: string }[])
      .filter(({ type }) => type.endsWith("gandi:Record"))
      .map(({ urn }) => urn.split("::").at(-1) ?? "");
    const deleted: string[] = [];
    await project.stack.destroy({
      suppressOutputs: true,
      onEvent: ({ resOutputsEvent }) => {
        const { op, type, urn } = resOutputsEvent?.metadata ?? {};
        if (op === "delete" && type?.endsWith("gandi:Record")) deleted.push(urn?.split("::").at(-1) ?? "");
      },
    });
    assert.deepEqual(deleted.toSorted(), records.toSorted());
    assert.equal(deleted[0], `${DOMAIN}-MX`);
    assert.deepEqual(await leftovers(), []);
  });
});
