import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import type { DeliveryReport } from "../../../mailserver/net/types.ts";
import type { TlsDecision } from "../../../mailserver/policy/tls.ts";
import { certificateRefused, reply, tlsFailed, tlsNotOffered } from "../../../mailserver/smtp/replies.ts";
import { type Case, courier, delivery, FIRST, failed, peers, SECOND, TWO, taken } from "./support.ts";

const secretly: DeliveryReport = {
  ...{ kind: "done", outcomes: [{ kind: "delivered", reply: reply(250, "2.0.0", "ok") }], bodyBegan: true },
  tls: { version: "TLSv1.3", cipher: "x" },
};
const DANE: TlsDecision = {
  ...{ kind: "dane", by: "DANE", base: "mx1.test", names: ["mx1.test"] },
  records: [{ usage: 3, selector: 1, matching: 1, data: "ab" }],
};
const TESTING: TlsDecision = { kind: "testing", by: "MTA-STS", unlisted: false };
const refused: TlsDecision = {
  ...{ kind: "refuse", by: "DANE" },
  outcome: { kind: "temporary", reply: reply(451, "4.7.5", "bogus") },
};

const secured: Readonly<
  Record<string, Omit<Case, "zone"> & { readonly tls: TlsDecision; readonly noted: string }>
> = {
  "a failed hand-shake under DANE is no reason for clear text": {
    tls: DANE,
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test validation-failure",
    result: "temporary 4.7.5 by mx1.test",
  },
  "a wrong certificate under DANE": {
    tls: DANE,
    answers: { [FIRST]: failed("tls", certificateRefused), [SECOND]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test certificate-not-trusted, mx2.test ok",
    result: "delivered 2.0.0 by mx2.test",
  },
  "no STARTTLS under MTA-STS": {
    tls: { kind: "sts", by: "MTA-STS" },
    answers: { [FIRST]: failed("helo", tlsNotOffered), [`${FIRST} clear`]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test starttls-not-supported",
    result: "temporary 4.7.4 by mx1.test",
  },
  "a failed hand-shake with unusable TLSA records": {
    tls: { kind: "encrypted", by: "DANE" },
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, SECOND],
    noted: "mx1.test validation-failure",
    result: "temporary 4.7.5 by mx1.test",
  },
  "hosts that must not be used": {
    tls: refused,
    answers: {},
    asked: [],
    noted: "mx1.test dnssec-invalid, mx2.test dnssec-invalid",
    result: "temporary 4.7.5 by mx1.test",
  },
  "a failed hand-shake that nobody minds": {
    tls: { kind: "opportunistic" },
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, `${FIRST} clear`],
    noted: "mx1.test validation-failure",
    result: "delivered 2.0.0 by mx1.test",
  },
  "no STARTTLS, which nobody minds": {
    tls: { kind: "opportunistic" },
    answers: { [FIRST]: taken },
    asked: [FIRST],
    noted: "mx1.test starttls-not-supported",
    result: "delivered 2.0.0 by mx1.test",
  },
  "TLS that nobody asks for": {
    tls: { kind: "opportunistic" },
    answers: { [FIRST]: secretly },
    asked: [FIRST],
    noted: "mx1.test ok",
    result: "delivered 2.0.0 by mx1.test",
  },
  "a failed hand-shake in testing mode": {
    tls: TESTING,
    answers: { [FIRST]: failed("tls", tlsFailed), [`${FIRST} clear`]: taken },
    asked: [FIRST, `${FIRST} clear`],
    noted: "mx1.test validation-failure",
    result: "delivered 2.0.0 by mx1.test",
  },
};
describe("TLS that is demanded:", () => {
  for (const [name, { tls, answers, asked, noted, result }] of Object.entries(secured)) {
    test(name, async () => {
      const world = peers(answers);
      const notes: string[] = [];
      const policy = { type: "sts", strings: [], hosts: [] } as const;
      const carry = courier(TWO, world.connections, {
        security: async () => async () => ({ ...tls, policy }),
        noted: ({ host, failure }) => void notes.push(`${host} ${failure?.result ?? "ok"}`),
      });
      const [of] = await carry("one.test", delivery("bob"), new AbortController().signal);
      assert.deepEqual(world.asked, asked);
      assert.equal(`${of?.kind} ${of?.reply.enhanced} by ${of?.host}`, result);
      assert.equal(notes.join(", "), noted);
    });
  }

  test("testing mode reports what enforce would have refused", async () => {
    const told: unknown[] = [];
    const log = {
      ...silentLog,
      warn: (event: string, fields?: object) => void told.push({ event, ...fields }),
    };
    const doubtful = { ...taken, tls: { version: "TLSv1.3", cipher: "x", doubt: "is not for mx1.test" } };
    const world = peers({ [FIRST]: doubtful });
    await courier(TWO, world.connections, { log, security: async () => async () => TESTING })(
      ...(["one.test", delivery("bob"), new AbortController().signal] as const),
    );
    const reason = "the certificate is not for mx1.test";
    assert.deepEqual(told, [
      ...[
        {
          event: "tls.policy.violated",
          host: "mx1.test",
          address: FIRST,
          by: "MTA-STS",
          testing: true,
          reason,
        },
      ],
    ]);
  });
});
