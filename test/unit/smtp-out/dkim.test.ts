import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { formatMessage, parseMessage } from "../../../mailserver/message/header.ts";
import { createDkimSigners } from "../../../mailserver/smtp-out/dkim.ts";

const rsa = toPem(generateKeyPairSync("rsa", { modulusLength: 2_048 }));
const ed25519 = toPem(generateKeyPairSync("ed25519"));

function toPem({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }) {
  return {
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

const base64 = (key: string) => key.replace(/-----[^-]+-----|\s/g, "");

/** The record as a zone would publish it. */
function resolver(name: string): Promise<string[][]> {
  const records: Record<string, string> = {
    "r1._domainkey.semail.test": `v=DKIM1; k=rsa; p=${base64(rsa.publicKey)}`,
    // RFC 8463 section 4.2: the bare 32 bytes, without the ASN.1 around them.
    "e1._domainkey.semail.test": `v=DKIM1; k=ed25519; p=${Buffer.from(base64(ed25519.publicKey), "base64").subarray(-32).toString("base64")}`,
  };
  const record = records[name];
  return record === undefined
    ? Promise.reject(Object.assign(new Error("absent"), { code: "ENOTFOUND" }))
    : Promise.resolve([[record]]);
}

async function signed(text: string, selector: "r1" | "e1" = "r1"): Promise<string> {
  const privateKey = selector === "r1" ? rsa.privateKey : ed25519.privateKey;
  const [signer] = createDkimSigners([{ domain: "semail.test", selector, privateKey }]);
  const message = parseMessage(Buffer.from(text));
  const signature = (await signer?.sign(message, new Date("2026-01-02T03:04:05Z"))) ?? [];
  return formatMessage({ ...message, fields: [...signature, ...message.fields] }).toString();
}

async function verdict(message: string): Promise<string | undefined> {
  const { results } = await dkimVerify(Buffer.from(message), { resolver });
  return results[0]?.status.result;
}

const plain = "From: alice@semail.test\r\nTo: bob@one.test\r\nSubject: hello\r\nDate: now\r\n\r\nhi\r\n";
const messages = {
  "an ordinary message": plain,
  "an empty body": "From: alice@semail.test\r\n\r\n",
  "no line break at the end": "From: alice@semail.test\r\n\r\nhi",
  "blank lines at the end": "From: alice@semail.test\r\n\r\nhi\r\n\r\n\r\n",
  "spaces everywhere":
    "From:   alice@semail.test  \r\nSubject:\ta \t b\r\n\tc \r\n\r\n a \t b  \r\n\t\r\nc\t\r\n \r\n",
  "UTF-8, with an à at the end": "From: alice@semail.test\r\nSubject: voilà\r\n\r\nvoilà\r\n",
  "the same field twice": "From: alice@semail.test\r\nTo: a@x.test\r\nTo: b@x.test\r\n\r\nhi\r\n",
};
for (const [name, text] of Object.entries(messages)) {
  for (const selector of ["r1", "e1"] as const) {
    test(`another program verifies: ${name} (${selector})`, async () => {
      assert.equal(await verdict(await signed(text, selector)), "pass");
    });
  }
}

test("lines of the signature are short", async () => {
  const lines = (await signed(plain)).split("\r\n\r\n")[0]?.split("\r\n") ?? [];
  assert.deepEqual(
    lines.filter((line) => line.length > 110),
    [],
  );
});

const LIST = [
  "From: alice@semail.test\r\nResent-From: alice@semail.test\r\nResent-To: bob@one.test\r\n",
  "List-Id: <news.semail.test>\r\nList-Unsubscribe: <https://semail.test/1>\r\n",
  "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nSubject: hello\r\n\r\nhi\r\n",
].join("");
const fieldsOfLists: Readonly<Record<string, { change: (message: string) => string; want: string }>> = {
  "as they are": { change: (message) => message, want: "pass" },
  "with another one resent on the way": {
    change: (message) => `Resent-From: carol@two.test\r\nResent-To: dave@two.test\r\n${message}`,
    want: "pass",
  },
  "with another way to unsubscribe": {
    change: (message) => message.replace("semail.test/1", "evil.test/1"),
    want: "fail",
  },
  "without one click": {
    change: (message) => message.replace(/List-Unsubscribe-Post:.*\r\n/, ""),
    want: "fail",
  },
  "of another list": { change: (message) => message.replace("<news.", "<spam."), want: "fail" },
  "resent by another": {
    change: (message) => message.replace("Resent-From: alice", "Resent-From: eve"),
    want: "fail",
  },
};
for (const [name, { change, want }] of Object.entries(fieldsOfLists)) {
  test(`fields of mailing lists and of resending, ${name}: ${want}`, async () => {
    assert.equal((await verdict(change(await signed(LIST)))) === "pass", want === "pass");
  });
}

test("a mailing list may add its fields to a message that has none", async () => {
  const list = "List-Id: <list.one.test>\r\nList-Unsubscribe: <https://one.test/1>\r\n";
  assert.equal(await verdict(`${list}${await signed(plain)}`), "pass");
});

const tampered = {
  "a second From": (message: string) => `From: eve@evil.test\r\n${message}`,
  "a second Subject": (message: string) => `Subject: pay me\r\n${message}`,
  "a Reply-To that was not there": (message: string) => `Reply-To: eve@evil.test\r\n${message}`,
  "another body": (message: string) => message.replace("\r\n\r\nhi", "\r\n\r\nho"),
  "another Subject": (message: string) => message.replace("Subject: hello", "Subject: hallo"),
};
for (const [name, change] of Object.entries(tampered)) {
  test(`the signature breaks with ${name}`, async () => {
    const changed = change(await signed(plain));
    assert.notEqual(await verdict(changed), "pass");
  });
}

test("another program verifies bodies of any blanks and line breaks", async () => {
  const piece = fc.constantFrom(" ", "\t", "\r\n", "a", "é", ".", " \r\n", "\r\n\r\n");
  const bodies = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(""));
  const property = fc.asyncProperty(bodies, async (body) => {
    assert.equal(await verdict(await signed(`From: alice@semail.test\r\n\r\n${body}`, "e1")), "pass");
  });
  await fc.assert(property, { numRuns: 200 });
});

test("by both keys of a domain, each of which is verified (RFC 8463 section 3)", async () => {
  const [signer, ...others] = createDkimSigners([
    { domain: "semail.test", selector: "r1", privateKey: rsa.privateKey },
    { domain: "semail.test", selector: "e1", privateKey: ed25519.privateKey },
  ]);
  assert.deepEqual(others, []);
  const message = parseMessage(Buffer.from(plain));
  const signatures = (await signer?.sign(message, new Date("2026-01-02T03:04:05Z"))) ?? [];
  const bytes = formatMessage({ ...message, fields: [...signatures, ...message.fields] });
  const { results } = await dkimVerify(bytes, { resolver });
  assert.deepEqual(
    results.map(({ selector, algo, status }) => [selector, algo, status.result]),
    [
      ["r1", "rsa-sha256", "pass"],
      ["e1", "ed25519-sha256", "pass"],
    ],
  );
});
