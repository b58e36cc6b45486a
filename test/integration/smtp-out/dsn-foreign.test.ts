/** Notifications as a program that is not ours reads them: Python's email package (RFC 6522, RFC 3464). */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Language } from "../../../mailserver/contract.ts";
import { createNotification } from "../../../mailserver/courier/notification.ts";
import type { OwedRecipient, StoredEnvelope } from "../../../mailserver/queue/item.ts";
import { type Handle, openLab } from "../../support/docker.ts";
import { foreignImage } from "../smtp-in/programs.ts";

const HOUR = 3_600_000;
/** Building the image takes a while where it is not there yet. */
const PREPARATION = { timeout: 400_000 };
const ORIGINAL = "From: alice@semail.test\r\nMessage-ID: <m@semail.test>\r\nSubject: x\r\n\r\nthe body\r\n";

const READ = `
import base64, email, email.policy, json, sys
message = email.message_from_bytes(base64.b64decode(sys.argv[1]), policy=email.policy.default)
parts = message.get_payload()
status = [[[name, str(value)] for name, value in block.items()] for block in parts[1].get_payload()]
print(json.dumps({
  "type": message.get_content_type(), "report": message.get_param("report-type"),
  "subject": message["subject"], "defects": [str(d) for p in message.walk() for d in p.defects],
  "types": [part.get_content_type() for part in parts], "text": parts[0].get_content(),
  "status": status, "returned": parts[2].as_string()}))
`;

interface Read {
  readonly type: string;
  readonly report: string;
  readonly subject: string;
  readonly defects: readonly string[];
  readonly types: readonly string[];
  readonly text: string;
  readonly status: readonly (readonly (readonly [string, string])[])[];
  readonly returned: string;
}

const answer = { code: 250, status: "2.0.0", text: "ok", host: "mx.one.test" };
const failed: OwedRecipient = {
  ...{ seq: 0, address: "bob@one.test", state: "failed", owed: "failed" },
  answer: { code: 550, status: "5.1.1", text: "nobody", host: "mx.one.test" },
};
const delayed: OwedRecipient = {
  ...{ seq: 1, address: "eve@two.test", state: "pending", owed: "delayed" },
  answer: { code: 451, status: "4.4.1", text: "No mail host could be reached" },
  orcpt: { type: "rfc822", address: "Eve@Two.test" },
};
const relayed: OwedRecipient = {
  ...failed,
  address: "kim@three.test",
  state: "delivered",
  owed: "relayed",
  answer,
};
const delivered: OwedRecipient = { ...relayed, address: "dan@semail.test", owed: "delivered" };

async function read(
  recipients: readonly OwedRecipient[],
  envelope: Partial<StoredEnvelope> = {},
  { language = "en" as Language, maxBytes = 1_000_000 } = {},
): Promise<Read> {
  const compose = createNotification({
    ...{ hostname: "mail.semail.test", domains: ["semail.test"], language, maxBytes },
    ...{ giveUpMs: 120 * HOUR, newId: () => "dsn", clock: { now: () => 4 * HOUR } },
    destination: () => "local:alice@semail.test",
  });
  const from = "alice@semail.test";
  const { body } = await compose(
    { id: "a", created: 0, envelope: { from, eightBit: false, smtputf8: false, ...envelope }, recipients },
    Buffer.from(ORIGINAL),
  );
  const { stdout, stderr } = await python.exec(["python3", "-c", READ, Buffer.from(body).toString("base64")]);
  assert.equal(stderr, "");
  return JSON.parse(stdout) as Read;
}

const lab = openLab();
let python: Handle;
before(async () => {
  python = await lab.run({ image: await foreignImage(lab, "senders") });
}, PREPARATION);
after(() => lab.cleanup());

describe("a notification, read by Python", () => {
  it("tells all outcomes of a message in one report", async () => {
    const found = await read([failed, delayed, relayed, delivered], { envid: "QQ 314" });
    assert.deepEqual(found.defects, []);
    assert.deepEqual([found.type, found.report], ["multipart/report", "delivery-status"]);
    assert.deepEqual(found.types, ["text/plain", "message/delivery-status", "text/rfc822-headers"]);
    assert.equal(found.subject, "Undelivered mail returned to sender");
    const [message, ...blocks] = found.status.map((block) => Object.fromEntries(block));
    assert.deepEqual(message, {
      "Original-Envelope-Id": "QQ 314",
      "Reporting-MTA": "dns; mail.semail.test",
      "Arrival-Date": "Thu, 01 Jan 1970 00:00:00 +0000",
    });
    assert.deepEqual(
      blocks.map((block) => [block["Final-Recipient"], block.Action, block.Status]),
      [
        ["rfc822; bob@one.test", "failed", "5.1.1"],
        ["rfc822; eve@two.test", "delayed", "4.4.1"],
        ["rfc822; kim@three.test", "relayed", "2.0.0"],
        ["rfc822; dan@semail.test", "delivered", "2.0.0"],
      ],
    );
    assert.equal(blocks[1]?.["Original-Recipient"], "rfc822; Eve@Two.test");
    assert.equal(blocks[1]?.["Will-Retry-Until"], "Tue, 06 Jan 1970 00:00:00 +0000");
    for (const { address } of [failed, delayed, relayed, delivered])
      assert.ok(found.text.includes(`<${address}>`));
  });

  it("returns the whole message for RET=FULL, when something failed", async () => {
    const found = await read([failed, delayed], { ret: "FULL" });
    assert.equal(found.types[2], "message/rfc822");
    assert.match(found.returned, /the body/);
  });

  for (const [name, args] of Object.entries({
    "nothing failed": [[delayed], { ret: "FULL" }],
    "the sender asked for HDRS": [[failed], { ret: "HDRS" }],
    "the whole would be too large to return": [[failed], { ret: "FULL" }, { maxBytes: 65_536 }],
  } as const satisfies Record<string, Parameters<typeof read>>)) {
    it(`returns the header alone when ${name}`, async () => {
      const found = await read(...(args as Parameters<typeof read>));
      assert.equal(found.types[2], "text/rfc822-headers");
      assert.doesNotMatch(found.returned, /the body/);
    });
  }

  const words = {
    en: [/NOT delivered/, /Check the address for typing errors/, /We go on until .*6\s+January\s+1970/s],
    fr: [/n'a PAS été remis/, /Vérifiez l'adresse/, /Nous essayons\s+jusqu'au .*6\s+janvier\s+1970/s],
  } as const;
  for (const language of ["en", "fr"] as const) {
    it(`says what happened and what to do, in ${language}`, async () => {
      const { text, defects } = await read([failed, delayed], {}, { language });
      assert.deepEqual(defects, []);
      for (const pattern of words[language]) assert.match(text, pattern);
      assert.ok(
        text.split("\n").every((line) => line.length < 80),
        text,
      );
    });
  }
});
