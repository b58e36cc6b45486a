import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { test } from "node:test";
import { check, create, diff } from "../../../components/providers/key-pair/crud.ts";

/** The key that a DKIM verifier makes of a p= value. */
const fromDkim = {
  "rsa-2048": (p: string) => createPublicKey({ key: Buffer.from(p, "base64"), format: "der", type: "spki" }),
  // No DKIM key: what a TLSA record is of.
  "ecdsa-p256": (p: string) =>
    createPublicKey({ key: Buffer.from(p, "base64"), format: "der", type: "spki" }),
  ed25519: (p: string) => {
    const x = Buffer.from(p, "base64");
    assert.equal(x.length, 32);
    return createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: x.toString("base64url") },
      format: "jwk",
    });
  },
};

for (const algorithm of ["rsa-2048", "ed25519", "ecdsa-p256"] as const) {
  test(`a signature of the ${algorithm} key verifies with its public value`, async () => {
    const { id, outs } = await create({ algorithm });
    const privateKey = createPrivateKey(outs.privateKeyPem);
    const digest = algorithm === "ed25519" ? null : "sha256";
    const signature = sign(digest, Buffer.from("hello"), privateKey);
    assert.ok(verify(digest, Buffer.from("hello"), fromDkim[algorithm](outs.publicKeyBase64), signature));
    assert.ok(createPublicKey(privateKey).equals(createPublicKey(outs.publicKeyPem)));
    if (algorithm === "rsa-2048") assert.equal(privateKey.asymmetricKeyDetails?.modulusLength, 2048);
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.deepEqual(await diff(id, outs, { algorithm }), { changes: false, replaces: [] });
  });
}

test("another algorithm makes another pair; an unknown one is refused", async () => {
  const change = await diff("", { algorithm: "rsa-2048" }, { algorithm: "ed25519" });
  assert.deepEqual(change, { changes: true, replaces: ["algorithm"] });
  assert.equal((await check({}, { algorithm: "dsa" })).failures[0]?.property, "algorithm");
  assert.equal((await check({}, {})).failures[0]?.property, "algorithm");
});
