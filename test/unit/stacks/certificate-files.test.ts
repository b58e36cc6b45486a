import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { issueAuthority, issueCertificate } from "../../../components/providers/certificate/issue.ts";
import { judgePair, type Pair } from "../../../stacks/certificate-files.ts";

const HOSTS = ["mx.example.org", "smtp.example.org", "imap.example.org"];
const NOW = new Date("2026-03-01T12:00:00Z");
const needs = { hosts: HOSTS, others: ["mta-sts.example.org"], now: NOW };

type Authority = Awaited<ReturnType<typeof issueAuthority>>;
let authority: Authority;
let stranger: Authority;
let pair: Pair;

async function issue(dnsNames: readonly string[], now = NOW): Promise<Pair> {
  const issued = await issueCertificate(authority, {
    dnsNames: [...dnsNames],
    ipAddresses: [],
    days: 30,
    now,
  });
  return { certificate: issued.certificatePem, key: issued.privateKeyPem };
}

const said = (given: { certificate: string | undefined; key: string | undefined }): string[] =>
  judgePair(given, needs).problems.map(({ path, message }) => `${path.split(".")[1]}: ${message}`);

describe("a certificate out of files", () => {
  before(async () => {
    authority = await issueAuthority("One", 400, NOW);
    stranger = await issueAuthority("Another", 2, NOW);
    pair = await issue([...HOSTS, "mta-sts.example.org"]);
  });

  it("is taken when it is the host's, alone or with those who issued it", () => {
    const chain = `${pair.certificate}${authority.certificatePem}`;
    for (const certificate of [pair.certificate, chain])
      assert.deepEqual(judgePair({ ...pair, certificate }, needs), { problems: [], warnings: [] });
  });

  it("is taken, and what it lacks is told, when only names of web pages are missing", async () => {
    const { problems, warnings } = judgePair(await issue(HOSTS), needs);
    assert.deepEqual(problems, []);
    assert.deepEqual(warnings, ["The certificate is not for mta-sts.example.org."]);
  });

  it("is taken by a wildcard", async () => {
    assert.deepEqual(judgePair(await issue(["*.example.org"]), needs).problems, []);
  });

  const refusals: Record<string, [() => Parameters<typeof said>[0] | Promise<Pair>, RegExp]> = {
    "that can't be read": [() => ({ ...pair, certificate: undefined }), /^certificateFile: can't be read/],
    "whose key can't be read": [() => ({ ...pair, key: undefined }), /^keyFile: can't be read/],
    "that is none": [
      () => ({ ...pair, certificate: pair.key }),
      /^certificateFile: holds no certificate in PEM/,
    ],
    "that is cut off": [
      () => ({ ...pair, certificate: pair.certificate.replace(/\n[^\n]+\n[^\n]+\n-----END/, "\n-----END") }),
      /^certificateFile: holds a certificate that is damaged/,
    ],
    "whose key is a certificate": [
      () => ({ ...pair, key: pair.certificate }),
      /^keyFile: holds no private key/,
    ],
    "with somebody else's key": [
      () => ({ ...pair, key: stranger.privateKeyPem }),
      /^keyFile: is not the key of the certificate/,
    ],
    "for another host": [
      () => issue(["mx.example.org", "smtp.example.org"]),
      /^certificateFile: is not for imap\.example\.org: have it issued/,
    ],
    "that has ended": [
      () => issue(HOSTS, new Date("2026-01-01T00:00:00Z")),
      /^certificateFile: ended on Jan 31/,
    ],
    "of tomorrow": [
      () => issue(HOSTS, new Date("2026-03-05T00:00:00Z")),
      /^certificateFile: is good from Mar /,
    ],
    "with a chain that doesn't lead from it": [
      () => ({ ...pair, certificate: `${pair.certificate}${stranger.certificatePem}` }),
      /^certificateFile: has certificates in another order/,
    ],
    "with the chain first": [
      () => ({ ...pair, certificate: `${authority.certificatePem}${pair.certificate}` }),
      /^certificateFile: has certificates in another order/,
    ],
  };
  for (const [name, [given, wanted]] of Object.entries(refusals))
    it(`is refused ${name}`, async () => {
      const problems = said(await given());
      assert.ok(
        problems.some((problem) => wanted.test(problem)),
        problems.join("\n") || "nothing was said",
      );
      assert.doesNotMatch(problems.join("\n"), /PRIVATE KEY|MII/);
    });
});
