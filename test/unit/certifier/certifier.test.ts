import assert from "node:assert/strict";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  type Authority as Issuer,
  issueAuthority,
  issueCertificate,
} from "../../../components/providers/certificate/issue.ts";
import type { Authority } from "../../../mailserver/certifier/authority.ts";
import { type CertifierDeps, startCertifier } from "../../../mailserver/certifier/certifier.ts";
import { CertifierFault } from "../../../mailserver/certifier/fault.ts";
import { type ChallengeRecord, openStore } from "../../../mailserver/certifier/store.ts";
import { createLog } from "../../../mailserver/net/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { temporaryFolder } from "../../support/queue.ts";

const NAMES = ["mx.example.org"];
/** A name of a domain that is given up. */
const LEAVING = "mta-sts.old.example";
const DAY = 86_400_000;
const RECORD: ChallengeRecord = { zone: "example.org", name: "_acme-challenge.mx", value: "proof" };

let ca: Issuer;
let stranger: Issuer;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  const now = new Date();
  [ca, stranger] = await Promise.all([issueAuthority("Own", 400, now), issueAuthority("Public", 400, now)]);
  folder = await temporaryFolder();
});
after(() => folder[Symbol.asyncDispose]());

const newKey = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" })
    .privateKey.export({ type: "pkcs8", format: "pem" })
    .toString();

/** A certifier whose authority does what `answers` say, one after the other, on a clock that is moved. */
async function lab(answers: (Error | Issuer)[] = [], change: Partial<CertifierDeps> = {}) {
  const path = join(folder.path, Math.random().toString(36).slice(2));
  await mkdir(path);
  const key = newKey();
  const clock = new FakeClock(Date.now());
  const issue = async (by: Issuer, names: string[], days = 90) => {
    const now = new Date(clock.now());
    const { certificatePem } = await issueCertificate(by, {
      dnsNames: names,
      ipAddresses: [],
      days,
      now,
      keyPem: key,
    });
    return certificatePem;
  };
  const own = { certificate: await issue(ca, [...NAMES, "localhost"]), key };
  const zone = new Set<string>();
  /** `at`: by the clock that is moved. */
  const lines: ({ event: string; at: number } & Record<string, unknown>)[] = [];
  const log = createLog({
    daemon: "test",
    destination: { write: (line) => void lines.push({ ...JSON.parse(line), at: clock.now() }) },
  });
  const authority = (prove: (records: readonly ChallengeRecord[]) => Promise<void>): Authority => ({
    async obtain({ names }) {
      await prove([RECORD]);
      const next = answers.shift() ?? stranger;
      if (next instanceof Error) throw next;
      return issue(next, [...names]);
    },
    renewalInfo: async () => undefined,
  });
  const deps: CertifierDeps = {
    ...{
      names: NAMES,
      leaving: [],
      directory: "https://one.example/",
      own: async () => own,
      store: openStore(path),
      authority,
      log,
      clock,
      random: () => 0.5,
    },
    challenges: {
      publish: async (records) => {
        for (const { value } of records) zone.add(value);
      },
      withdraw: async (records) => {
        for (const { value } of records) zone.delete(value);
      },
    },
    untilSeen: async () => {},
    ...{ retry: { firstMs: 1_000, maxMs: 8_000 }, holdMs: 0, lookMs: DAY / 4, version: "1" },
    ...change,
  };
  /** Goes from step to step, each to its end, until an event of that name is logged. */
  const until = async (event: string) => {
    const seen = lines.length;
    for (let steps = 0; steps < 2_000; steps += 1) {
      const ended = clock.nextTimer();
      await clock.jump();
      await ended;
      const found = lines.slice(seen).find((line) => line.event === event);
      if (found) return found;
    }
    throw new Error(`never logged ${event}: ${JSON.stringify(lines)}`);
  };
  const events = () => lines.map(({ event }) => event);
  return {
    path,
    clock,
    own,
    zone,
    lines,
    deps,
    until,
    events,
    issue,
    start: (more = {}) => startCertifier({ ...deps, ...more }),
  };
}

const refusal = (facts: Partial<ConstructorParameters<typeof CertifierFault>[0]> = {}) =>
  new CertifierFault({ code: "caa", message: "forbidden", remedy: "allow it", ...facts });

describe("the certifier", () => {
  it("serves the stack's own before it has asked anybody", async () => {
    const { start, own, deps, events } = await lab();
    const certifier = await start();
    assert.ok(certifier.healthy());
    assert.deepEqual(await deps.store.read(), own);
    assert.deepEqual(events(), ["certificate.own"]);
    certifier.close();
  });

  it("replaces a pair in one step, readable for the services and whole", async () => {
    const { start, until, path } = await lab();
    const certifier = await start();
    await until("certificate.issued");
    const places = (await readdir(path)).toSorted();
    assert.equal(places.length, 5, places.join());
    assert.equal((await stat(join(path, "current", "tls.key"))).mode & 0o777, 0o444);
    assert.match(await readFile(join(path, "current", "tls.crt"), "utf8"), /^-----BEGIN CERTIFICATE/);
    certifier.close();
  });

  it("renews at two thirds of the life, and takes its records away each time", async () => {
    const { start, until, zone } = await lab();
    const certifier = await start();
    const { at: first } = await until("certificate.issued");
    const { reason, at } = await until("certificate.ordered");
    assert.equal(reason, "renewal");
    assert.equal(Math.round((at - first) / DAY), 60);
    await until("certificate.issued");
    assert.deepEqual([...zone], []);
    certifier.close();
  });

  it("tries again later and later, and as the authority asks, while the one before is served", async () => {
    const { start, until, own, deps } = await lab([
      refusal(),
      refusal(),
      refusal({ code: "rateLimited", retryAfterMs: 3_600_000 }),
    ]);
    const certifier = await start();
    const pauses: number[] = [];
    let failed = 0;
    for (let n = 0; n < 3; n += 1) {
      const { retryAt, remedy, at } = await until("certificate.failed");
      assert.equal(remedy, "allow it");
      pauses.push(Date.parse(String(retryAt)) - at);
      failed = at;
      assert.deepEqual(await deps.store.read(), own);
    }
    assert.deepEqual(pauses, [1_000, 2_000, 3_600_000 * 1.05]);
    assert.ok((await until("certificate.issued")).at - failed >= 3_600_000);
    certifier.close();
  });

  for (const [what, holdMs, answers] of [
    ["the pause after a failure is as long as it was to be", 0, [refusal()]],
    ["the first certificate is held back for no longer than it was to be", DAY, []],
  ] as const)
    it(`started while the clock was ahead, which is right again: ${what}`, async () => {
      const { start, until, clock } = await lab([...answers]);
      const right = clock.now();
      clock.pass(1_000 * DAY);
      const first = await start({ holdMs });
      if (answers.length > 0) await until("certificate.failed");
      first.close();
      clock.pass(right - clock.now());
      const second = await start({ holdMs });
      const waited = (await until("certificate.ordered")).at - right;
      const wanted = holdMs || 1_000;
      assert.ok(waited >= wanted && waited < wanted + 1_000, String(waited));
      second.close();
    });

  for (const [what, directory, ordered] of [
    ["has another authority issue one at once when it is to be asked", "https://two.example/", true],
    ["leaves alone what the authority issued that is asked still", "https://one.example/", false],
  ] as const)
    it(what, async () => {
      const { start, until, clock, deps } = await lab();
      const first = await start();
      await until("certificate.issued");
      first.close();
      const before = await deps.store.read();
      clock.pass(DAY);
      const began = clock.now();
      const second = await start({ version: "2", directory });
      const { event, reason, at } = await until(ordered ? "certificate.ordered" : "certificate.kept");
      assert.deepEqual([event, reason, at], [event, ordered ? "authority" : undefined, began]);
      if (ordered) await until("certificate.issued");
      assert.equal((await deps.store.read())?.certificate !== before?.certificate, ordered);
      second.close();
      // And that is the end of it.
      const third = await start({ version: "3", directory });
      await until("certificate.kept");
      third.close();
    });

  it("takes what a state from before holds to be of the authority that is asked", async () => {
    const { start, until, deps, events } = await lab();
    const first = await start();
    await until("certificate.issued");
    first.close();
    const { issuedBy, failedBy, ...before } = (await deps.store.state()) ?? assert.fail();
    assert.equal(issuedBy, "https://one.example/");
    await deps.store.save(before);
    const second = await start();
    await until("certificate.kept");
    second.close();
    assert.equal(events().filter((event) => event === "certificate.ordered").length, 1);
    const third = await start({ version: "2", directory: "https://two.example/" });
    assert.equal((await until("certificate.ordered")).reason, "authority");
    third.close();
  });

  for (const [what, fault, version, waits, directory] of [
    ["a restart does not shorten the wait", refusal(), "1", true],
    ["who changed the settings need not wait", refusal(), "2", false],
    [
      "but an authority that has had enough is let be",
      refusal({ code: "rateLimited", retryAfterMs: 900_000 }),
      "2",
      true,
    ],
    [
      "and another authority is asked at once",
      refusal({ code: "rateLimited", retryAfterMs: 900_000 }),
      "2",
      false,
      "https://two.example/",
    ],
  ] as const)
    it(what, async () => {
      const { start, until, clock } = await lab([fault]);
      const first = await start();
      const { retryAt } = await until("certificate.failed");
      first.close();
      const began = clock.now();
      const second = await start({ version, ...(directory ? { directory } : {}) });
      const { at } = await until("certificate.ordered");
      assert.equal(at >= Date.parse(String(retryAt)), waits);
      assert.ok(waits || at === began);
      second.close();
    });

  it("takes away the records of one that was killed", async () => {
    const { start, until, zone, deps, clock } = await lab([refusal()], {
      untilSeen: () => new Promise(() => {}),
    });
    const killed = await start();
    await clock.jump();
    while (zone.size === 0) await new Promise((resolve) => setImmediate(resolve));
    killed.close();
    const next = await start({ untilSeen: async () => assert.equal(zone.size, 1) });
    await until("certificate.failed");
    assert.deepEqual([...zone], []);
    assert.deepEqual((await deps.store.state())?.left, []);
    next.close();
  });

  it("does not serve what lacks a name", async () => {
    const { start, until, own, deps, issue } = await lab();
    const poor: Authority = {
      obtain: () => issue(stranger, ["other.example.org"]),
      renewalInfo: async () => undefined,
    };
    const certifier = await start({ authority: () => poor });
    const { code, reason } = await until("certificate.failed");
    assert.equal(code, "refused");
    assert.match(String(reason), /lacks mx\.example\.org/);
    assert.deepEqual(await deps.store.read(), own);
    certifier.close();
  });

  it("serves one of a shorter life where the authority asks for the renewal, and is satisfied with it", async () => {
    const lifetimes = [90, 6];
    const { start, until, clock, issue, lines } = await lab();
    const began = clock.now();
    const asking: Authority = {
      obtain: () => issue(stranger, NAMES, lifetimes.shift()),
      // All that was issued up to the second day is about to be revoked.
      renewalInfo: async (certificate) =>
        new X509Certificate(certificate).validFromDate.getTime() < began + DAY
          ? { window: { start: began + 2 * DAY, end: began + 2 * DAY }, pollMs: DAY / 4 }
          : undefined,
    };
    const certifier = await start({ authority: () => asking });
    await until("certificate.issued");
    const { reason, notAfter, at } = await until("certificate.issued");
    assert.equal(reason, "renewal");
    assert.equal(Math.round((Date.parse(String(notAfter)) - at) / DAY), 6);
    assert.equal(Math.round((at - began) / DAY), 2);
    assert.ok(!lines.some(({ event }) => event === "certificate.failed"));
    certifier.close();
  });

  for (const [what, unproven, wanted] of [
    ["has the names of a domain that leaves in the certificate, too", undefined, [...NAMES, LEAVING]],
    ["goes on without them when they can't be proven", refusal({ code: "unseen" }), NAMES],
    ["and when their zone is gone", refusal({ code: "records" }), NAMES],
  ] as const)
    it(what, async () => {
      const { start, until, deps, issue, zone, events } = await lab();
      const asked: string[][] = [];
      const authority: CertifierDeps["authority"] = (prove) => ({
        async obtain({ names }) {
          asked.push([...names]);
          await prove([RECORD]);
          if (unproven && names.includes(LEAVING)) throw unproven;
          return issue(stranger, [...names]);
        },
        renewalInfo: async () => undefined,
      });
      const certifier = await start({ leaving: [LEAVING], authority });
      assert.deepEqual((await until("certificate.issued")).names, wanted);
      assert.deepEqual(asked, unproven ? [[...NAMES, LEAVING], NAMES] : [[...NAMES, LEAVING]]);
      assert.deepEqual([...zone], []);
      assert.equal(events().includes("certificate.without"), unproven !== undefined);
      assert.equal((await deps.store.state())?.failures, 0);
      // Nothing is missing then, until the next renewal.
      const { at } = await until("certificate.kept");
      assert.ok((await until("certificate.ordered")).at - at > 59 * DAY);
      certifier.close();
    });

  for (const code of ["rateLimited", "unreachable"])
    it(`doesn't ask for fewer names where that is of no use: ${code}`, async () => {
      const { start, until, lines } = await lab([refusal({ code }), refusal({ code })]);
      const certifier = await start({ leaving: [LEAVING] });
      assert.equal((await until("certificate.failed")).failures, 1);
      assert.ok(!lines.some(({ event }) => event === "certificate.without"));
      certifier.close();
    });

  it("waits with the first until others have forgotten the TLSA record from before", async () => {
    const { start, until, clock } = await lab([], { holdMs: 7_200_000 });
    const began = clock.now();
    const certifier = await start();
    assert.ok((await until("certificate.ordered")).at - began >= 7_200_000);
    certifier.close();
  });

  it("goes back to the stack's own when its time is over and nobody issues another", async () => {
    const none = Array.from({ length: 40_000 }, () => refusal());
    const { start, until, own, deps, clock } = await lab([stranger, ...none], {
      retry: { firstMs: DAY, maxMs: DAY },
    });
    const certifier = await start();
    const end = (await until("certificate.issued")).at + 90 * DAY;
    // An update has renewed the stack's own in the meantime.
    const renewed = {
      ...own,
      certificate: (
        await issueCertificate(ca, {
          dnsNames: NAMES,
          ipAddresses: [],
          days: 200,
          now: new Date(),
          keyPem: own.key,
        })
      ).certificatePem,
    };
    certifier.close();
    const later = await start({ own: async () => renewed });
    clock.pass(89 * DAY);
    assert.ok((await until("certificate.own")).at >= end - 1_000);
    assert.deepEqual(await deps.store.read(), renewed);
    later.close();
  });

  it("goes on with what the files had while an update writes them anew", async () => {
    const { start, until, own } = await lab([refusal()]);
    let half = false;
    const certifier = await start({ own: async () => (half ? { ...own, key: "" } : own) });
    half = true;
    assert.equal((await until("certificate.failed")).code, "caa");
    assert.ok(certifier.healthy());
    certifier.close();
  });
});
