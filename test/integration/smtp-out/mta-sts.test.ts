import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { after, before, describe, test } from "node:test";
import { openStsStore } from "../../../mailserver/courier/sts-store.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { temporaryFolder } from "../../support/queue.ts";
import { policyFile, type StsPlaces, type StsSite, startStsSite, stsZone } from "../../support/sts-site.ts";

interface Case {
  readonly file: RequestListener;
  readonly policyAt?: keyof StsPlaces;
  readonly mailAt?: keyof StsPlaces;
  readonly want: string;
  /** What the domain would be told in a report (RFC 8460); that all was right unless told. */
  readonly noted?: string;
}

const cases: Readonly<Record<string, Case>> = {
  "enforce, and the right certificate": {
    file: policyFile("enforce", "mx.one.test"),
    want: "delivered ESMTPS",
  },
  "enforce by a wildcard": { file: policyFile("enforce", "*.one.test"), want: "delivered ESMTPS" },
  "enforce, and a stranger's certificate": {
    file: policyFile("enforce", "mx.one.test"),
    mailAt: "strange",
    want: "temporary 4.7.5",
    noted: "sts certificate-not-trusted",
  },
  "enforce, and no TLS": {
    file: policyFile("enforce", "mx.one.test"),
    mailAt: "clear",
    want: "temporary 4.7.4",
    noted: "sts starttls-not-supported",
  },
  "enforce, and a host that is not named": {
    file: policyFile("enforce", "mx2.one.test"),
    want: "temporary 4.7.5",
    noted: "sts validation-failure",
  },
  "testing, and a stranger's certificate": {
    file: policyFile("testing", "mx.one.test"),
    mailAt: "strange",
    want: "delivered ESMTPS",
    noted: "sts certificate-not-trusted",
  },
  "testing, and no TLS": {
    file: policyFile("testing", "mx.one.test"),
    mailAt: "clear",
    want: "delivered ESMTP",
    noted: "sts starttls-not-supported",
  },
  "none, and a stranger's certificate": {
    file: policyFile("none", "mx.one.test"),
    mailAt: "strange",
    want: "delivered ESMTPS",
    noted: "no-policy-found ok",
  },
  "a policy host with a stranger's certificate, which counts as no policy": {
    file: policyFile("enforce", "mx2.one.test"),
    policyAt: "strangePolicy",
    want: "delivered ESMTPS",
    noted: "sts sts-webpki-invalid",
  },
  "a redirect to the policy, which counts as no policy (RFC 8461 section 3.3)": {
    file: (request, response) => {
      if (request.url === "/there") return policyFile("enforce", "mx2.one.test")(request, response);
      response.writeHead(302, { Location: "https://mta-sts.one.test/there" }).end();
    },
    want: "delivered ESMTPS",
    noted: "sts sts-policy-fetch-error",
  },
  "a policy of more than 64 KiB, which counts as none": {
    file: policyFile("enforce", "mx2.one.test", { more: "x".repeat(70_000) }),
    want: "delivered ESMTPS",
    noted: "sts sts-policy-invalid",
  },
  "a policy that is a web page, which counts as none": {
    file: (_request, response) =>
      void response.setHeader("Content-Type", "text/html").end("<p>mode: enforce"),
    want: "delivered ESMTPS",
    noted: "sts sts-policy-invalid",
  },
};

let site: StsSite;
before(async () => {
  site = await startStsSite("127.0.77");
});
after(() => site[Symbol.asyncDispose]());

describe("a domain with an MTA-STS policy:", () => {
  for (const [name, { file, policyAt = "policy", mailAt = "mail", want, noted = "sts ok" }] of Object.entries(
    cases,
  )) {
    test(`${name}: ${want}`, async () => {
      site.file = file;
      await using folder = await temporaryFolder();
      using stack = new DisposableStack();
      const store = stack.adopt(openStsStore(folder.path, silentLog), (opened) => opened.close());
      const zone = stsZone({ id: "1", policyAt: site.places[policyAt], mailAt: site.places[mailAt] });
      const sent = await site.sender({ zone: () => zone, store, clock: systemClock })();
      assert.deepEqual([sent.came, sent.noted], [want, [noted]], sent.said);
    });
  }
});
