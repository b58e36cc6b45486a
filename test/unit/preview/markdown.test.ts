import assert from "node:assert/strict";
import { it } from "node:test";
import { code, LIMIT, markdown } from "../../../tools/preview/markdown.ts";
import type { Item, Report } from "../../../tools/preview/report.ts";
import { recorded } from "./support.ts";

const OPTIONS = { stack: "prod", secrets: [] };
const EMPTY: Report = {
  people: [],
  records: [],
  containers: [],
  others: [],
  losses: [],
  errors: [],
  warnings: [],
  notes: [],
};

it("says in its first line what a reader in a hurry has to know", () => {
  const [mark, headline] = markdown(recorded("change"), OPTIONS).split("\n");
  assert.equal(mark, "<!-- semail-preview:prod -->");
  assert.equal(
    headline,
    "### Preview of `prod`: **it would fail** · 3 people (1 added, 1 removed, 1 changed) · 11 records (2 added, 9 changed) · 1 container (1 replaced)",
  );
});

it("tells people, records and data that goes, a line each", () => {
  const text = markdown(recorded("change"), OPTIONS);
  assert.match(text, /^- ➕ added `carol` `carol@semail\.test`$/m);
  assert.match(text, /^- ➖ removed `bob`/m);
  assert.match(text, /^- `person-bob-mail`: ⛔ protected: the update is refused$/m);
  assert.match(text, /^- 🔁 replaced `mail-access` `envs`$/m);
});

it("is two lines where nothing changes", () => {
  assert.match(markdown(recorded("same"), OPTIONS), /`prod`: no changes\n$/);
});

it("counts what is deleted for good in the first line", () => {
  const text = markdown({ ...EMPTY, losses: [{ name: "v", fate: "lost" }] }, OPTIONS);
  assert.match(text, /\*\*1 deleted for good\*\*/);
});

it("keeps every recorded preview free of secrets, ids and code of the state", () => {
  for (const name of ["change", "create", "destroy", "replace", "refused", "same"]) {
    const text = markdown(recorded(name), OPTIONS);
    assert.doesNotMatch(text, /\[secret\]|password|sha256:|BOX_SECRET|__provider/i);
  }
});

it("blots out secrets that a message repeats", () => {
  const text = markdown(
    { ...EMPTY, errors: ["401 for hunter2hunter2"] },
    { ...OPTIONS, secrets: ["hunter2hunter2"] },
  );
  assert.match(text, /401 for \[secret\]/);
});

it("is never longer than a forge takes, and says how much it left out", () => {
  const items = Array.from(
    { length: 3_000 },
    (_, index): Item => ({
      verb: "added",
      name: `p${index}`.padEnd(400, "é"),
      details: ["x".repeat(9_000)],
    }),
  );
  const texts = Array.from({ length: 50 }, (_, index) => `${index} ${"w".repeat(9_000)}`);
  const text = markdown(
    {
      ...EMPTY,
      people: items,
      records: items,
      containers: items,
      others: items,
      errors: texts,
      warnings: texts,
    },
    OPTIONS,
  );
  assert.ok(text.length < LIMIT + 100);
  assert.match(text, /- … and 2970 more/);
});

for (const [text, shown] of [
  ["plain", "`plain`"],
  ["a`b", "``a`b``"],
  ["`@team`", "`` `@team` ``"],
  ["two\nlines <b>", "`two lines <b>`"],
  ["", "`  `"],
] as const) {
  it(`shows ${JSON.stringify(text)} as text that nobody takes for Markdown`, () =>
    assert.equal(code(text), shown));
}

it("keeps a message in its block, whatever fence it has itself", () => {
  const text = markdown({ ...EMPTY, warnings: ["see\n```\n@everyone <img src=x>"] }, OPTIONS);
  assert.match(text, /\n````text\nsee\n```\n@everyone <img src=x>\n````\n/);
});
