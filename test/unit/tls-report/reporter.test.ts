import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { afterEach, beforeEach, describe, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { silentLog } from "../../../mailserver/net/log.ts";
import {
  failedResult,
  NO_POLICY,
  refusedResult,
  type SessionNote,
  stsPolicy,
  tlsaPolicy,
} from "../../../mailserver/policy/tls-report.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";
import { createOwnSigner } from "../../../mailserver/smtp-out/notify.ts";
import { startTlsReporter, type TlsReporter } from "../../../mailserver/tls-report/reporter.ts";
import { openTlsReportStore, type TlsReportStore } from "../../../mailserver/tls-report/store.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { fakeDns, type Zone } from "../../support/fake-dns.ts";
import { temporaryFolder } from "../../support/queue.ts";

const HOUR = 3_600_000;
const START = Date.UTC(2026, 0, 2, 12);

const key = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey;
const privateKey = key.export({ type: "pkcs8", format: "pem" }).toString();
const signers = createDkimSigners([{ domain: "semail.test", selector: "s1", privateKey }]);
const ASKED = { "_smtp._tls.one.test": { txt: ["v=TLSRPTv1; rua=mailto:tls@reports.test"] } };
const sts = stsPolicy("enforce", ["mx.one.test"], 86_400);
const good: SessionNote = { domain: "One.test", policy: sts, host: "mx.one.test", address: "192.0.2.1" };
const bad: SessionNote = { ...good, failure: failedResult("certificate", "is not for mx.one.test") };
const dane: SessionNote = {
  ...{ domain: "one.test", host: "mx.one.test", failure: refusedResult("DANE") },
  policy: tlsaPolicy("mx.one.test", []),
};

const cleanup: (() => PromiseLike<void>)[] = [];
let path: string;
let clock: FakeClock;
let zone: Zone;
let items: NewItem[];
let full: boolean;
let posted: string[];
let serverDown: boolean;
let store: TlsReportStore;
let reporter: TlsReporter;

beforeEach(async () => {
  const folder = await temporaryFolder();
  cleanup.push(() => folder[Symbol.asyncDispose]());
  [path, clock, zone, items, full] = [folder.path, new FakeClock(START), ASKED, [], false];
  [posted, serverDown] = [[], false];
  begin();
});
afterEach(async () => {
  await end();
  for (const undo of cleanup.splice(0)) await undo();
});

function begin(): void {
  store = openTlsReportStore(path, silentLog);
  const own = { hostname: "mx.semail.test", domains: ["semail.test"], signers, clock };
  reporter = startTlsReporter({
    ...{ ...own, store, log: silentLog, sign: createOwnSigner(own), newId: () => `item${items.length}` },
    dns: { resolveTxt: (name) => fakeDns(zone).resolveTxt(name) },
    post: async ({ href }, zipped) => {
      const { "report-id": id } = JSON.parse(gunzipSync(zipped).toString());
      posted.push(`${href} ${id}`);
      if (serverDown) throw new Error("down");
    },
    enqueue: async (item) => {
      if (full) throw new Error("full");
      items.push(item);
    },
  });
}

async function end(): Promise<void> {
  await reporter.stop();
  store.close();
}

/** Looks once an hour; the next timer is set when a look is over. */
async function pass(hours: number): Promise<void> {
  for (let hour = 0; hour < hours; hour += 1) {
    const over = clock.nextTimer();
    await clock.jump();
    await over;
  }
}

function reportOf(item: NewItem | undefined) {
  const text = Buffer.from(item?.body ?? "").toString("latin1");
  const part =
    text.split(/^--.*\r\n/m).find((found) => /application\/tlsrpt\+gzip/.test(found)) ?? assert.fail(text);
  return {
    text,
    json: JSON.parse(gunzipSync(Buffer.from(part.split("\r\n\r\n")[1] ?? "", "base64")).toString()),
  };
}

describe("the sessions of a day", () => {
  test("are reported once, after it has ended, over a restart too", async () => {
    for (const note of [good, good, bad]) reporter.note(note);
    await end();
    begin();
    for (const note of [bad, dane]) reporter.note(note);
    await pass(11);
    assert.equal(items.length, 0, "the day has not ended");
    await pass(20);
    assert.equal(items.length, 1);
    const [item] = items;
    assert.deepEqual(item?.recipients, [{ address: "tls@reports.test", destination: "report:reports.test" }]);
    assert.equal(item?.envelope.from, "");
    const { text, json } = reportOf(item);
    assert.match(text, /^DKIM-Signature: [\s\S]*d=semail\.test/);
    assert.match(text, /^From: Mail system <postmaster@semail\.test>\r$/m);
    assert.match(text, /^Content-Type: multipart\/report; report-type="?tlsrpt"?;/m);
    assert.match(text, /^TLS-Report-Domain: one\.test\r$/im);
    assert.match(text, /filename="?semail\.test!one\.test!1767312000!1767398399\.json\.gz/);
    assert.deepEqual(json, {
      "organization-name": "semail.test",
      "date-range": { "start-datetime": "2026-01-02T00:00:00Z", "end-datetime": "2026-01-02T23:59:59Z" },
      "contact-info": "postmaster@semail.test",
      "report-id": "2026-01-02.one.test@semail.test",
      policies: [
        {
          policy: {
            "policy-type": "sts",
            "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.one.test", "max_age: 86400"],
            "policy-domain": "one.test",
            "mx-host": ["mx.one.test"],
          },
          summary: { "total-successful-session-count": 2, "total-failure-session-count": 2 },
          "failure-details": [
            {
              "result-type": "certificate-host-mismatch",
              "receiving-mx-hostname": "mx.one.test",
              "receiving-ip": "192.0.2.1",
              "failed-session-count": 2,
              "failure-reason-code": "the certificate is not for mx.one.test",
            },
          ],
        },
        {
          policy: {
            "policy-type": "tlsa",
            "policy-string": [],
            "policy-domain": "one.test",
            "mx-host": ["mx.one.test"],
          },
          summary: { "total-successful-session-count": 0, "total-failure-session-count": 1 },
          "failure-details": [
            {
              "result-type": "dnssec-invalid",
              "receiving-mx-hostname": "mx.one.test",
              "failed-session-count": 1,
            },
          ],
        },
      ],
    });
    assert.deepEqual(store.before(Number.MAX_SAFE_INTEGER), []);
  });

  for (const [name, given] of Object.entries<Zone>({
    "of a domain that asks for none": {},
    "of a domain whose name is too long to ask for any": { "_smtp._tls.one.test": { txt: "EBADNAME" } },
    "of a domain that asks for them at an address of ours": {
      "_smtp._tls.one.test": { txt: ["v=TLSRPTv1; rua=mailto:alice@semail.test"] },
    },
  })) {
    test(`${name} are forgotten`, async () => {
      zone = given;
      reporter.note(good);
      await pass(17);
      assert.deepEqual([items.length, store.before(Number.MAX_SAFE_INTEGER)], [0, []]);
    });
  }

  test("wait while DNS is silent or the disk is full, and are given up after two days", async () => {
    zone = { "_smtp._tls.one.test": { txt: "ESERVFAIL" } };
    reporter.note(good);
    await pass(20);
    [zone, full] = [ASKED, true];
    await pass(2);
    assert.equal(store.before(Number.MAX_SAFE_INTEGER).length, 1);
    full = false;
    await pass(1);
    assert.equal(items.length, 1);
    zone = { "_smtp._tls.one.test": { txt: "ESERVFAIL" } };
    reporter.note(good);
    await pass(24 + 49);
    assert.deepEqual([items.length, store.before(Number.MAX_SAFE_INTEGER)], [1, []]);
  });

  test("with a domain that has no policy are reported, too, without words of one", async () => {
    const plain: SessionNote = { domain: "one.test", policy: NO_POLICY, host: "mx.one.test" };
    for (const failure of [undefined, undefined, failedResult("notOffered")])
      reporter.note({ ...plain, failure });
    await pass(17);
    assert.deepEqual(reportOf(items[0]).json.policies, [
      {
        policy: { "policy-type": "no-policy-found", "policy-domain": "one.test" },
        summary: { "total-successful-session-count": 2, "total-failure-session-count": 1 },
        "failure-details": [
          {
            "result-type": "starttls-not-supported",
            "receiving-mx-hostname": "mx.one.test",
            "failed-session-count": 1,
          },
        ],
      },
    ]);
  });

  test("go to an HTTPS server, which is asked again while it is down; who has them gets them once", async () => {
    zone = { "_smtp._tls.one.test": { txt: ["v=TLSRPTv1; rua=https://tls.test/r,mailto:tls@reports.test"] } };
    [serverDown, full] = [true, true];
    reporter.note(good);
    await pass(20);
    full = false;
    await pass(2);
    assert.equal(items.length, 1);
    const asked = posted.length;
    assert.ok(asked > 1, String(asked));
    serverDown = false;
    await pass(3);
    assert.equal(posted.length, asked + 1);
    assert.deepEqual(new Set(posted), new Set(["https://tls.test/r 2026-01-02.one.test@semail.test"]));
    assert.deepEqual([items.length, store.before(Number.MAX_SAFE_INTEGER)], [1, []]);
  });

  test("take no more room than is set aside, whatever strangers publish", async () => {
    const large = stsPolicy(
      "enforce",
      Array.from({ length: 1_000 }, (_, n) => `mx${n}.one.test`),
      1,
    );
    const written = async (): Promise<void> => {
      await end();
      begin();
    };
    for (let n = 0; n < 200; n += 1) reporter.note({ ...bad, policy: large, host: `mx${n}.one.test` });
    await written();
    const day = store.before(Number.MAX_SAFE_INTEGER)[0] ?? assert.fail("nothing");
    const kept = store.read(day);
    assert.equal(kept.length, 50);
    assert.ok(JSON.stringify(kept[0]?.policy).length < 8_000);
    for (let n = 0; n < 3_000; n += 1) reporter.note({ ...good, domain: `p${n}.test`, policy: NO_POLICY });
    await written();
    assert.equal(store.before(Number.MAX_SAFE_INTEGER).length, 2_501);
    for (let n = 0; n < 6_000; n += 1) reporter.note({ ...good, domain: `d${n}.test` });
    await written();
    assert.equal(store.before(Number.MAX_SAFE_INTEGER).length, 5_000 - 49);
  });
});

test("a session that can't be counted holds up no mail", async () => {
  store.close();
  reporter.note(good);
  store = openTlsReportStore(path, silentLog);
});

test("what is looked for is spread over hours, at the same time for a domain each day", async () => {
  for (let n = 0; n < 20; n += 1) reporter.note({ ...good, domain: `d${n}.test` });
  zone = Object.fromEntries(
    Array.from({ length: 20 }, (_, n) => [`_smtp._tls.d${n}.test`, ASKED["_smtp._tls.one.test"]]),
  );
  const counts: number[] = [];
  for (let hour = 0; hour < 18; hour += 1) {
    await pass(1);
    counts.push(items.length);
  }
  assert.ok(new Set(counts).size > 2 && counts.at(-1) === 20, counts.join(" "));
  assert.equal(counts[(12 * HOUR) / HOUR - 2], 0);
});
