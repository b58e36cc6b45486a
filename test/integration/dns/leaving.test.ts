/**
 * A domain is given up, in two updates, while mail flows: senders who remember what DNS told them for as long as it said,
 * and a clock that the test sets. Knot answers.
 */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type DnsProject, mailDomainProgram, makeDnsProject } from "../../support/dns-project.ts";
import type { Inbox } from "../../support/mail-listener.ts";
import { rememberingSender, type Sender, signingAs, type World } from "../../support/remembering-sender.ts";
import { zoneQuery } from "../../support/zone.ts";
import { box, start } from "../../unit/smtp-in/support.ts";
import { buildLivedns, type Livedns, startLivedns } from "../livedns/container.ts";

const [STAYS, LEAVES] = ["semail.test", "second.test"];
const ADDRESS = "192.0.2.1";
const TTL = 10_800;
const START = Date.parse("2026-11-01T00:00:00Z");

const foreign = signingAs("sender.test");
let livedns: Livedns;
let project: DnsProject;
let inbox: Inbox;
/** Seconds since the first update. */
let time = 0;
let world: World;
/** Who hears of the domain when it begins, and in the last second. */
let early: Sender;
let late: Sender;

before(async () => {
  livedns = await startLivedns(await buildLivedns(), { LIVEDNS_ZONES: `${STAYS} ${LEAVES}` });
  project = await makeDnsProject({
    GANDI_PERSONAL_ACCESS_TOKEN: livedns.token,
    GANDI_API_URL: livedns.apiUrl,
  });
  inbox = await box();
  const { port: smtp } = await start({
    lmtpPort: inbox.listener.port,
    deps: {
      query: zoneQuery({ "s1._domainkey.sender.test": foreign.record }),
      directory: {
        findRecipient: async () => ({ kind: "box", uid: "alice", host: "127.0.0.1" }),
        close: async () => {},
      },
    },
  });
  const [host = "", port] = livedns.dns.split(":");
  world = {
    nameServer: { host, port: Number(port) },
    now: () => time,
    portOf: (address) => (address === ADDRESS ? smtp : undefined),
  };
  early = stranger();
  late = stranger();
});
after(async () => {
  await livedns?.remove();
  await project?.dispose();
});

interface Lists {
  readonly domains: readonly string[];
  readonly leaving?: readonly string[];
}

async function configure(lists: Lists): Promise<void> {
  const now = new Date(START + time * 1_000);
  await project.program(
    mailDomainProgram({ domain: STAYS, address: ADDRESS, now, dns: { ttl: TTL }, ...lists }),
  );
}

const up = () => project.stack.up({ suppressOutputs: true });
/** What an update would say. */
const preview = async () => (await project.stack.preview()).stdout;

let count = 0;
/** One mail of a sender to the domain that leaves; rejects where DNS tells them of no host. */
async function mail(sender: Sender): Promise<void> {
  await sender.send(`alice@${LEAVES}`, `mail ${count + 1} at ${time}`);
  count += 1;
  await inbox.reached(count);
}
const stranger = (): Sender => rememberingSender(world, foreign);

describe("a domain that is given up, with mail on its way", () => {
  it("has all of it here, of which senders are told for three hours", async () => {
    await configure({ domains: [LEAVES] });
    await up();
    await mail(early);
  });

  it("can't go in one update, and nothing is changed", async () => {
    time = 5_000;
    await configure({ domains: [] });
    await assert.rejects(up(), /second\.test MX: the domain leaves the stack.*semail:leaving/s);
    await mail(stranger());
  });

  it("gives its MX record up first, and is told from when on the rest is safe", async () => {
    // Who asks in the last second before remembers the record for longest.
    time = 5_999;
    await mail(late);
    time = 6_000;
    await configure({ domains: [LEAVES], leaving: [LEAVES] });
    assert.match(await preview(), /second\.test leaves: .*until 2026-11-01T04:55:00\.000Z/);
    await up();
    await assert.rejects(mail(stranger()), /second\.test/);
    await rememberingSender(world, foreign).send(`alice@${STAYS}`, "the other domain stays");
    count += 1;
    time = 10_799;
    await mail(early);
  });

  it("can't go while somebody remembers it", async () => {
    time = 16_798;
    await mail(late);
    await configure({ domains: [] });
    await assert.rejects(up(), /second\.test MX: .*until 2026-11-01T04:55:00\.000Z/s);
  });

  it("then goes, and nobody sends there any more", async () => {
    time = 17_700;
    await configure({ domains: [] });
    await up();
    for (const sender of [early, late, stranger()]) await assert.rejects(mail(sender), /second\.test/);
    assert.equal(inbox.messages.length, count);
    const { summary } = await project.stack.outputs();
    assert.ok(summary?.value.records.every(({ zone }: { zone: string }) => zone === STAYS));
  });
});
