import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mayShare, namesOurs, vouchedByOurs } from "../../../mailserver/policy/in-our-name.ts";

const OURS = ["semail.test", "mail.second.example"];

describe("an author", () => {
  const cases: Readonly<Record<string, readonly [authors: readonly string[], named: boolean]>> = {
    "of ours": [["semail.test"], true],
    "of another domain of ours": [["mail.second.example"], true],
    "below one of ours": [["a.b.semail.test"], true],
    "of ours behind a stranger": [["foreign.example", "semail.test"], true],
    "above one of ours": [["second.example"], false],
    "beside one of ours": [["shop.second.example"], false],
    "who only ends alike": [["notsemail.test"], false],
    "who only begins alike": [["semail.test.foreign.example"], false],
  };
  for (const [name, [authors, named]] of Object.entries(cases))
    test(`${name} ${named ? "names" : "does not name"} us`, () =>
      assert.equal(namesOurs(authors, OURS), named));
  test("is none", () => assert.equal(namesOurs([], OURS), false));
});

describe("an author of ours, of whose domain there is no DMARC record,", () => {
  const cases: Readonly<
    Record<string, readonly [author: string, vouched: readonly string[], ours: boolean]>
  > = {
    "is proven by the domain itself": ["semail.test", ["semail.test"], true],
    "is proven by it in other letters": ["semail.test", ["SeMail.Test"], true],
    "is proven by one below it": ["semail.test", ["news.semail.test"], true],
    "is proven by one beside it, below ours": ["a.semail.test", ["b.semail.test"], true],
    "is proven by one of many": ["semail.test", ["foreign.example", "semail.test"], true],
    "is not proven by another domain of ours": ["semail.test", ["mail.second.example"], false],
    "is not proven by one above ours": ["mail.second.example", ["second.example"], false],
    "is not proven by a stranger": ["semail.test", ["foreign.example"], false],
    "is not proven by nobody": ["semail.test", [], false],
  };
  for (const [name, [author, vouched, proven]] of Object.entries(cases))
    test(name, () => assert.equal(vouchedByOurs(author, vouched, OURS), proven));
  test("is not proven by one of ours where the author is a stranger", () =>
    assert.equal(vouchedByOurs("foreign.example", ["semail.test"], OURS), false));
});

describe("who may be of one organization with us, as far as names say:", () => {
  const cases: Readonly<Record<string, readonly [author: string, may: boolean]>> = {
    "a domain above ours": ["second.example", true],
    "one beside ours": ["shop.second.example", true],
    "one beside it, further down": ["a.shop.second.example", true],
    "not one below the same registry": ["foreign.example", false],
    "not one that only ends alike": ["asecond.example", false],
  };
  for (const [name, [author, may]] of Object.entries(cases))
    test(name, () => assert.equal(mayShare(author, OURS), may));
});
