import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseLanguage, LANGUAGES, WORDS } from "../../../mailserver/portal/words.ts";

test("every language says everything, with the same values", () => {
  const holes = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const language of LANGUAGES)
    for (const [key, text] of Object.entries(WORDS.en)) {
      const said = WORDS[language][key as keyof typeof WORDS.en];
      assert.ok(said, `${language}: ${key}`);
      assert.deepEqual(holes(said), holes(text), `${language}: ${key}`);
    }
  assert.deepEqual(Object.keys(WORDS.fr), Object.keys(WORDS.en));
});

for (const [chosen, accepted, wanted] of [
  [undefined, undefined, "en"],
  [undefined, "fr-CA,en;q=0.8", "fr"],
  [undefined, "de,en;q=0.5,fr;q=0.9", "fr"],
  [undefined, "fr;q=0,en", "en"],
  ["en", "fr", "en"],
  ["xx", "fr", "fr"],
] as const) {
  test(`chosen ${chosen} and accepted ${accepted} is ${wanted}`, () =>
    assert.equal(chooseLanguage(chosen, accepted), wanted));
}
