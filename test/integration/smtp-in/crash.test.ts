import assert from "node:assert/strict";
import { test } from "node:test";
import { crashSmtpIn } from "../../crash/smtp-in.ts";

test("no message that smtp-in answered 250 is lost when it is killed, and its boxes come and go", async () => {
  const report = await crashSmtpIn({ kills: 12, seed: 4, say: () => {} });
  const told = JSON.stringify(report, null, 1);
  assert.deepEqual([report.lost, report.unasked, report.undrained], [[], [], 0], told);
  // A run in which hardly anything was accepted would prove nothing.
  assert.ok(report.accepted > 30, told);
});

test("no message that smtp-in answered 250 is lost when the power is cut", async () => {
  const report = await crashSmtpIn({ kills: 6, seed: 5, power: { spares: 0.5 }, say: () => {} });
  const told = JSON.stringify(report, null, 1);
  assert.deepEqual([report.lost, report.unasked, report.faults, report.undrained], [[], [], [], 0], told);
  // Nor would one in which everything had been synced.
  assert.ok(report.accepted > 20 && report.changesLost > 0, told);
});
