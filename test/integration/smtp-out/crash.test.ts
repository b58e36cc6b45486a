import assert from "node:assert/strict";
import { test } from "node:test";
import { crashSmtpOut } from "../../crash/smtp-out.ts";

/** The log goes into the database all the time: that is where their order matters. */
const OFTEN = [/(?<=LONG_LOG=)1e3/, "4"] as const;
/** Of the queue: other databases of the daemon have such a line, too. */
const NO_ORDER = [/synchronous = NORMAL(?=;\s+PRAGMA temp_store)/, "synchronous = OFF"] as const;
const NO_WAIT = [/fdatasyncSync\d*\(this\.#log\)/, "void 0"] as const;

/** The daemon's code with other pieces in place of some that have to be there. */
function changed(bundle: string, changes: readonly (readonly [piece: RegExp, other: string])[]): string {
  return changes.reduce((before, [piece, other]) => {
    const after = before.replace(piece, other);
    assert.notEqual(after, before);
    return after;
  }, bundle);
}

test("no message that smtp-out answered 250 is lost when it is killed, and nobody is told twice", async () => {
  const report = await crashSmtpOut({ kills: 8, seed: 4, say: () => {} });
  const told = JSON.stringify(report, null, 1);
  assert.deepEqual([report.lost, report.unasked, report.faults, report.undrained], [[], [], [], 0], told);
  // A run in which hardly anything was accepted would prove nothing.
  assert.ok(report.accepted > 30, told);
});

test("no message that smtp-out answered 250 is lost when the power is cut", async () => {
  // As often as in the run that has no order, which loses some.
  const change = (bundle: string): string => changed(bundle, [OFTEN]);
  const report = await crashSmtpOut({ kills: 8, seed: 5, power: { spares: 0.5 }, change, say: () => {} });
  const told = JSON.stringify(report, null, 1);
  assert.deepEqual([report.lost, report.unasked, report.faults, report.undrained], [[], [], [], 0], told);
  // Nor would one in which everything had been synced.
  assert.ok(report.accepted > 30 && report.changesLost > 0, told);
});

/** What the queue's code has the disk do, left out. */
const careless = {
  "does not wait for the disk": [NO_WAIT],
  "lets the disk take the log and the database in any order": [NO_ORDER, OFTEN],
};
for (const [what, changes] of Object.entries(careless)) {
  test(`a queue that ${what} loses messages when the power is cut`, async () => {
    const change = (bundle: string): string => changed(bundle, changes);
    // Busy: what the foreign server has already can't be lost, and then a quick machine would have nothing to lose.
    const options = { kills: 4, seed: 6, power: { spares: 0 }, busy: true, change, say: () => {} };
    const lost = await crashSmtpOut(options).then(
      (report) => report.lost,
      (error: Error) => {
        // Pages of a checkpoint that are there in part: then not even the next start finds a queue.
        if (/database disk image is malformed/.test(error.message)) return ["all that the queue had"];
        throw error;
      },
    );
    assert.notDeepEqual(lost, []);
  });
}
