/**
 * A host moves to another address, in two updates, while mail flows: senders who remember what DNS told them for as long
 * as it said, two hosts with smtp-in, and a clock that the test sets. Knot answers.
 */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { after, before, describe, it } from "node:test";
import * as crud from "@pulumi/gandi/crud.ts";
import type { SmtpIn } from "../../../mailserver/smtp-in/daemon.ts";
import { type DnsProject, mailDomainProgram, makeDnsProject } from "../../support/dns-project.ts";
import type { Inbox } from "../../support/mail-listener.ts";
import { rememberingSender, type Sender, signingAs, type World } from "../../support/remembering-sender.ts";
import { box, start } from "../../unit/smtp-in/support.ts";
import { buildLivedns, type Livedns, startLivedns } from "../livedns/container.ts";

const ZONE = "semail.test";
const FOREIGN = "sender.test";
const [OLD, NEW] = ["192.0.2.1", "192.0.2.2"];
const LONG = 10_800;
const START = Date.parse("2026-11-01T00:00:00Z");

interface Site {
  readonly smtpIn: SmtpIn;
  readonly inbox: Inbox;
}

const foreign = signingAs(FOREIGN);
let livedns: Livedns;
let project: DnsProject;
let sites: Record<string, Site>;
/** Seconds since the first update. */
let time = 0;
let world: World;
const senders: Sender[] = [];

/** smtp-in as it runs on either host: it asks Knot who may have sent a mail. */
async function site(): Promise<Site> {
  const inbox = await box();
  const resolver = new Resolver({ timeout: 5_000, tries: 2 });
  resolver.setServers([livedns.dns]);
  const query = (name: string, type: string) => resolver.resolve(name, type) as Promise<string[]>;
  return { inbox, smtpIn: await start({ lmtpPort: inbox.listener.port, deps: { query } }) };
}

async function publish(name: string, value: string): Promise<void> {
  const auth = { apiUrl: livedns.apiUrl, token: livedns.token };
  const wanted = { zone: FOREIGN, name, type: "TXT", values: [value], snapshot: false, auth };
  const { inputs, failures } = await crud.check({}, wanted);
  assert.deepEqual(failures, []);
  await crud.create(inputs);
}

before(async () => {
  livedns = await startLivedns(await buildLivedns(), { LIVEDNS_ZONES: `${ZONE} ${FOREIGN}` });
  await publish("s1._domainkey", foreign.record);
  // What isn't signed well is refused by whoever gets it.
  await publish("_dmarc", "v=DMARC1; p=reject");
  project = await makeDnsProject({
    GANDI_PERSONAL_ACCESS_TOKEN: livedns.token,
    GANDI_API_URL: livedns.apiUrl,
  });
  sites = { [OLD]: await site(), [NEW]: await site() };
  const [host = "", port] = livedns.dns.split(":");
  world = {
    nameServer: { host, port: Number(port) },
    now: () => time,
    portOf: (address) => sites[address]?.smtpIn.port,
  };
});
after(async () => {
  await livedns?.remove();
  await project?.dispose();
});

interface Update {
  readonly ttl: number;
  readonly address: string;
  readonly provider?: string;
  readonly changeNow?: boolean;
}

async function configure({ address, ...dns }: Update): Promise<void> {
  const now = new Date(START + time * 1_000);
  await project.program(mailDomainProgram({ domain: ZONE, address, now, dns }));
}

const up = () => project.stack.up({ suppressOutputs: true });
/** What an update would say. */
const preview = async () => (await project.stack.preview()).stdout;
const subjectsAt = (address: string): string[] =>
  (sites[address]?.inbox.messages ?? []).map(({ text }) => /^Subject: (.*)\r$/m.exec(text)?.[1] ?? "");

/** Where a mail is, once it is in a box: smtp-in may have answered when its spool had it. */
async function arrival(subject: string): Promise<string> {
  for (;;) {
    const at = [OLD, NEW].find((address) => subjectsAt(address).includes(subject));
    if (at !== undefined) return at;
    await Promise.race(Object.values(sites).map(({ inbox }) => inbox.reached(inbox.messages.length + 1)));
  }
}

let count = 0;
/** One mail of each sender, and of one who hears of the domain for the first time. Where they went, those apart. */
async function mail(): Promise<{ known: Set<string>; fresh: string | undefined }> {
  const went = async (sender: Sender): Promise<string> => {
    count += 1;
    const subject = `mail ${count} at ${time}`;
    await sender.send(`alice@${ZONE}`, subject);
    return arrival(subject);
  };
  const known = new Set(await Promise.all(senders.map(went)));
  const sender = rememberingSender(world, foreign);
  senders.push(sender);
  return { known, fresh: await went(sender) };
}

/** Mail after mail for as long as the work takes, once at least; where it went. */
async function mailDuring(work: () => Promise<unknown>): Promise<Set<string>> {
  let done = false;
  const working = work().finally(() => {
    done = true;
  });
  // It is awaited when the mail is sent.
  working.catch(() => {});
  const hosts = new Set<string>();
  try {
    do {
      for (const host of (await mail()).known) hosts.add(host);
      // Those of this moment remember the same.
      senders.splice(senders.length - 1, 1);
    } while (!done);
  } finally {
    await working;
  }
  return hosts;
}

describe("a host that moves, with mail on its way", () => {
  it("has all of it at the old address, of which senders are told for three hours", async () => {
    await configure({ ttl: LONG, address: OLD });
    await up();
    assert.equal((await mail()).fresh, OLD);
    time = 99;
    assert.deepEqual(await mail(), { known: new Set([OLD]), fresh: OLD });
  });

  it("is refused in one update, and nothing is changed", async () => {
    time = 100;
    await configure({ ttl: LONG, address: NEW });
    assert.deepEqual(
      await mailDuring(() =>
        assert.rejects(up(), /mx\.semail\.test A, smtp\.semail\.test A.*10800 s after/s),
      ),
      new Set([OLD]),
    );
    assert.equal((await mail()).fresh, OLD);
  });

  it("lowers the TTL, and is told when the other update is right", async () => {
    await configure({ ttl: 300, address: OLD });
    assert.match(await preview(), /the TTL goes from 10800 to 300 s: from 2026-11-01T03:01:40\.000Z on/);
    assert.deepEqual(await mailDuring(up), new Set([OLD]));
    time = 5_000;
    await configure({ ttl: 300, address: NEW });
    assert.deepEqual(
      await mailDuring(() => assert.rejects(up(), /until 2026-11-01T03:01:40\.000Z/)),
      new Set([OLD]),
    );
  });

  it("moves when the old TTL is over: mail goes to either address until the time that is told", async () => {
    // Who asks in the last second before remembers the old address for longest.
    time = 10_899;
    assert.equal((await mail()).fresh, OLD);
    time = 10_900;
    await configure({ ttl: 300, address: NEW });
    assert.match(await preview(), /follow within 300 s.*until 2026-11-01T03:06:40\.000Z/s);
    assert.ok((await mailDuring(up)).has(OLD));
    const { known, fresh } = await mail();
    assert.ok(known.has(OLD));
    assert.equal(fresh, NEW);
    time = 11_198;
    assert.deepEqual(await mail(), { known: new Set([OLD, NEW]), fresh: NEW });
  });

  it("then has all of it at the new address, and nobody misses the old one", async () => {
    time = Date.parse("2026-11-01T03:06:40Z") / 1_000 - START / 1_000;
    await sites[OLD]?.smtpIn.close();
    const before = subjectsAt(OLD).length;
    assert.deepEqual(await mail(), { known: new Set([NEW]), fresh: NEW });
    time += 10;
    await configure({ ttl: LONG, address: NEW });
    assert.deepEqual(await mailDuring(up), new Set([NEW]));
    assert.equal(subjectsAt(OLD).length, before);
  });

  it("takes its records out of the zone for another provider only when that is said", async () => {
    const given = { ttl: LONG, address: NEW, provider: "none" };
    await configure(given);
    await assert.rejects(project.stack.preview(), /✗ semail\.test: .*takes the stack's \d+ records out of/);
    assert.equal((await mail()).fresh, NEW);
    await configure({ ...given, changeNow: true });
    assert.match(await preview(), /! semail\.test: .*takes the stack's \d+ records out of/);
  });

  it("and has lost none, nor taken one whose signature its receiver did not find right", () => {
    assert.ok(senders.length > 5);
    const all = [OLD, NEW].flatMap((address) => sites[address]?.inbox.messages ?? []);
    assert.equal(all.length, count);
    for (const { text } of all)
      assert.match(text, /^Authentication-Results: mx\.semail\.test;.*?dkim=pass.*?dmarc=pass/ms);
  });
});
