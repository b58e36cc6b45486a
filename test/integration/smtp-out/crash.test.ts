import assert from "node:assert/strict";
import { test } from "node:test";
import { crashSmtpOut } from "../../crash/smtp-out.ts";

test("no message that smtp-out answered 250 is lost when it is killed, and nobody is told twice", async () => {
  const report = await crashSmtpOut({ kills: 8, seed: 4, say: () => {} });
  const told = JSON.stringify(report, null, 1);
  assert.deepEqual([report.lost, report.unasked, report.faults, report.undrained], [[], [], [], 0], told);
  // A run in which hardly anything was accepted would prove nothing.
  assert.ok(report.accepted > 30, told);
});
