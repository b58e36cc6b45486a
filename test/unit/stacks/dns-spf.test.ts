import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { mergeSpf, missingTerms, spfCost } from "../../../stacks/dns/spf.ts";

const term = fc.constantFrom(
  "mx",
  "a",
  "ip4:192.0.2.0/24",
  "include:x.example",
  "include:y.example",
  "~exists:z",
);
const last = fc.constantFrom("-all", "~all", "?all", "redirect=r.example", "");
const spf = fc
  .tuple(fc.uniqueArray(term), last)
  .map(([terms, end]) => ["v=spf1", ...terms, end].filter(Boolean).join(" "));
const OWN = ["a:smtp.example.org"];
/** Records as people write them: any case, blanks, `all` in the middle, two of ours or none of them there. */
const written = fc
  .tuple(
    fc.constantFrom("v=spf1", "V=SPF1"),
    fc.array(
      fc.tuple(
        fc.oneof(term, last, fc.constantFrom("MX", "+All", "exp=e.example", "A:smtp.example.org")),
        fc.constantFrom(" ", "  "),
      ),
    ),
  )
  .map(([version, terms]) => version + terms.map(([text, blank]) => blank + text).join(""));
const wordsOf = (text: string): string[] => text.trim().split(/ +/);

describe("merging SPF records", () => {
  it("has ours in it, keeps each of theirs in its order, and does so once", () => {
    fc.assert(
      fc.property(spf, (text) => {
        const merged = mergeSpf(text, OWN);
        assert.deepEqual(missingTerms(merged, OWN), []);
        assert.equal(merged.replace(` ${OWN[0]}`, ""), text);
        assert.equal(mergeSpf(merged, OWN), merged);
      }),
    );
  });

  it("lets us send whatever the record was like, and loses none of its terms", () => {
    const all = ["a:smtp.example.org", "ip6:2001:db8::1"];
    fc.assert(
      fc.property(written, (text) => {
        const merged = mergeSpf(text, all);
        const [version, ...terms] = wordsOf(merged);
        assert.equal(version, "v=spf1");
        const added = missingTerms(text, all);
        const theirs = wordsOf(text).slice(1).filter(Boolean);
        assert.deepEqual(
          terms.filter((each) => !added.includes(each)),
          theirs,
        );
        const end = terms.findIndex((each) => /^[-+~?]?all$|^redirect=/i.test(each));
        for (const each of added) assert.ok(end < 0 || terms.indexOf(each) < end, merged);
        // Behind `all` nothing counts.
        const decisive = terms.findIndex((each) => /^[-+~?]?all$/i.test(each));
        const looked = decisive < 0 ? terms : terms.slice(0, decisive);
        for (const each of all)
          assert.ok(
            looked.some((term) => term.toLowerCase() === each),
            merged,
          );
        assert.equal(mergeSpf(merged, all), merged);
        assert.ok(!merged.includes("  "));
      }),
    );
  });

  it("puts ours before what decides about all others", () => {
    assert.equal(mergeSpf("v=spf1 include:x ~all", OWN), "v=spf1 include:x a:smtp.example.org ~all");
    assert.equal(
      mergeSpf("v=spf1 -all a:smtp.example.org", OWN),
      "v=spf1 a:smtp.example.org -all a:smtp.example.org",
    );
    assert.equal(mergeSpf("v=spf1 redirect=x", OWN), "v=spf1 a:smtp.example.org redirect=x");
  });
});

describe("what evaluating an SPF record costs", () => {
  const zone: Record<string, string[] | undefined> = {
    "x.example TXT": ["other", "v=spf1 a mx include:y.example -all"],
    "y.example TXT": ["v=spf1 ip4:192.0.2.0/24 -all"],
    "loop.example TXT": ["v=spf1 include:loop.example -all"],
    "silent.example TXT": undefined,
    "x.example A": ["192.0.2.1"],
    "x.example MX": ["m.x.example"],
  };
  const ask = async (name: string, type: string) =>
    `${name} ${type}` in zone ? zone[`${name} ${type}`] : [];
  const cases: [text: string, lookups: number, voids: number, broken: string[], unknown: string[]][] = [
    ["v=spf1 ip4:192.0.2.1 -all", 0, 0, [], []],
    ["v=spf1 include:x.example -all", 4, 0, [], []],
    ["v=spf1 redirect=y.example", 1, 0, [], []],
    ["v=spf1 a:no.example mx:no.example a:x.example/24 -all", 3, 2, [], []],
    ["v=spf1 include:no.example -all", 1, 1, ["no.example"], []],
    ["v=spf1 include:loop.example -all", 2, 0, ["loop.example"], []],
    ["v=spf1 include:silent.example -all", 1, 0, [], ["silent.example"]],
    ["v=spf1 a:x.example -all redirect=no.example a:no.example", 1, 0, [], []],
    ["v=spf1 redirect=no.example ~all", 0, 0, [], []],
    ["v=spf1 exists:%{i}.x.example ptr -all", 2, 0, [], []],
  ];
  for (const [text, lookups, voids, broken, unknown] of cases)
    it(text, async () =>
      assert.deepEqual(await spfCost(text, "example.org", ask), { lookups, voids, broken, unknown }),
    );
});
