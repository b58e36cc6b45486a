import assert from "node:assert/strict";
import { test } from "node:test";
import type { FaultCode, RequestView } from "../../../mailserver/operator/protocol.ts";
import { progressEvent, progressPage } from "../../../mailserver/portal/pages/progress.ts";
import { sayIn, type WordKey } from "../../../mailserver/portal/words.ts";

const cases: [state: RequestView["state"], code: FaultCode | undefined, key: WordKey][] = [
  ["queued", undefined, "progress.queued"],
  ["running", undefined, "progress.running"],
  ["done", undefined, "progress.done"],
  ["waiting-for-approval", undefined, "progress.waiting-for-approval"],
  ["failed", "update-failed", "progress.failed"],
  ["failed", "undone-after-restart", "progress.failed"],
  ["failed", "needs-administrator", "fault.administrator"],
  // The administrator edited the file while the request waited for its turn.
  ["failed", "config-unreadable", "fault.config"],
  ["failed", "config-refused", "fault.config"],
  ["failed", "unknown-person", "fault.unknown-person"],
  ["failed", "wrong-state", "fault.wrong-state"],
  ["failed", "approval-limit", "fault.approval-limit"],
  ["failed", "address-taken", "fault.address-taken"],
  // Something may be there of it still.
  ["running", "update-failed", "progress.undoing"],
  ["running", "needs-administrator", "progress.undoing"],
  ["running", "config-refused", "progress.undoing"],
];
for (const [state, code, key] of cases)
  test(`a request that is ${state}, ${code ? `with the fault ${code}` : "with no fault"}, is told as ${key}`, async () => {
    const say = sayIn("en");
    const error = code === undefined ? null : { code, detail: "" };
    const request: RequestView = { id: "1".repeat(32), uid: "bob", kind: "create", state, steps: [], error };
    const event = progressEvent(say, request) as { text: string; over: boolean };
    assert.deepEqual([event.text, event.over], [say(key), state !== "queued" && state !== "running"]);
    const page = progressPage({ say, language: "en", path: "/", csrf: undefined }, request);
    assert.equal(page.refresh !== undefined, !event.over, "a page that isn't over looks again");
  });
