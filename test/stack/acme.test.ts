/** A stack that moves from its own authority to a public one (Pebble), whose certificates are short-lived. */
import assert from "node:assert/strict";
import type { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import type { Summary } from "../../stacks/summary.ts";
import { examine } from "../../tools/doctor/examine.ts";
import { StackFacts } from "../../tools/doctor/stack-facts.ts";
import { openLab } from "../support/docker.ts";
import { makeIdentity } from "../support/identity.ts";
import { untilLine } from "../support/log-lines.ts";
import { loginOf, openImap, readMail, submit } from "../support/mail.ts";
import { startPebble } from "../support/pebble.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "../support/project.ts";
import { RawClient } from "../support/raw-client.ts";

const DOMAIN = "semail.test";
const SERVICES = ["smtp-in", "smtp-out", "access"] as const;
type Service = (typeof SERVICES)[number];

const lab = openLab();
let project: TestProject;
let base: StackKeys;
/** With Pebble's root in place of the stack's own authority. */
let summary: Summary;

const container = (name: string) => lab.docker.getContainer(`${project.prefix}-${name}`);
const handleOf = async (name: string) => {
  const { Id } = await container(name).inspect();
  return { id: Id, logs: async () => String(await container(name).logs({ stdout: true, stderr: true })) };
};

/** Waits for the nth event of the certifier, from its start on. */
async function untilCertifier(event: string, count = 1): Promise<void> {
  let seen = 0;
  await untilLine(lab, await handleOf("certifier"), (line) => {
    if (line.startsWith("{") && JSON.parse(line).event === event) seen += 1;
    return seen === count;
  });
}

/** Connects, has TLS, and leaves the session open. Rejects unless Pebble's root vouches for the certificate. */
const OPEN: Readonly<Record<"smtp-in" | "smtp-out", () => Promise<RawClient>>> = {
  "smtp-in": async () => {
    const client = await RawClient.open(summary.ports.smtp);
    await client.reply();
    await client.say("STARTTLS");
    await client.secure({ ca: summary.ca });
    await client.say("EHLO client.test");
    return client;
  },
  "smtp-out": async () => {
    const client = await RawClient.open(summary.ports.submissions, { ca: summary.ca });
    await client.reply();
    await client.say("EHLO client.test");
    return client;
  },
};

async function shownBy(service: Service): Promise<X509Certificate | undefined> {
  if (service === "access") {
    const client = await RawClient.open(summary.ports.imaps, { ca: summary.ca }).catch(() => undefined);
    const shown = client && (client.socket as TLSSocket).getPeerX509Certificate();
    client?.close();
    return shown;
  }
  const client = await OPEN[service]().catch(() => undefined);
  const shown = client && (client.socket as TLSSocket).getPeerX509Certificate();
  client?.close();
  return shown;
}

/** Until each shows a certificate that Pebble's root vouches for, other than `before`. */
async function untilShown(before: Partial<Record<Service, string>> = {}): Promise<Record<Service, string>> {
  const shown: Partial<Record<Service, string>> = {};
  for (const service of SERVICES) {
    for (const deadline = Date.now() + 150_000; ; ) {
      const found = await shownBy(service);
      if (found !== undefined && found.serialNumber !== before[service]) {
        assert.ok(found.checkHost(`mx.${DOMAIN}`) && found.checkHost(`imap.${DOMAIN}`));
        shown[service] = found.serialNumber;
        break;
      }
      if (Date.now() > deadline) assert.fail(`${service} shows none by the authority, or the one before`);
      await sleep(250);
    }
  }
  return shown as Record<Service, string>;
}

describe("a stack whose certificate a public authority issues", () => {
  before(async () => {
    base = {
      domain: DOMAIN,
      ...{ dns: { provider: "dev", ttl: 300 }, ports: await stackPorts() },
      ...{ protect: false, keepVolumes: false },
      users: { alice: { name: "Alice Martin" } },
    };
    project = await makeProject(base);
    await project.stack.up({ suppressOutputs: true });
  });
  after(async () => {
    await lab.cleanup();
    await project?.dispose();
  });

  it("moves there from its own, and every service shows what the authority issued", async () => {
    const network = `${project.prefix}-front`;
    const { NetworkSettings: zones } = await container("livedns").inspect();
    const identity = await makeIdentity("pebble");
    const pebble = await startPebble(lab, {
      ...{ network, identity, dns: `${zones.Networks[network]?.IPAddress}:53` },
      // Renewed after 81 seconds at the latest, whatever time Pebble would have it renewed at.
      validity: 90,
    });
    const root = await pebble.roots();
    await project.configure({
      ...base,
      certificates: {
        ...{ kind: "acme", agreed: true, directory: "https://pebble:14000/dir" },
        roots: [identity.ca, root],
      },
    });
    await project.stack.up({ suppressOutputs: true });
    summary = { ...(await project.summary()), ca: root };
    await untilCertifier("certificate.issued");
    await untilShown();
  });

  it("has nothing to do the second time", async () => {
    const { summary } = await project.stack.up({ suppressOutputs: true });
    const { same: _, ...rest } = summary.resourceChanges ?? {};
    assert.deepEqual(rest, {});
  });

  it("renews it, and ends no session and replaces no container for that", async () => {
    const ids = () => Promise.all(SERVICES.map(async (name) => (await container(name).inspect()).Id));
    const [before, containers] = [await untilShown(), await ids()];
    const [smtp, submission] = await Promise.all([OPEN["smtp-in"](), OPEN["smtp-out"]()]);
    const imap = await openImap(summary, loginOf(summary, "alice"));
    const lock = await imap.getMailboxLock("INBOX");
    await untilShown(before);
    assert.match(await smtp.say("NOOP"), /^250/);
    assert.match(await submission.say("NOOP"), /^250/);
    await imap.noop();
    assert.ok(imap.usable);
    lock.release();
    for (const client of [smtp, submission]) client.close();
    await imap.logout();
    assert.deepEqual(await ids(), containers);
  });

  // Right behind the renewal: the doctor speaks of a certificate in the last sixth of its life, here fifteen seconds.
  it("has a doctor who finds nothing wrong with one that is new", async () => {
    const checks = await examine(StackFacts.parse(await project.summary()), {
      now: Date.now,
      budgetMs: 10_000,
    });
    const services = checks.filter(({ area }) => area === "Services");
    assert.ok(services.length > 5);
    assert.deepEqual(
      services.flatMap(({ findings }) => findings),
      [],
    );
  });

  it("carries mail, by programs that trust the authority alone", async () => {
    await submit(summary, loginOf(summary, "alice"), {
      from: `alice@${DOMAIN}`,
      ...{ to: `alice@${DOMAIN}`, subject: "trusted" },
    });
    assert.match(await readMail(summary, loginOf(summary, "alice"), "trusted"), /trusted/);
  });
});
