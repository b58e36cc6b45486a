/** What a backup job says, as a person is told it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseEvent, remedyOf } from "../../../tools/bootstrap/backup/events.ts";

describe("the remedy of a job's fault", () => {
  for (const [what, cause, expected] of [
    ["is the job's own", "There is no snapshot of alice.", /^Check the disk/],
    [
      "is an update where the host's image is older",
      "Unknown option '--before'. To specify a …",
      /`npm run up`/,
    ],
    ["is the job's own where it only speaks of options", "restic: Unknown option '--x'", /^Check the disk/],
  ] as const)
    it(what, () => {
      const event = parseEvent(
        JSON.stringify({ kind: "fault", cause, remedy: "Check the disk of the host." }),
      );
      assert.ok(event?.kind === "fault");
      assert.match(remedyOf(event), expected);
    });
});
