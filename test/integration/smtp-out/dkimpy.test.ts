import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { formatMessage, type Message, makeField, parseMessage } from "../../../mailserver/message/header.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { createArcSealer } from "../../../mailserver/smtp-out/arc.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";
import { type Handle, openLab } from "../../support/docker.ts";

const lab = openLab();
after(() => lab.cleanup());

const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const ed25519 = generateKeyPairSync("ed25519");
const pem = ({ privateKey }: typeof rsa): string =>
  privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const der = ({ publicKey }: typeof rsa): Buffer => publicKey.export({ type: "spki", format: "der" });
const HOPS = ["one.test", "two.test", "three.test"];
const RECORDS = {
  ...Object.fromEntries(
    HOPS.map((domain) => [`r1._domainkey.${domain}`, `v=DKIM1; k=rsa; p=${der(rsa).toString("base64")}`]),
  ),
  "e1._domainkey.one.test": `v=DKIM1; k=ed25519; p=${der(ed25519).subarray(-32).toString("base64")}`,
};
const NOW = new Date();

let dkimpy: Handle;
before(async () => {
  const context = join(import.meta.dirname, "../../fixtures/images/dkimpy");
  dkimpy = await lab.run({ image: await lab.ensureImage("dkimpy", context) });
});

async function verdict(message: Message): Promise<{ dkim: boolean[]; arc: string; reason: string }> {
  const given = { message: formatMessage(message).toString("base64"), records: RECORDS };
  const { stdout, stderr } = await dkimpy.exec(["verify"], { input: JSON.stringify(given) });
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

const MESSAGE = parseMessage(
  Buffer.from(
    "From: Alice <alice@one.test>\r\nTo: bob@foreign.test\r\nSubject:  hello \t again\r\nDate: today\r\n\r\n" +
      "hi  there \r\n\r\n.dot\r\n\r\n\r\n",
  ),
);
const above = (fields: readonly Message["fields"][number][], { fields: own, body }: Message): Message => ({
  fields: [...fields, ...own],
  body,
});

async function signed(): Promise<Message> {
  const [signer] = createDkimSigners([
    { domain: "one.test", selector: "r1", privateKey: pem(rsa) },
    { domain: "one.test", selector: "e1", privateKey: pem(ed25519) },
  ]);
  return above((await signer?.sign(MESSAGE, NOW)) ?? [], MESSAGE);
}

async function forwarded(message: Message, hops: readonly string[]): Promise<Message> {
  let sealed = message;
  for (const [index, domain] of hops.entries()) {
    const before = index === 0 ? "none" : "pass";
    const results = `mx.${domain};\r\n spf=pass smtp.mailfrom=one.test;\r\n arc=${before}`;
    const checked = above([makeField("Authentication-Results", results)], sealed);
    const key = { domain, selector: "r1", privateKey: pem(rsa) };
    sealed = above(
      await createArcSealer({ key, names: [`mx.${domain}`], log: silentLog })(checked, NOW),
      checked,
    );
  }
  return sealed;
}

describe("dkimpy verifies", () => {
  test("signatures by RSA and Ed25519 keys, and sees a changed message", async () => {
    const message = await signed();
    assert.deepEqual((await verdict(message)).dkim, [true, true]);
    assert.deepEqual((await verdict({ ...message, body: Buffer.from("changed\r\n") })).dkim, [false, false]);
    const second = above([makeField("Subject", "another")], message);
    assert.deepEqual((await verdict(second)).dkim, [false, false]);
  });

  for (const count of [1, 2, 3]) {
    test(`the seals of ${count} hops, and sees a changed message`, async () => {
      const message = await forwarded(await signed(), HOPS.slice(0, count));
      const { arc, dkim, reason } = await verdict(message);
      assert.deepEqual([arc, dkim], ["pass", [true, true]], reason);
      assert.equal((await verdict({ ...message, body: Buffer.from("changed\r\n") })).arc, "fail");
    });
  }
});
