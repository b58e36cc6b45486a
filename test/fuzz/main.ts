/** `npm run fuzz`: searches for bytes that the protocol engine does not stand. */
import { parseArgs } from "node:util";
import { keep, run } from "./run.ts";

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = Number(values.seconds ?? 60);
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);

console.log(`Fuzzing the server and the client session for ${seconds} s, seed ${seed}.`);
const { count, pool, found, hung } = await run({ seed, seconds });
if (hung) {
  console.log(`✗ Case ${count} does not end. The same seed leads there again.`);
} else if (found) {
  console.log(`✗ Case ${count}: ${found.fault}`);
  console.log(`  Kept in ${keep(found)}: npm test replays it from now on.`);
} else {
  console.log(`✓ ${count} cases, each cut in several ways; ${pool} that differ; nothing wrong.`);
}
process.exitCode = hung || found ? 1 : 0;
