import assert from "node:assert/strict";
import { test } from "node:test";
import { decideHeader, decideRecipient, type Identity } from "../../../mailserver/policy/relay.ts";

const alice: Identity = {
  kind: "person",
  uid: "alice",
  addresses: ["alice@semail.test", "postmaster@semail.test"],
};
const identities = { nobody: { kind: "nobody" }, alice, service: { kind: "service" } } satisfies Record<
  string,
  Identity
>;
const senders = {
  own: "alice@semail.test",
  alias: "postmaster@semail.test",
  detail: "alice+shop@semail.test",
  colleague: "bob@semail.test",
  foreign: "eve@evil.test",
  null: null,
};
/** Everything that may go out; whatever is not named here must be refused. */
const allowed = new Set([
  ...["own", "alias", "detail", "null"].map((sender) => `submission tls alice ${sender}`),
  ...Object.keys(senders).flatMap((sender) => [
    `relay tls service ${sender}`,
    `relay clear service ${sender}`,
  ]),
]);
const SENDER_CODES: Record<string, number> = { alice: 553, nobody: 530, service: 530 };

for (const listener of ["submission", "relay"] as const) {
  for (const channel of ["tls", "clear"] as const) {
    for (const [who, identity] of Object.entries(identities)) {
      for (const [sender, from] of Object.entries(senders)) {
        for (const recipient of ["foreign", "box", "absent"] as const) {
          const name = `${listener} ${channel} ${who} ${sender}`;
          test(`${name} to ${recipient}`, () => {
            const verdict = decideRecipient({ listener, tls: channel === "tls", identity, from, recipient });
            const code = verdict.kind === "accept" ? 250 : verdict.reply.code;
            const onWrongSide =
              (listener === "submission") !== (who === "alice") || name.includes("submission clear");
            const refused = onWrongSide ? 530 : SENDER_CODES[who];
            assert.equal(code, allowed.has(name) ? (recipient === "absent" ? 550 : 250) : refused);
          });
        }
      }
    }
  }
}

const headers = [
  { name: "own From", identity: alice, from: ["Alice@semail.test"], code: 250 },
  {
    name: "two own addresses",
    identity: alice,
    from: ["alice@semail.test", "postmaster@semail.test"],
    code: 250,
  },
  { name: "one of two is foreign", identity: alice, from: ["alice@semail.test", "eve@evil.test"], code: 550 },
  { name: "foreign From", identity: alice, from: ["bob@semail.test"], code: 550 },
  { name: "no address in From", identity: alice, from: [""], code: 550 },
  { name: "no From, or several", identity: alice, from: undefined, code: 550 },
  {
    name: "forwarded mail keeps its author",
    identity: identities.service,
    from: ["eve@evil.test"],
    code: 250,
  },
  { name: "nobody", identity: identities.nobody, from: ["alice@semail.test"], code: 530 },
] as const;
for (const { name, identity, from, code } of headers) {
  test(`header: ${name}: ${code}`, () => {
    const verdict = decideHeader(identity, from);
    assert.equal(verdict.kind === "accept" ? 250 : verdict.reply.code, code);
  });
}
