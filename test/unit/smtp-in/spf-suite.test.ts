/** The openspf.org suite for RFC 7208, every case through the whole check of a message's sender. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { DNSResolver } from "mailauth";
import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { parseMessage } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { createSenderCheck } from "../../../mailserver/smtp-in/check-sender.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const Zone = z.record(
  z.string(),
  z.array(z.union([z.literal("TIMEOUT"), z.record(z.string(), z.unknown())])),
);
const Scenario = z.object({
  description: z.string(),
  tests: z.record(
    z.string(),
    z.object({
      helo: z.string(),
      host: z.string(),
      mailfrom: z.string(),
      result: z.union([z.string().transform((one) => [one]), z.array(z.string())]),
    }),
  ),
  zonedata: Zone,
});

/** Cases that end otherwise here, each with what comes of it and why. The list may only become shorter. */
const DIFFERENT: Readonly<Record<string, readonly [result: string, why: string]>> = {};

const file = new URL("../../fixtures/spf/rfc7208-tests.yml", import.meta.url);
const scenarios = parseAllDocuments(readFileSync(file, "utf8")).map((document) =>
  Scenario.parse(document.toJS()),
);

/** A stand-in for DNS as the suite describes it; a name's TIMEOUT is for the types that it doesn't have. */
function zone(data: z.infer<typeof Zone>): DNSResolver {
  const names = new Map(Object.entries(data).map(([name, records]) => [name.toLowerCase(), records]));
  const fail = (code: string): never => {
    throw Object.assign(new Error(code), { code });
  };
  const valuesOf = (records: readonly Record<string, unknown>[], type: string): unknown[] => {
    // A text stands under SPF as well as under TXT unless TXT is given.
    const source = type === "TXT" && !records.some((record) => "TXT" in record) ? "SPF" : type;
    return records
      .flatMap((record) => (source in record ? [record[source]] : []))
      .filter((value) => value !== "NONE");
  };
  const look = (name: string, type: string, depth = 0): unknown[] => {
    const records = names.get(name);
    if (records === undefined) return fail(name.startsWith("error.") ? "ETIMEOUT" : "ENOTFOUND");
    const maps = records.filter((record) => record !== "TIMEOUT");
    const found = valuesOf(maps, type);
    const [alias] = valuesOf(maps, "CNAME");
    if (found.length > 0) return found.includes("TIMEOUT") ? fail("ETIMEOUT") : found;
    if (typeof alias === "string" && depth === 0) return look(alias.toLowerCase(), type, 1);
    return fail(records.includes("TIMEOUT") ? "ETIMEOUT" : "ENODATA");
  };
  return async (name, type) =>
    look(name, type).map((value) => {
      if (type === "TXT") return [value].flat();
      if (type !== "MX" || !Array.isArray(value)) return value;
      return { priority: value[0], exchange: value[1] };
    }) as string[];
}

let count = 0;
for (const { description, tests, zonedata } of scenarios) {
  describe(`SPF, ${description}:`, () => {
    for (const [name, { helo, host, mailfrom, result }] of Object.entries(tests)) {
      count += 1;
      test(name, async () => {
        const check = createSenderCheck({
          ...{
            hostname: "mx.semail.test",
            domains: [],
            query: zone(zonedata),
            clock: new FakeClock(0),
            timeoutMs: 1,
            log: silentLog,
          },
        });
        const message = parseMessage(Buffer.from("From: <a@author.invalid>\r\n\r\n"));
        const { fields } = await check(message, { id: name, ip: host, helo, from: mailfrom });
        const found = /^\s*spf=(\w+)/m.exec(fields)?.[1] ?? fields;
        const [known] = DIFFERENT[name] ?? [];
        if (known === undefined)
          assert.ok(result.includes(found), `${found} instead of ${result}: ${fields}`);
        // One that has become right leaves the list.
        else assert.deepEqual([found, result.includes(found)], [known, false]);
      });
    }
  });
}

test("the suite is there", () => assert.equal(count, 203));
