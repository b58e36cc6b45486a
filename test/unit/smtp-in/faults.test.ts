/** Faults of receiving that users of other mail systems reported, each with the tests that keep it out of here. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../../", import.meta.url);
const FAULTS = "test/dialogues/faults.txt";
const TLS = "test/dialogues/tls.txt";
const PEERS = "test/unit/net/client-peers.test.ts";
const DIRECTORY = "test/integration/directory/directory.test.ts";

/** By number and report: file and title of each test. */
const GUARDS: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  "2: a full disk answered with 5xx (Haraka #1263)": [
    [FAULTS, "a full disk is temporary"],
    ["test/unit/smtp-in/spool.test.ts", "is refused for now when the disk has no room for it"],
  ],
  "5: an LMTP reply that nobody waits for, or none (Haraka #2469)": [
    [PEERS, "fewer LMTP replies than recipients: the rest is temporary"],
    [FAULTS, "LMTP: as many refusals as recipients, also for size"],
  ],
  "7: one full mailbox blocks the other recipients (haraka-plugin-wildduck #120)": [
    [FAULTS, "LMTP: one full mailbox does not hold up the other"],
  ],
  "11: LF.CRLF ends DATA (Haraka #3268)": [
    [FAULTS, "LF CR LF dot CR LF in DATA is refused (smuggling)"],
    [FAULTS, "CR CR LF dot CR LF in DATA does not end it (smuggling)"],
  ],
  "12: a client that goes after a refused recipient with DATA pipelined (mox #198)": [
    [FAULTS, "the client goes after a refused recipient with DATA pipelined: the refusal is what it heard"],
  ],
  "13: an unknown server name breaks STARTTLS (mox #206), session tickets disturb senders (mox #237)": [
    ["test/unit/net/serve-tls.test.ts", "serves its certificate for a server name it does not know"],
    ["test/unit/smtp-in/main.test.ts", "gives no TLS tickets"],
  ],
  "19: mail delivered against p=reject (docker-mailserver #2932)": [
    ["test/unit/smtp-in/senders.test.ts", '"_dmarc.forged.example": "v=DMARC1; p=reject"'],
  ],
  "20: the balancer's address for the client's (docker-mailserver #2261)": [
    ["test/unit/smtp-in/clients.test.ts", "the client's own address counts and is in the trace"],
  ],
  "23: mail lost while the directory is down (stalwart #1794)": [
    ["test/unit/smtp-in/smtp-in.test.ts", "unavailable is temporary"],
    [DIRECTORY, "a directory that hangs is unavailable within the time limit"],
  ],
  "24: 451 for an unknown mailbox (docker-mailserver #2475) and a known one (#1562)": [
    [FAULTS, "absent is not unavailable, and one bad recipient holds nobody up"],
    [DIRECTORY, "a missing people entry is absent, an unreachable server is unavailable"],
  ],
  "25: a filter fed with an address as it is (docker-mailserver #977, mailcow #7192)": [
    [DIRECTORY, '"*)(uid=alice": { kind: "absent" }'],
  ],
  "a parser kept across STARTTLS": [
    [TLS, "commands sent ahead of the hand-shake are dropped (injection)"],
    [TLS, "STARTTLS drops the transaction and the client's name"],
  ],
};

for (const [fault, guards] of Object.entries(GUARDS)) {
  test(`has its test: ${fault}`, () => {
    for (const [file, title] of guards) {
      assert.ok(readFileSync(new URL(file, ROOT), "utf8").includes(title), `${file} lacks "${title}"`);
    }
  });
}
