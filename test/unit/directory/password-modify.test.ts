import assert from "node:assert/strict";
import { test } from "node:test";
import { BerReader } from "ldapts";
import { ownPasswordTo } from "../../../mailserver/directory/password-modify.ts";

for (const [name, password] of Object.entries({
  "of a few characters": "a few words",
  "beyond ASCII": "pâsswörd 🔑",
  "of 127 octets": "x".repeat(127),
  "of 128 octets": "x".repeat(128),
  "of the longest that the portal takes": "🔑".repeat(128),
}))
  test(`a password ${name} is carried whole, and nothing beside it`, () => {
    const value = ownPasswordTo(password);
    const reader = new BerReader(value);
    assert.equal(reader.readSequence(), 0x30);
    assert.equal(reader.readString(0x82), password);
    assert.equal(reader.offset, value.length);
  });
