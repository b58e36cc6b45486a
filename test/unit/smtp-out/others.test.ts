/** With a separator that names have, too, nobody sends as a colleague whose address looks like theirs with a detail. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SessionLimits } from "../../../mailserver/contract.ts";
import type { Directory, Person } from "../../../mailserver/directory/directory.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../../../mailserver/policy/recipient.ts";
import type { Identity } from "../../../mailserver/policy/relay.ts";
import { othersAmong } from "../../../mailserver/smtp-out/others.ts";
import { sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { Conversation } from "../../support/conversation.ts";
import { directory, outboundHandler } from "../../support/handlers.ts";

interface Case {
  readonly from: string;
  readonly author?: string;
  readonly sender?: string;
  readonly mail: string;
  readonly sent?: string;
}

for (const separator of ["-", ".", "_", "=", "+"]) {
  const name = (text: string): string => `${text.replaceAll("-", separator)}@semail.test`;
  const people: readonly Person[] = [
    { uid: "mary", addresses: [name("mary"), name("mary-m")], version: "1" },
    { uid: "ann", addresses: [name("mary-ann")], version: "1" },
  ];
  const asked: string[] = [];
  const own: Directory = {
    ...directory,
    findRecipient: async (address) => {
      asked.push(address);
      // LDAP finds an address that is only written alike (RFC 4518).
      if (address === name("mary-ｓhop")) return { kind: "box", uid: "mary", host: "box" };
      if (address === name("mary-down")) throw new DirectoryUnavailable("down");
      const found = people.find(({ addresses }) => addresses.includes(address));
      return found ? { kind: "box", uid: found.uid, host: "box" } : { kind: "absent" };
    },
    authenticate: async (login) => people.find(({ uid }) => uid === login) ?? "refused",
    findPerson: async (uid) => people.find((person) => person.uid === uid) ?? "absent",
  };
  const [MARY, ANN] = [name("mary"), name("mary-ann")];
  const cases: Readonly<Record<string, Case>> = {
    "her own address": { from: MARY, mail: "250", sent: "250" },
    "her own with a detail": { from: name("mary-shop"), author: name("mary-shop"), mail: "250", sent: "250" },
    "her own, in which the separator is": {
      from: name("mary-m"),
      author: name("mary-m"),
      mail: "250",
      sent: "250",
    },
    "her own with a detail for which the directory finds her": {
      ...{ from: MARY, author: name("mary-ｓhop"), mail: "250", sent: "250" },
    },
    "a colleague's address": { from: ANN, mail: "553" },
    "a colleague's address in other letters": { from: ANN.toUpperCase(), mail: "553" },
    "a colleague's in other letters, in From alone": {
      ...{ from: MARY, author: ANN.toUpperCase(), mail: "250", sent: "550" },
    },
    "a colleague's in Sender alone": { from: MARY, sender: ANN, mail: "250", sent: "550" },
    "a colleague's with a detail": { from: name("mary-ann-shop"), mail: "553" },
    "a colleague's in From alone": { from: MARY, author: ANN, mail: "250", sent: "550" },
    "a colleague's with a detail in From alone": {
      ...{ from: MARY, author: name("mary-ann-shop"), mail: "250", sent: "550" },
    },
    "what can't be looked up": { from: name("mary-down"), mail: "451" },
    "what can't be looked up in From": { from: MARY, author: name("mary-down"), mail: "250", sent: "451" },
  };
  const mary = async (stored: string[]): Promise<Conversation> => {
    const client = await Conversation.open({
      session: sessionOptions("submissions", {
        hostname: "mx.semail.test",
        limits: SessionLimits.parse({}),
      }),
      handler: outboundHandler("submission", stored, {
        directory: own,
        rules: { domains: ["semail.test"], tagSeparator: separator },
      }),
      ...{ clientAddress: "192.0.2.7", tls: true },
    });
    await client.say("EHLO client.test");
    await client.auth("mary", "secret");
    return client;
  };
  describe(`mary sends, with ${separator} between name and detail, as`, () => {
    for (const [what, { from, author = MARY, sender, mail, sent }] of Object.entries(cases)) {
      test(what, async () => {
        const stored: string[] = [];
        const client = await mary(stored);
        assert.equal((await client.say(`MAIL FROM:<${from}>`)).slice(0, 3), mail);
        if (sent !== undefined) {
          await client.say("RCPT TO:<eve@evil.test>");
          await client.say("DATA");
          const more = sender === undefined ? "" : `Sender: ${sender}\r\n`;
          const answer = await client.say(`From: Mary <${author}>\r\n${more}Subject: x\r\n\r\nhi\r\n.`);
          assert.equal(answer.slice(0, 3), sent);
        }
        assert.equal(stored.length, sent === "250" ? 1 : 0);
      });
    }
    for (const [field, count, want] of [
      ["From", 10, "250"],
      ["Resent-From", 20, "250"],
      ["Resent-From", 21, "550"],
      ["Resent-From", 1_000, "550"],
    ] as const) {
      test(`${count} sub-addresses of hers in ${field} cost few questions`, async () => {
        const stored: string[] = [];
        const client = await mary(stored);
        await client.say(`MAIL FROM:<${MARY}>`);
        await client.say("RCPT TO:<eve@evil.test>");
        await client.say("DATA");
        asked.length = 0;
        // Each twice, which costs no more.
        const fields = Array.from({ length: 2 * count }, (_, n) => `${field}: ${name(`mary-${n % count}`)}`);
        const header =
          field === "From" ? `From: ${fields.map((each) => each.slice(6)).join(", ")}` : fields.join("\r\n");
        const own = field === "From" ? "" : `From: ${MARY}\r\n`;
        assert.equal((await client.say(`${own}${header}\r\n\r\nhi\r\n.`)).slice(0, 3), want);
        assert.equal(asked.length, want === "250" ? count : 0);
      });
    }
    test("her own address costs no question", async () => {
      const client = await mary([]);
      asked.length = 0;
      assert.equal((await client.say(`MAIL FROM:<${MARY}>`)).slice(0, 3), "250");
      await client.say("RCPT TO:<eve@evil.test>");
      await client.say("DATA");
      const header = `From: ${MARY}\r\nSender: ${name("mary-m")}`;
      assert.equal((await client.say(`${header}\r\n\r\nhi\r\n.`)).slice(0, 3), "250");
      assert.deepEqual(asked, []);
    });
  });
}

describe("somebody's address that looks like postmaster's with a detail is theirs", () => {
  const address = "postmaster+bob@semail.test";
  const addresses = ["postmaster@semail.test"];
  const identities: Readonly<Record<string, readonly [Identity, questions: number]>> = {
    "to the portal": [{ kind: "portal", addresses }, 1],
    "to who is postmaster": [{ kind: "person", uid: "alice", addresses }, 1],
    "without a question for smtp-in, which may name anybody": [{ kind: "service" }, 0],
    "without a question for who has not logged in": [{ kind: "nobody" }, 0],
  };
  for (const [name, [identity, questions]] of Object.entries(identities)) {
    test(name, async () => {
      const asked: string[] = [];
      const findRecipient = async (of: string): Promise<RecipientAnswer> => {
        asked.push(of);
        return { kind: "box", uid: "bob", host: "box" };
      };
      const others = await othersAmong([address], identity, { directory: { findRecipient } });
      assert.equal(asked.length, questions);
      assert.deepEqual([...others], questions === 0 ? [] : [address]);
    });
  }
});
