/** Which snapshots a restore puts back, on a host that lives and on one that was made anew. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Ages, choose, firstAsked, passedOverLine } from "../../../tools/bootstrap/backup/choice.ts";

const LIST = [
  { id: "aa000000", time: "2026-01-31T02:00:00Z" },
  { id: "bb000000", time: "2026-02-28T01:00:00-01:00" },
  { id: "cc000000", time: "2026-02-28T03:00:00Z", folder: "Sent" },
  { id: "dd000000", time: "2026-03-10T02:00:00Z" },
  { id: "ee000000", time: "2026-11-29T02:00:00Z" },
];
const ages = (host?: string, volume?: string): Ages => ({
  host: host === undefined ? undefined : new Date(`${host}T12:00:00Z`),
  volume: volume === undefined ? undefined : new Date(`${volume}T12:00:00Z`),
});

/** Each taken while some of the mail was gone. */
const PARTS = [
  { id: "bc000000", time: "2026-02-28T04:00:00Z", part: true },
  { id: "ff000000", time: "2026-11-29T03:00:00Z", part: true },
];

interface Row {
  readonly what: string;
  readonly ages: Ages;
  readonly folder?: string;
  readonly snapshot?: string;
  /** Ids of those from before and of the latest, the day of `before`, and the id of the one that is passed over. */
  readonly expected: readonly (string | undefined)[];
}

const none = undefined;
const ROWS: readonly Row[] = [
  {
    what: "of a host that lives: the latest alone",
    ages: ages("2025-01-01", "2025-01-01"),
    expected: [none, "ee", none, none],
  },
  {
    what: "of a host that was made anew: the latest from before it, and the latest",
    ages: ages("2026-03-01", "2026-03-01"),
    expected: ["bb", "ee", "2026-03-01", none],
  },
  {
    what: "the volume having been made days before the directory",
    ages: ages("2026-03-05", "2026-03-01"),
    expected: ["bb", "ee", "2026-03-01", none],
  },
  {
    what: "of a folder: those that have it",
    ages: ages("2026-03-01", "2026-03-01"),
    folder: "Sent",
    expected: ["cc", "ee", "2026-03-01", none],
  },
  {
    what: "of an engine that doesn't say when volumes were made: by the host's time",
    ages: ages("2026-03-01"),
    expected: ["bb", "ee", "2026-03-01", none],
  },
  {
    what: "of a volume that was lost soon after its host was made: from before the volume",
    ages: ages("2026-03-09", "2026-03-12"),
    expected: ["dd", "ee", "2026-03-12", none],
  },
  {
    what: "of a volume made later than its host, as for another person of that uid: the latest alone, and told",
    ages: ages("2026-03-01", "2026-06-01"),
    expected: [none, "ee", none, "dd"],
  },
  {
    what: "where the directory alone was lost: the latest",
    ages: ages("2026-06-01", "2025-01-01"),
    expected: [none, "ee", none, none],
  },
  {
    what: "of a host whose age is not known: the latest, and those from before the volume are told",
    ages: ages(none, "2026-03-01"),
    expected: [none, "ee", none, "bb"],
  },
  {
    what: "all being from before: that one",
    ages: ages("2026-11-30", "2026-11-30"),
    expected: ["ee", "ee", "2026-11-30", none],
  },
  {
    what: "a named one from before the host counts as what was lost",
    ages: ages("2026-03-01", "2026-03-01"),
    snapshot: `aa${"0".repeat(62)}`,
    expected: [none, none, "2026-03-01", none],
  },
  {
    what: "a named one since then does not",
    ages: ages("2026-03-01", "2026-03-01"),
    snapshot: "dd00",
    expected: [none, none, none, none],
  },
  {
    what: "a named one from before that lacks some of it does not",
    ages: ages("2026-03-01", "2026-03-01"),
    snapshot: "bc00",
    expected: [none, none, none, none],
  },
];

describe("snapshots that are put back", () => {
  for (const { what, ages, folder, snapshot, expected } of ROWS)
    it(what, () => {
      const list = [...LIST, ...PARTS].toSorted((a, b) => Date.parse(a.time) - Date.parse(b.time));
      const { earlier, latest, before, passedOver } = choose(list, { folder, snapshot, ages });
      const short = (each: { id: string } | undefined) => each?.id.slice(0, 2);
      assert.deepEqual(
        [short(earlier), short(latest), before?.toISOString().slice(0, 10), short(passedOver)],
        expected,
      );
    });

  const before = new Date("2026-03-01T12:00:00Z");
  const [earlier] = LIST;
  for (const [what, choice, restored, asked] of [
    [
      "those from before, and noted",
      { earlier, before },
      false,
      ["--snapshot", "aa000000", "--before", before.toISOString()],
    ],
    [
      "those from before by a job that can't note it",
      { earlier, before },
      undefined,
      ["--snapshot", "aa000000"],
    ],
    ["the latest, once those from before are there", { earlier, before }, true, []],
    ["what is named, and noted", { before }, false, ["--before", before.toISOString()]],
    ["the latest, where none is from before", {}, false, []],
  ] as const)
    it(`are first ${what}`, () => assert.deepEqual(firstAsked(choice, restored), asked));

  it("are not older ones of a volume that may be another person's: those are told, with what takes them", () => {
    const line = passedOverLine("alice", LIST[1] ?? assert.fail(), new Date("2026-06-01T12:00:00Z"));
    assert.match(line, /alice was made on 2026-06-01 12:00 UTC.* bb000000 of 2026-02-28 02:00 UTC/);
    assert.match(line, /if it is the same person's, `--snapshot bb000000` takes it/);
  });
});
