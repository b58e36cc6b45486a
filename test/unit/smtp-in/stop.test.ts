import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import { item, testQueue } from "../../support/queue.ts";
import { RawClient } from "../../support/raw-client.ts";
import { spoolFolder, start } from "./support.ts";

/** A directory that is asked, and does not answer. */
function silentDirectory() {
  const asked = Promise.withResolvers<void>();
  const findRecipient = (): Promise<RecipientAnswer> => {
    asked.resolve();
    return new Promise(() => {});
  };
  return { asked: asked.promise, directory: { findRecipient, close: async () => {} } };
}

const LIMIT_MS = 3_000;

test("a session whose question nobody answers does not hold up the end", { timeout: 10_000 }, async () => {
  const { asked, directory } = silentDirectory();
  const daemon = await start({ lmtpPort: 1, deps: { directory } });
  const client = await RawClient.open(daemon.port);
  client.write("EHLO a.test\r\nMAIL FROM:<a@foreign.example>\r\nRCPT TO:<alice@semail.test>\r\n");
  await asked;
  const began = performance.now();
  await daemon.close();
  assert.ok(performance.now() - began < LIMIT_MS, `${performance.now() - began} ms`);
  client.close();
});

test("a message of the spool whose box is being looked up does not, and is not counted as tried", {
  timeout: 10_000,
}, async () => {
  const queueDir = await spoolFolder();
  {
    await using before = await testQueue(queueDir);
    const recipients = [{ address: "alice@semail.test", destination: "box:127.0.0.1" }];
    await before.enqueue(item("a", [], { recipients }));
  }
  const { asked, directory } = silentDirectory();
  const daemon = await start({ lmtpPort: 1, queueDir, deps: { directory } });
  await asked;
  const began = performance.now();
  await daemon.close();
  assert.ok(performance.now() - began < LIMIT_MS, `${performance.now() - began} ms`);
  await using after = await testQueue(queueDir);
  const { items } = await after.claimDue({ now: Date.now(), limit: 1, except: [] });
  assert.deepEqual(
    items.flatMap(({ recipients }) => recipients.map(({ attempts }) => attempts)),
    [0],
  );
});
