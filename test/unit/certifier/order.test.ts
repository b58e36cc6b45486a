/** Whether an order that failed is tried without the names of domains that are given up. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { authorize } from "../../../mailserver/certifier/authority.ts";
import {
  CertifierFault,
  problemFault,
  undecidedFault,
  unreachableFault,
} from "../../../mailserver/certifier/fault.ts";
import { order } from "../../../mailserver/certifier/order.ts";

const NAMES = ["mx.example.org", "mta-sts.example.org"];
const LEAVING = ["mta-sts.old.example", "mta-sts.gone.example.org"];

const limited = (detail: string, ...identifiers: string[]) =>
  problemFault(
    {
      type: "urn:ietf:params:acme:error:rateLimited",
      detail,
      subproblems: identifiers.map((value) => ({ detail: "too many", identifier: { value } })),
    },
    { retryAfterMs: 3_600_000 },
  );

const cases: readonly (readonly [what: string, fault: CertifierFault, without: boolean])[] = [
  ["no decision about a leaving one", undecidedFault(LEAVING, 180), true],
  ["no decision about one that stays", undecidedFault(["mx.example.org"], 180), false],
  [
    "a limit of the leaving one",
    limited('too many failed authorizations (5) for "mta-sts.old.example" in 1h0m0s'),
    true,
  ],
  [
    "a limit of its domain",
    limited("certificates for Old.Example. are paused, see https://ca.example/limits"),
    true,
  ],
  ["a limit that names it as a part", limited("several", "mx.example.org", "mta-sts.old.example"), true],
  ["a limit of one that stays", limited('too many certificates for "mx.example.org"'), false],
  ["a limit of the domain of those that stay", limited("too many certificates for example.org"), false],
  ["a limit of the account", limited("too many new orders, see https://ca.example/limits"), false],
  ["an authority that doesn't answer", unreachableFault("https://old.example/", "ECONNREFUSED"), false],
  ["a refusal of whatever name", new CertifierFault({ code: "dns", message: "no", remedy: "" }), true],
];

describe("without leaving names a certificate is", () => {
  for (const [what, fault, without] of cases)
    it(`${without ? "" : "not "}asked for after ${what}`, async () => {
      const asked: (readonly string[])[] = [];
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const authority = {
        async obtain({ names }: { names: readonly string[] }) {
          asked.push(names);
          if (asked.length === 1) throw fault;
          return "chain";
        },
        renewalInfo: async () => undefined,
      };
      const ordering = order(
        { names: NAMES, leaving: LEAVING, key: "", replaces: undefined },
        { authority, withdraw: async () => {}, log },
      );
      if (without) assert.equal(await ordering, "chain");
      else await assert.rejects(ordering, fault);
      assert.deepEqual(asked, [[...NAMES, ...LEAVING], ...(without ? [NAMES] : [])]);
    });
});

it("an authority that decides nothing about a name is given up after three minutes, and the name is told", async () => {
  let now = 0;
  const authorization = (value: string, status: string) => ({
    ...{ status, identifier: { type: "dns", value } },
    challenges: [{ type: "dns-01" }],
  });
  let proven = false;
  const client = {
    getAuthorizations: async () => [
      authorization("mx.example.org", proven ? "valid" : "pending"),
      authorization("mta-sts.old.example", "pending"),
    ],
    getChallengeKeyAuthorization: async () => "proof",
    completeChallenge: async () => {
      proven = true;
    },
  };
  const waiting = authorize(client as never, {} as never, {
    zones: ["example.org", "old.example"],
    prove: async () => {},
    elapsed: () => now,
    sleep: async (ms) => {
      now += ms;
    },
  });
  await assert.rejects(waiting, { code: "undecided", message: /about mta-sts\.old\.example$/ });
  assert.ok(now >= 180_000 && now < 190_000, String(now));
});
