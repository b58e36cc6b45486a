import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { frontAuthority, frontIdentity } from "../../../components/front-identity.ts";

const SEED = "ab".repeat(32);
const authorityOf = async (seed: string) =>
  new X509Certificate(Buffer.from(await frontAuthority(seed), "base64"));

test("the same seed gives the same bytes, so that no update replaces a box for it", async () => {
  assert.equal(await frontAuthority(SEED), await frontAuthority(SEED));
  assert.deepEqual(await frontIdentity(SEED, "access"), await frontIdentity(SEED, "access"));
});

test("a service's certificate is of its seed's authority alone, for clients, with a key of its own", async () => {
  const authority = await authorityOf(SEED);
  const { certificate, key } = await frontIdentity(SEED, "access");
  const own = new X509Certificate(certificate);
  assert.ok(own.checkIssued(authority) && own.verify(authority.publicKey));
  assert.ok(own.checkPrivateKey(createPrivateKey(key)));
  assert.equal(own.ca, false);
  assert.equal(own.subject, "CN=access");
  assert.deepEqual(own.keyUsage, ["1.3.6.1.5.5.7.3.2"]);
  assert.equal(own.verify((await authorityOf("cd".repeat(32))).publicKey), false);
  assert.notEqual((await frontIdentity(SEED, "smtp-in")).key, key);
});
