/** `npm run crash`: kills a daemon at random moments under load, then counts every message that was answered 250. */
import { parseArgs } from "node:util";
import { crashSmtpIn } from "./smtp-in.ts";
import { crashSmtpOut } from "./smtp-out.ts";

const TRIALS = { "smtp-in": crashSmtpIn, "smtp-out": crashSmtpOut };

const { values, positionals } = parseArgs({
  options: { kills: { type: "string" }, seed: { type: "string" }, power: { type: "boolean" } },
  allowPositionals: true,
});
const [name = "smtp-in"] = positionals;
const trial = TRIALS[name as keyof typeof TRIALS];
if (trial === undefined) {
  console.error(`There is no daemon "${name}" to kill. Name one of: ${Object.keys(TRIALS).join(", ")}.`);
  process.exit(2);
}
const kills = Number(values.kills ?? 500);
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);

console.log(`Killing ${name} ${kills} times, seed ${seed}.`);
const report = await trial({
  ...{ kills, seed, say: (line) => console.log(`  ${line}`) },
  ...(values.power && { power: { spares: 0.5 } }),
});
if (values.power) console.log(`  changes that were not synced, and lost: ${report.changesLost}`);
const { accepted, unknown, refused, lost, doubled, unasked, undrained, faults, evidence } = report;
console.log(`  answered 250: ${accepted}; answer lost: ${unknown}; refused: ${refused}`);
console.log(
  `  doubled: ${doubled.length} (killed, or cut off, between the receiver's 250 and our note of it)`,
);
for (const line of evidence) console.log(`  ${JSON.stringify(line)}`);
if (undrained !== 0)
  console.log(`✗ ${undrained} messages are still in the queue, and among those that are missed.`);
for (const each of lost) console.log(`✗ ${undrained === 0 ? "Lost" : "Missed"}: ${each}`);
for (const each of unasked) console.log(`✗ Delivered although it was refused: ${each}`);
for (const each of faults) console.log(`✗ ${each}`);
const good = lost.length === 0 && unasked.length === 0 && undrained === 0 && faults.length === 0;
if (good) console.log(`✓ Every message that was answered 250 is where it belongs, after ${kills} kills.`);
process.exitCode = good ? 0 : 1;
