/**
 * `npm run bench -- dns`: how long a preview of the records of one domain and of a hundred takes, beside as many trivial
 * resources through the same engine; and how often an update calls the API. The API is one in memory, so that what is
 * measured is ours. A resolver that can't be reached is waited for once, for three seconds at most.
 */
import { mailDomainProgram, makeDnsProject } from "../test/support/dns-project.ts";
import { startFakeLiveDns } from "../test/support/fake-livedns.ts";
import { PREVIEW_ENV } from "../tools/bootstrap/pulumi.ts";
import { atMost, type Row, ratioAtMost, report } from "./support/result.ts";

const zonesOf = (count: number): string[] => Array.from({ length: count }, (_, index) => `d${index}.example`);

/** As many dynamic resources as `count` that do nothing. */
const floor = (count: number): string => `
import { KeyPair } from "./components/providers/key-pair/resource.ts";
Error.stackTraceLimit = 0;
for (let i = 0; i < ${count}; i++) new KeyPair("k" + i, { algorithm: "ed25519" });
`;

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}

async function domains(count: number): Promise<Row[]> {
  const zones = zonesOf(count);
  const api = await startFakeLiveDns(zones);
  // What the engine writes of its state after each resource is not what is asked about here.
  const env = { GANDI_PERSONAL_ACCESS_TOKEN: api.token, GANDI_API_URL: api.apiUrl, ...PREVIEW_ENV };
  const project = await makeDnsProject(env);
  const [domain = "", ...more] = zones;
  const records = () => [...api.zones.values()].reduce((sum, { size }) => sum + size, 0);
  const callsOf = async (work: () => Promise<unknown>): Promise<number> => {
    const before = api.calls.length;
    await work();
    return api.calls.length - before;
  };
  const up = () => project.stack.up({ suppressOutputs: true });
  const program = (dns: object) => project.program(mailDomainProgram({ domain, domains: more, dns }));
  try {
    await program({});
    const preview = () => seconds(() => project.stack.preview());
    const ours = await preview();
    const made = await callsOf(up);
    const all = records();
    await program({ dmarc: { policy: "reject" } });
    const changed = await callsOf(up);
    await project.stack.destroy({ suppressOutputs: true });
    await project.program(floor(all));
    const theirs = await preview();
    const name = count === 1 ? "1 domain" : `${count} domains`;
    const row = {
      metric: `preview of ${name} (${all} records)`,
      unit: "s",
      ours,
      peer: "trivial resources",
      theirs,
    };
    const calls = (what: string, counted: number, sets: number) =>
      atMost(
        `API calls of an update, ${name}: ${what} (${sets} record sets)`,
        "calls",
        counted,
        2 * count + sets,
      );
    return [
      count === 1 ? atMost(row.metric, "s", ours, 10) : ratioAtMost(row, 2),
      calls("all are new", made, all),
      calls("one of each domain changes", changed, count),
    ];
  } finally {
    api.close();
    await project.dispose();
  }
}

await report("dns", [...(await domains(1)), ...(await domains(100))]);
