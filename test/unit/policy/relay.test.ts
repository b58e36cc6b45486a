import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Authors,
  decideHeader,
  decideRecipient,
  type Identity,
} from "../../../mailserver/policy/relay.ts";

const alice: Identity = {
  kind: "person",
  uid: "alice",
  addresses: ["alice@semail.test", "postmaster@semail.test"],
};
const identities = {
  nobody: { kind: "nobody" },
  alice,
  service: { kind: "service" },
  portal: { kind: "portal", addresses: ["postmaster@semail.test"] },
} satisfies Record<string, Identity>;
/** Somebody else's, although it looks like a detail of alice's. */
const others = new Set(["alice+bob@semail.test"]);
const senders = {
  own: "alice@semail.test",
  alias: "postmaster@semail.test",
  detail: "alice+shop@semail.test",
  colleague: "bob@semail.test",
  "colleague like a detail": "alice+bob@semail.test",
  "detail of such a colleague": "alice+bob+shop@semail.test",
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
  "relay tls portal null",
  "relay clear portal null",
]);
const SENDER_CODES: Record<string, number> = { alice: 553, nobody: 530, service: 530, portal: 553 };

for (const listener of ["submission", "relay"] as const) {
  for (const channel of ["tls", "clear"] as const) {
    for (const [who, identity] of Object.entries(identities)) {
      for (const [sender, from] of Object.entries(senders)) {
        for (const recipient of ["foreign", "box", "absent"] as const) {
          const name = `${listener} ${channel} ${who} ${sender}`;
          test(`${name} to ${recipient}`, () => {
            const verdict = decideRecipient({
              listener,
              tls: channel === "tls",
              identity,
              from,
              recipient,
              others,
            });
            const code = verdict.kind === "accept" ? 250 : verdict.reply.code;
            const onWrongSide =
              (listener === "submission") !== (who === "alice") || name.includes("submission clear");
            const refused = onWrongSide ? 530 : SENDER_CODES[who];
            const mayReach = recipient === "box" || (recipient === "foreign" && who !== "portal");
            assert.equal(code, allowed.has(name) ? (mayReach ? 250 : 550) : refused);
          });
        }
      }
    }
  }
}

const clear = (from: string[], ...others: string[]): Authors => ({
  kind: "clear",
  from,
  others: others.map((address) => ({ field: "Sender", address })),
});
const OWN = "alice@semail.test";
const headers: { name: string; identity: Identity; authors: Authors; want: RegExp | "accept" }[] = [
  { name: "own From", identity: alice, authors: clear([OWN]), want: "accept" },
  {
    name: "two own addresses",
    identity: alice,
    authors: clear([OWN, "postmaster@semail.test"]),
    want: "accept",
  },
  { name: "own Sender", identity: alice, authors: clear([OWN], OWN), want: "accept" },
  {
    name: "one of two is foreign",
    identity: alice,
    authors: clear([OWN, "eve@evil.test"]),
    want: /^550 5.7.1 The From /,
  },
  {
    name: "foreign From",
    identity: alice,
    authors: clear(["bob@semail.test"]),
    want: /^550 5.7.1 The From /,
  },
  ...["alice+bob@semail.test", "alice+bob+shop@semail.test"].map((address) => ({
    name: `From a colleague who looks like a detail, as ${address}`,
    ...{ identity: alice, authors: clear([address]), want: /^550 5.7.1 The From / },
  })),
  { name: "From a detail", identity: alice, authors: clear(["alice+shop@semail.test"]), want: "accept" },
  {
    name: "foreign Sender",
    identity: alice,
    authors: clear([OWN], OWN, "bob@semail.test"),
    want: /^550 5.7.1 The Sender /,
  },
  { name: "no From, or several", identity: alice, authors: { kind: "missing" }, want: /^550 5.6.0 / },
  {
    name: "in doubt",
    identity: alice,
    authors: { kind: "unclear", field: "Resent-From" },
    want: /^550 5.6.0 The Resent-From /,
  },
  {
    name: "forwarded mail keeps its author",
    identity: identities.service,
    authors: { kind: "missing" },
    want: "accept",
  },
  {
    name: "the portal's postmaster",
    identity: identities.portal,
    authors: clear(["postmaster@semail.test"]),
    want: "accept",
  },
  {
    name: "the portal as somebody else",
    identity: identities.portal,
    authors: clear(["alice@semail.test"]),
    want: /^550 5.7.1 The From /,
  },
  { name: "nobody", identity: identities.nobody, authors: clear([OWN]), want: /^530 / },
];
for (const { name, identity, authors, want } of headers) {
  test(`header: ${name}`, () => {
    const verdict = decideHeader(identity, authors, { others });
    if (want === "accept" || verdict.kind === "accept") assert.equal(verdict.kind, want);
    else assert.match(`${verdict.reply.code} ${verdict.reply.enhanced} ${verdict.reply.lines[0]}`, want);
  });
}
