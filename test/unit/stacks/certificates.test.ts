import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseConfig } from "../../../stacks/check-config.ts";

const dns = { provider: "gandi" };
const base = { domain: "example.org", dns, certificates: { kind: "acme", agreed: true } };
const problemsOf = (raw: Record<string, unknown>): string[] =>
  parseConfig(raw).problems.map(({ path, message }) => `${path}: ${message}`);
const acme = (more: object) => ({ ...base, certificates: { ...base.certificates, ...more } });

describe("certificates of a public authority are refused, before any resource, with", () => {
  const cases: Record<string, [Record<string, unknown>, RegExp]> = {
    "terms that nobody accepted": [acme({ agreed: false }), /^certificates\.agreed: must be true: read/],
    "records that the stack doesn't write": [
      { ...base, dns: { provider: "none" } },
      /^certificates\.kind: acme needs dns\.provider gandi or dev/,
    ],
    "no word of who serves the zone": [{ ...base, dns: {} }, /^certificates\.kind: acme needs dns\.provider/],
    "a directory in clear text": [
      acme({ directory: "http://acme.example/dir" }),
      /^certificates\.directory: must be an https:\/\/ URL$/,
    ],
    "a CAA record for somebody else": [
      { ...base, dns: { ...dns, caa: ["ca.example"] } },
      /^dns\.caa: does not name letsencrypt\.org, which issues the certificate: add it$/,
    ],
    "a CAA record for another authority than the directory's": [
      {
        ...acme({ directory: "https://dv.acme-v02.api.pki.goog/directory" }),
        dns: { ...dns, caa: ["letsencrypt.org"] },
      },
      /^dns\.caa: does not name pki\.goog/,
    ],
    "more names than one certificate has": [
      { ...base, portal: { enabled: true }, domains: Array.from({ length: 33 }, (_, n) => `d${n}.example`) },
      /^domains: are too many .*: 106 names, 100 are the most$/,
    ],
    "a contact that is no address": [
      acme({ contact: ["me"] }),
      /^certificates\.contact\.0: must be a mail address/,
    ],
    "a root that is none": [
      acme({ roots: ["/etc/root.pem"] }),
      /^certificates\.roots\.0: must be a certificate in PEM$/,
    ],
    "a kind that nobody knows": [
      acme({ kind: "bought" }),
      /^certificates\.kind: must be one of own, acme, files$/,
    ],
  };
  for (const [name, [raw, wanted]] of Object.entries(cases))
    it(name, () => {
      const problems = problemsOf(raw);
      assert.ok(
        problems.some((problem) => wanted.test(problem)),
        problems.join("\n"),
      );
    });
});

describe("certificates of a public authority are taken with", () => {
  const cases: Record<string, Record<string, unknown>> = {
    "everything as it is by itself": base,
    "a name server for development": { ...base, dns: { provider: "dev" } },
    "a CAA record for it": { ...base, dns: { ...dns, caa: ["ca.example", "letsencrypt.org"] } },
    "an authority that we have not heard of, and its CAA record": {
      ...acme({ directory: "https://acme.example/dir", eabKeyId: "kid-1" }),
      dns: { ...dns, caa: ["ca.example"] },
    },
  };
  for (const [name, raw] of Object.entries(cases)) it(name, () => assert.deepEqual(problemsOf(raw), []));
});

it("the stack's own authority needs nothing of all that", () => {
  assert.deepEqual(problemsOf({ domain: "example.org", certificates: { kind: "own" } }), []);
});

describe("a certificate out of files is refused, before any resource, with", () => {
  const pair = { certificateFile: "/etc/tls/chain.pem", keyFile: "~/tls/key.pem" };
  const files = (more: object, top: object = {}) => ({
    ...{ domain: "example.org", certificates: { kind: "files", ...more } },
    ...top,
  });
  const cases: Record<string, [Record<string, unknown>, RegExp]> = {
    "no word of the key": [
      files({ certificateFile: pair.certificateFile }),
      /^certificates\.keyFile: is missing: certificates\.kind files reads it$/,
    ],
    "a path that depends on where one stands": [
      files({ ...pair, certificateFile: "chain.pem" }),
      /^certificates\.certificateFile: must be an absolute path/,
    ],
    "TLSA records that another key would make wrong": [
      files(pair, { dns: { ...dns, signed: true } }),
      /^dns\.signed: needs certificates\.kind own or acme/,
    ],
    "another kind, which would not look at them": [
      { domain: "example.org", certificates: pair },
      /^certificates\.certificateFile: is for certificates\.kind files$/,
    ],
  };
  for (const [name, [raw, wanted]] of Object.entries(cases))
    it(name, () => {
      const problems = problemsOf(raw);
      assert.ok(
        problems.some((problem) => wanted.test(problem)),
        problems.join("\n"),
      );
    });

  it("nothing, where both are named", () => assert.deepEqual(problemsOf(files(pair)), []));
});
