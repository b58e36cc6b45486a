/** What the doctor makes of what a service said. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { checkService } from "../../../tools/doctor/service-checks.ts";
import type { Heard, Protocol } from "../../../tools/doctor/services.ts";
import { said } from "./said.ts";

const ZONE = "example.org";

describe("a service", () => {
  const now = new Date("2026-06-01T00:00:00Z");
  const shown = {
    names: [`mx.${ZONE}`],
    notBefore: new Date("2026-03-11"),
    notAfter: new Date("2026-08-01"),
    fits: true,
    distrust: undefined,
    own: true,
  };
  const good: Heard = {
    ...{ greeting: `220 mx.${ZONE} ESMTP`, offersTls: true, shown },
    ...{ relay: "550 5.7.1 no", postmaster: "250 2.1.5 ok" },
  };
  const cases: [
    name: string,
    change: Heard,
    wanted: RegExp | undefined,
    more?: { publicTrust?: boolean; protocol?: Protocol; certifier?: string },
  ][] = [
    ["is well", {}, undefined],
    [
      "is not there",
      { ...unheard(), fault: "ECONNREFUSED" },
      /^error: no answer at 192\.0\.2\.1 port 25 \(ECONNREFUSED\)/,
    ],
    ["is another's", { greeting: "220 other.example.net hi" }, /^error: it greets as other\.example\.net/],
    ["turns people away", { greeting: "421 4.3.2 busy" }, /^error: it says "421 4\.3\.2 busy"/],
    ["has no STARTTLS", { offersTls: false, shown: undefined }, /^error: it offers no STARTTLS/],
    [
      "breaks off at the handshake",
      { shown: undefined, fault: "ECONNRESET" },
      /^error: no TLS came about \(ECONNRESET\)/,
    ],
    [
      "shows an old certificate",
      { shown: { ...shown, notAfter: new Date("2026-05-20") } },
      /^error: its certificate ended on 2026-05-20/,
    ],
    [
      "shows one that ends soon",
      { shown: { ...shown, notAfter: new Date("2026-06-09") } },
      /^warning: its certificate ends in 8 days/,
    ],
    [
      "shows one that lives for six days",
      { shown: { ...shown, notBefore: new Date("2026-05-28"), notAfter: new Date("2026-06-03") } },
      undefined,
    ],
    [
      "shows one that lived for six days",
      { shown: { ...shown, notBefore: new Date("2026-05-26"), notAfter: new Date("2026-06-01T20:30:00Z") } },
      /^warning: its certificate ends in 20 hours/,
    ],
    [
      "shows one that ended a minute ago",
      { shown: { ...shown, notAfter: new Date("2026-05-31T23:59:00Z") } },
      /^error: its certificate ended on 2026-05-31/,
    ],
    [
      "shows another's",
      { shown: { ...shown, fits: false, names: ["a.test"] } },
      /^error: its certificate is for a\.test, not for mx/,
    ],
    [
      "shows one that nobody trusts",
      { shown: { ...shown, distrust: "DEPTH_ZERO_SELF_SIGNED_CERT" } },
      /^error: nobody trusts/,
    ],
    [
      "has a certificate of our own where senders need a public one",
      {},
      /^error: the stack's own authority issued/,
      { publicTrust: true },
    ],
    [
      "has one of our own where a public authority shall issue it",
      {},
      /^warning: the stack's own authority issued /,
      { certifier: "semail-prod-certifier" },
    ],
    [
      "has one of our own where senders need the public one that is to come",
      {},
      /^error: the stack's own authority issued /,
      { certifier: "semail-prod-certifier", publicTrust: true },
    ],
    [
      "has one of a public authority",
      { shown: { ...shown, own: false } },
      undefined,
      { certifier: "semail-prod-certifier", publicTrust: true },
    ],
    [
      "has one of a public authority that nobody renewed",
      { shown: { ...shown, own: false, notAfter: new Date("2026-06-09") } },
      /^warning: its certificate ends in 8 days/,
      { certifier: "semail-prod-certifier" },
    ],
    [
      "relays for strangers",
      { relay: "250 2.1.5 ok" },
      /^error: it takes a stranger's mail to a foreign domain/,
    ],
    ["asks strangers to log in", { relay: "530 5.7.0 authenticate" }, undefined],
    ["puts strangers off", { relay: "451 4.7.1 later" }, /^warning: it puts/],
    [
      "knows no postmaster",
      { postmaster: "550 5.1.1 unknown" },
      /^warning: mail to postmaster@example\.org is refused/,
    ],
  ];
  for (const [name, change, wanted, more = {}] of cases) {
    test(name, () => {
      const { protocol = "smtp", publicTrust = false, certifier } = more;
      const endpoint = {
        protocol,
        host: "192.0.2.1",
        port: 25,
        serverName: `mx.${ZONE}`,
        ca: "",
        timeoutMs: 1,
      };
      const checks = checkService(
        { endpoint, heard: { ...good, ...change } },
        { now, domain: ZONE, publicTrust, certifier },
      );
      const lines = said(checks);
      if (wanted === undefined) return assert.deepEqual(lines, []);
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.match(lines[0] ?? "", wanted);
      if (certifier === undefined) return;
      const [finding] = checks.flatMap(({ findings }) => findings);
      assert.match(finding?.remedy ?? "", /`docker logs semail-prod-certifier`/);
    });
  }
});

function unheard(): Heard {
  return {
    greeting: undefined,
    shown: undefined,
    offersTls: undefined,
    relay: undefined,
    postmaster: undefined,
  };
}
