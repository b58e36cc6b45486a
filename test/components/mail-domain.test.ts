/** The records of a mail domain at a DNS provider of any kind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { disconnect } from "@pulumi/pulumi/runtime/settings.js";
import { MailDomain } from "../../components/mail-domain.ts";
import { liveDnsRecords, type RecordArgs, type RecordProvider } from "../../components/record-provider.ts";

const record = (name: string, type: string, more: Partial<RecordArgs> = {}): RecordArgs => ({
  ...{ zone: "example.org", name, type, ttl: 300, values: ["x"] },
  ...more,
});

class Elsewhere extends pulumi.CustomResource {
  constructor(name: string, { values, ...rest }: RecordArgs, opts: pulumi.CustomResourceOptions) {
    super("elsewhere:index:Record", name, { ...rest, values: [...values] }, opts);
  }
}

/** What is declared by `work`: type, name and inputs of each resource. */
async function declared(work: () => void) {
  const found: { type: string; name: string; inputs: Record<string, unknown> }[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        found.push({ type, name, inputs });
        return { id: name, state: inputs };
      },
      call: () => ({}),
    },
    "semail",
    "prod",
  );
  work();
  await disconnect();
  return found;
}

const zones = (provider: RecordProvider | undefined) =>
  new MailDomain("domain", { provider, servers: [], patienceSeconds: 0 });

test("any provider that declares record sets will do", async () => {
  const found = await declared(() => {
    const domain = zones((label, args, opts) => new Elsewhere(label, args, opts));
    const keys = domain.publishKeys([record("s._domainkey", "TXT")], []);
    domain.publish([record("@", "MX"), record("@", "TXT", { shared: true })], keys);
  });
  assert.deepEqual(
    found.map(({ type, name }) => `${type} ${name}`).filter((each) => each.startsWith("elsewhere")),
    ["s._domainkey.example.org-TXT", "example.org-TXT", "example.org-MX"].map(
      (each) => `elsewhere:index:Record ${each}`,
    ),
  );
});

test("without one nothing is declared", async () => {
  const found = await declared(() => {
    const domain = zones(undefined);
    assert.deepEqual(domain.publishKeys([record("s._domainkey", "TXT")], []), []);
    assert.deepEqual(domain.publish([record("@", "MX")], []), []);
  });
  assert.deepEqual(
    found.map(({ name }) => name),
    ["domain"],
  );
});

test("LiveDNS is given no empty token where the environment has it", async () => {
  const args = { url: "https://api.gandi.net/v5/livedns", adoptExisting: false, snapshot: true };
  const inputsOf = async (token: string | undefined, more: Partial<RecordArgs> = {}) => {
    const provider = liveDnsRecords({ ...args, token });
    const [found] = await declared(() => void provider("a", record("a", "TXT", more), {}));
    return found?.inputs ?? assert.fail();
  };
  assert.deepEqual((await inputsOf(undefined)).auth, { apiUrl: args.url });
  assert.match(JSON.stringify((await inputsOf("t0ken")).auth), /t0ken/);
  assert.equal((await inputsOf(undefined)).adoptExisting, false);
  assert.equal((await inputsOf(undefined, { shared: true })).adoptExisting, true);
});
