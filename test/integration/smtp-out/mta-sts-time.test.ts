/** How MTA-STS fares over days: policies that change, expire or can't be had, and hosts that go wrong and are mended. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openStsStore } from "../../../mailserver/courier/sts-store.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import type { Zone } from "../../support/fake-dns.ts";
import { temporaryFolder } from "../../support/queue.ts";
import { policyFile, type StsPlaces, type StsSite, startStsSite, stsZone } from "../../support/sts-site.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WEEK = { maxAge: 604_800 };

/** What changes, and what becomes of the next message. */
interface Step {
  readonly id?: string;
  readonly policyAt?: keyof StsPlaces;
  readonly mailAt?: keyof StsPlaces;
  readonly file?: StsSite["file"];
  /** DNS has no `_mta-sts` record, or gives no answer for it. */
  readonly record?: "there" | "gone" | "silent";
  /** Milliseconds since the step before. */
  readonly after?: number;
  /** smtp-out has been restarted. */
  readonly restart?: true;
  readonly want: string;
}

const OK = "delivered ESMTPS, sts ok";
const ENFORCE = policyFile("enforce", "mx.one.test", WEEK);
const TESTING = policyFile("testing", "mx.one.test", WEEK);
const OTHER = policyFile("enforce", "mx2.one.test", WEEK);
const ENDED = policyFile("none", "mx.one.test", WEEK);
const UNLISTED = "temporary 4.7.5, sts validation-failure";
const STRANGER = "temporary 4.7.5, sts certificate-not-trusted";

const stories: Readonly<Record<string, readonly Step[]>> = {
  "a policy that does not name the host holds mail back until the domain corrects it under another id": [
    { file: OTHER, want: UNLISTED },
    { file: ENFORCE, after: HOUR, want: UNLISTED },
    { id: "2", want: OK },
  ],
  "a corrected policy under the old id is seen within a day": [
    { file: OTHER, want: UNLISTED },
    { file: ENFORCE, after: DAY, want: OK },
  ],
  "a wrong certificate holds mail back until it is mended": [
    { file: ENFORCE, mailAt: "strange", want: STRANGER },
    { after: HOUR, want: STRANGER },
    { mailAt: "mail", want: OK },
  ],
  "STARTTLS that vanishes holds mail back until it is there again": [
    { file: ENFORCE, want: OK },
    { mailAt: "clear", after: HOUR, want: "temporary 4.7.4, sts starttls-not-supported" },
    { mailAt: "mail", after: HOUR, want: OK },
  ],
  "a policy that is known holds while its host is down, over a restart too": [
    { file: ENFORCE, want: OK },
    { policyAt: "nowhere", mailAt: "strange", after: 2 * DAY, want: STRANGER },
    { id: "2", restart: true, after: HOUR, want: STRANGER },
    { mailAt: "mail", want: OK },
  ],
  "a policy that is known holds while its host shows a wrong certificate or a nonsense file": [
    { file: ENFORCE, want: OK },
    { policyAt: "strangePolicy", mailAt: "strange", after: 2 * DAY, want: STRANGER },
    { policyAt: "policy", file: policyFile("whatever", "x"), after: HOUR, want: STRANGER },
  ],
  "a policy that is known holds when its record is gone or DNS is silent": [
    { file: ENFORCE, want: OK },
    { record: "gone", mailAt: "strange", after: HOUR, want: STRANGER },
    { record: "silent", restart: true, after: HOUR, want: STRANGER },
  ],
  "a policy that can't be fetched any more ends when it expires": [
    { file: ENFORCE, want: OK },
    { policyAt: "nowhere", mailAt: "strange", after: 7 * DAY - 1, want: STRANGER },
    { after: 1, want: "delivered ESMTPS, sts sts-policy-fetch-error" },
  ],
  "a policy whose record is gone ends when it expires, and leaves nothing": [
    { file: ENFORCE, want: OK },
    { record: "gone", mailAt: "strange", after: 7 * DAY, want: "delivered ESMTPS, no-policy-found ok" },
  ],
  "a policy is kept for longer than it says by being fetched in time": [
    { file: ENFORCE, want: OK },
    { after: 6 * DAY, want: OK },
    { policyAt: "nowhere", mailAt: "strange", after: 6 * DAY, want: STRANGER },
  ],
  "a policy in testing mode lets mail through and tells, until it is enforced": [
    { file: TESTING, mailAt: "strange", want: "delivered ESMTPS, sts certificate-not-trusted" },
    { file: ENFORCE, id: "2", after: HOUR, want: STRANGER },
  ],
  "a policy in testing mode lets mail through in clear text, and tells": [
    { file: TESTING, mailAt: "clear", want: "delivered ESMTP, sts starttls-not-supported" },
  ],
  "a policy that the domain ends holds nobody back": [
    { file: ENFORCE, mailAt: "strange", want: STRANGER },
    { file: ENDED, id: "2", after: HOUR, want: "delivered ESMTPS, no-policy-found ok" },
  ],
  "a policy that could not be had is asked for again after five minutes": [
    {
      file: ENFORCE,
      policyAt: "nowhere",
      mailAt: "strange",
      want: "delivered ESMTPS, sts sts-policy-fetch-error",
    },
    { policyAt: "policy", after: 299_999, want: "delivered ESMTPS, sts sts-policy-fetch-error" },
    { after: 1, want: STRANGER },
  ],
};

let site: StsSite;
before(async () => {
  site = await startStsSite("127.0.78");
});
after(() => site[Symbol.asyncDispose]());

function zoneOf({ id = "1", policyAt = "policy", mailAt = "mail", record = "there" }: Step): Zone {
  const { "_mta-sts.one.test": there, ...others } = stsZone({
    ...{ id, policyAt: site.places[policyAt], mailAt: site.places[mailAt] },
  });
  if (record === "gone") return others;
  return { ...others, "_mta-sts.one.test": record === "silent" ? { txt: "ETIMEOUT" } : (there ?? {}) };
}

describe("over time,", () => {
  for (const [name, steps] of Object.entries(stories)) {
    test(name, async () => {
      await using folder = await temporaryFolder();
      const clock = new FakeClock(Date.UTC(2026, 0, 2, 12));
      let state: Step = { want: "" };
      const start = () => {
        const store = openStsStore(folder.path, silentLog);
        return { store, send: site.sender({ zone: () => zoneOf(state), store, clock }) };
      };
      let running = start();
      try {
        for (const [index, step] of steps.entries()) {
          // What was, was; but for time and restarts.
          const { after: _after, restart: _restart, ...before } = state;
          state = { ...before, ...step };
          clock.pass(step.after ?? 0);
          if (state.file !== undefined) site.file = state.file;
          if (step.restart) {
            running.store.close();
            running = start();
          }
          const { came, noted, said } = await running.send();
          assert.equal([came, ...noted].join(", "), step.want, `step ${index + 1}: ${said}`);
        }
      } finally {
        running.store.close();
      }
    });
  }
});
