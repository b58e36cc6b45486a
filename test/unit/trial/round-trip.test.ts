import assert from "node:assert/strict";
import { it } from "node:test";
import { Trip, tripThrough } from "../../../tools/trial/round-trip.ts";

const summary = {
  ports: { submission: 1, imaps: 1, smtp: 1 },
  hostnames: { smtp: "smtp.a.test", imap: "imap.a.test", mx: "mx.a.test" },
  ca: "",
};

it("a trial in which nobody has a mailbox says what to do", async () => {
  const trip = Trip.parse({ ...summary, people: [{ uid: "dave" }] });
  const { signal } = new AbortController();
  await assert.rejects(
    tripThrough(trip, { subject: "s", patienceMs: 1, signal }),
    /add people under semail:users/,
  );
});
