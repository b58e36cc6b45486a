import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import type { NewItem } from "../../../mailserver/queue/item.ts";
import { accepted } from "../../../mailserver/smtp/replies.ts";
import { collectReplies } from "../../../mailserver/smtp-out/replies.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { makeIdentity } from "../../support/identity.ts";
import { address } from "../../support/sending.ts";

const MESSAGE = "From: alice@semail.test\nAuto-Submitted: auto-replied\nSubject: away\n\nlater\n";

/** Carol, who has her mail elsewhere too, wrote to Alice, who is away: what was queued, and what the box was told. */
async function replied(find: (address: string) => void = () => {}) {
  const queued: NewItem[] = [];
  const taken: boolean[] = [];
  const clock = new FakeClock(0);
  const replies = collectReplies(
    { boxDoor: await makeIdentity("door.semail.test"), boxReplyPort: 26 },
    {
      ...{ clock, log: silentLog, newId: () => "item", hostname: "mail.semail.test", signers: [] },
      ...{ domains: ["semail.test"], rules: { domains: ["semail.test"] } },
      directory: {
        findRecipient: async (who): Promise<RecipientAnswer> => {
          find(who);
          const box = { kind: "box", uid: who, host: `box-${who.split("@")[0]}` } as const;
          return who === "carol@semail.test" ? { ...box, forward: "carol@elsewhere.test" } : box;
        },
      },
      queue: { enqueue: async (item) => void queued.push(item) },
      collect: async (_, take) => {
        taken.push(await take({ recipient: "carol@semail.test", message: Buffer.from(MESSAGE) }));
      },
    },
  );
  const body = Buffer.from("x");
  replies?.delivered(
    "box-alice",
    {
      ...{ from: address("carol@semail.test"), recipients: [address("alice@semail.test")] },
      ...{ body, eightBit: false, smtputf8: false },
    },
    [{ kind: "delivered", reply: accepted }],
  );
  await clock.jump();
  await replies?.close();
  return { queued, taken };
}

test("an automatic reply to a colleague goes to where they have their mail, and asks for no answer", async () => {
  const { queued, taken } = await replied();
  assert.deepEqual(taken, [true]);
  assert.deepEqual(
    queued.map(({ envelope, recipients }) => [envelope.from, recipients]),
    [
      [
        "",
        [
          { address: "carol@semail.test", destination: "local:carol@semail.test", notify: [] },
          {
            ...{ address: "carol@elsewhere.test", destination: "mx:elsewhere.test", notify: [] },
            originals: ["carol@semail.test"],
          },
        ],
      ],
    ],
  );
});

test("an automatic reply stays in the box while nobody can say where its reader has their mail", async () => {
  const { queued, taken } = await replied((who) => {
    if (who === "carol@semail.test") throw new DirectoryUnavailable("down");
  });
  assert.deepEqual([queued, taken], [[], []]);
});
