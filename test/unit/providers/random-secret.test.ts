import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check, create, diff } from "../../../components/providers/random-secret/crud.ts";
import { base32 } from "../../../components/providers/random-secret/diff.ts";
import { UNKNOWN } from "../../../components/providers/validate.ts";

test("base32 writes the vectors of RFC 4648 section 10 in lower case, unpadded", () => {
  const vectors = {
    f: "my",
    fo: "mzxq",
    foo: "mzxw6",
    foob: "mzxw6yq",
    fooba: "mzxw6ytb",
    foobar: "mzxw6ytboi",
  };
  assert.equal(base32(Buffer.alloc(0)), "");
  for (const [plain, wanted] of Object.entries(vectors)) assert.equal(base32(Buffer.from(plain)), wanted);
});

test("base32 loses no bit", () => {
  const decode = (text: string) => {
    const bits = [...text].map((c) =>
      "abcdefghijklmnopqrstuvwxyz234567".indexOf(c).toString(2).padStart(5, "0"),
    );
    const bytes = bits.join("").match(/.{8}/g) ?? [];
    return Buffer.from(bytes.map((b) => Number.parseInt(b, 2)));
  };
  fc.assert(fc.property(fc.uint8Array(), (bytes) => decode(base32(bytes)).equals(Buffer.from(bytes))));
});

const formats = [
  { format: "hex", wanted: /^[0-9a-f]{40}$/ },
  { format: "base64url", wanted: /^[A-Za-z0-9_-]{27}$/ },
  { format: "base32", wanted: /^[a-z2-7]{32}$/ },
] as const;
for (const { format, wanted } of formats) {
  test(`a secret of 20 bytes in ${format}`, async () => {
    const { inputs } = await check({}, { bytes: 20, format });
    const { id, outs } = await create(inputs);
    assert.match(outs.value, wanted);
    assert.notEqual((await create(inputs)).outs.value, outs.value);
    assert.ok(!id.includes(outs.value) && !outs.value.includes(id));
    assert.deepEqual(await diff(id, outs, inputs), { changes: false, replaces: [] });
  });
}

test("another length or format makes another secret", async () => {
  const olds = { bytes: 32, format: "hex", value: "x" };
  assert.deepEqual((await diff("", olds, { bytes: 16, format: "hex" })).replaces, ["bytes"]);
  assert.deepEqual((await diff("", olds, { bytes: 32, format: "base32" })).replaces, ["format"]);
});

const bad = [
  { name: "too short", inputs: { bytes: 8 }, property: "bytes" },
  { name: "no whole number", inputs: { bytes: 20.5 }, property: "bytes" },
  { name: "unknown format", inputs: { format: "rot13" }, property: "format" },
  { name: "unknown input", inputs: { length: 3 }, property: "length" },
];
for (const { name, inputs, property } of bad) {
  test(`check refuses: ${name}`, async () => {
    const { failures } = await check({}, inputs);
    assert.deepEqual(
      failures.map((f) => f.property),
      [property],
    );
  });
}

test("check fills in defaults and lets what is not known yet pass", async () => {
  assert.deepEqual((await check({}, { __provider: "code" })).inputs, { bytes: 32, format: "base64url" });
  assert.deepEqual(await check({}, { bytes: UNKNOWN }), {
    inputs: { bytes: UNKNOWN, format: "base64url" },
    failures: [],
  });
});
