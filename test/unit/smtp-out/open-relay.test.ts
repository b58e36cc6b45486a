/** No combination of listener, TLS, login, sender and recipient makes an open relay: real engine, real handlers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionLimits } from "../../../mailserver/contract.ts";
import type { SessionHandler } from "../../../mailserver/net/types.ts";
import { rewrite } from "../../../mailserver/policy/srs.ts";
import { makeAddress } from "../../../mailserver/smtp/address.ts";
import type { SessionInfo } from "../../../mailserver/smtp/types.ts";
import { sessionOptions as inboundOptions } from "../../../mailserver/smtp-in/session-options.ts";
import { type ListenerName, sessionOptions } from "../../../mailserver/smtp-out/session-options.ts";
import { Conversation } from "../../support/conversation.ts";
import { inboundHandler, outboundHandler, PORTAL, RELAY, SRS } from "../../support/handlers.ts";

/** With what mail of eve's leaves when somebody here forwards it, and what a guess at that looks like. */
const FORWARDED = `<${rewrite(makeAddress("eve", "evil.test"), SRS, 0)?.text}>`;
const FORGED = "<SRS0=00000000=00=evil.test=eve@semail.test>";

/** Envelope senders as a client writes them. `alice`: hers. `malformed`: refused by every listener. */
const senders: Record<string, "alice" | "other" | "malformed"> = {
  "<alice@semail.test>": "alice",
  "<ALICE@SEMAIL.TEST>": "alice",
  '<"alice"@semail.test>': "alice",
  "<sales@semail.test>": "alice",
  "<alice+shop@semail.test>": "alice",
  "<@evil.test:alice@semail.test>": "alice",
  "<>": "alice",
  "<alice.@semail.test>": "other",
  "<al..ice@semail.test>": "other",
  "<.alice+shop@semail.test>": "other",
  "<alice@_.semail.test>": "other",
  "<bob@semail.test>": "other",
  "<bob+alice@semail.test>": "other",
  "<nobody@semail.test>": "other",
  "<eve@evil.test>": "other",
  "<alice@evil.test>": "other",
  "<alice@sub.semail.test>": "other",
  "<alice@[192.0.2.9]>": "other",
  "<@semail.test:eve@evil.test>": "other",
  "<alice%evil.test@semail.test>": "other",
  "<eve%evil.test@semail.test>": "other",
  "<evil.test!alice@semail.test>": "other",
  '<"alice@semail.test"@evil.test>': "other",
  '<"eve@evil.test"@semail.test>': "other",
  [FORWARDED]: "other",
  [FORGED]: "other",
  "<alice@semail.test@evil.test>": "malformed",
  "<alice>": "malformed",
  "<evil.test!alice>": "malformed",
  "<alice@semail.test": "malformed",
  "alice@semail.test": "malformed",
  "<alice@semail.test>>": "malformed",
  "<alice @semail.test>": "malformed",
  "<@semail.test>": "malformed",
};

/**
 * Recipients, and where mail to them must go: `local:` to a box, `mx:` out to strangers; both for who has mail forwarded.
 * `bounce`: what bounces goes back to eve.
 */
const recipients: Record<string, string | "bounce" | "unknown" | "malformed"> = {
  "<bob@semail.test>": "local:bob@semail.test",
  "<BOB@Semail.TEST>": "local:bob@semail.test",
  "<bob+list@semail.test>": "local:bob+list@semail.test",
  '<"bob"@semail.test>': "local:bob@semail.test",
  "<@evil.test:bob@semail.test>": "local:bob@semail.test",
  "<@evil.test,@two.test:bob@semail.test>": "local:bob@semail.test",
  "<carol@semail.test>": "local:carol@semail.test mx:elsewhere.test",
  [FORWARDED]: "bounce",
  [FORGED]: "unknown",
  "<SRS0=eve@semail.test>": "unknown",
  "<nobody@semail.test>": "unknown",
  "<@evil.test:eve%evil.test@semail.test>": "unknown",
  "<eve%evil.test@semail.test>": "unknown",
  "<evil.test!eve@semail.test>": "unknown",
  '<"eve@evil.test"@semail.test>': "unknown",
  '<"bob@semail.test,eve@evil.test"@semail.test>': "unknown",
  "<bob.@semail.test>": "unknown",
  "<.bob+list@semail.test>": "unknown",
  "<b..ob@semail.test>": "unknown",
  "<bob+..@semail.test>": "local:bob+..@semail.test",
  "<eve..@evil.test>": "mx:evil.test",
  "<eve@_evil.test>": "mx:_evil.test",
  "<bob@_.semail.test>": "mx:_.semail.test",
  "<eve@evil.test>": "mx:evil.test",
  "<eve@EVIL.test>": "mx:evil.test",
  "<bob@sub.semail.test>": "mx:sub.semail.test",
  "<bob@notsemail.test>": "mx:notsemail.test",
  "<bob@semail.test.evil.test>": "mx:semail.test.evil.test",
  "<eve@xn--bcher-kva.test>": "mx:xn--bcher-kva.test",
  "<eve@[192.0.2.9]>": "mx:[192.0.2.9]",
  "<eve@[IPv6:2001:db8::9]>": "mx:[ipv6:2001:db8::9]",
  "<eve@[127.0.0.1]>": "mx:[127.0.0.1]",
  "<@semail.test:eve@evil.test>": "mx:evil.test",
  '<"bob@semail.test"@evil.test>': "mx:evil.test",
  "<bob%semail.test@evil.test>": "mx:evil.test",
  "<eve@evil.test@semail.test>": "malformed",
  "<eve@evil.test%semail.test>": "malformed",
  "<eve@evil.test:bob@semail.test>": "malformed",
  "<eve@bücher.test>": "malformed",
  "<bob@semail.test@evil.test>": "malformed",
  "<eve>": "malformed",
  "<evil.test!eve>": "malformed",
  "<>": "malformed",
  "<bob@semail.test, eve@evil.test>": "malformed",
  "<bob@semail.test> <eve@evil.test>": "malformed",
  "<eve@[evil.test]>": "malformed",
  "<bob@semail.test.>": "malformed",
};

const logins = ["none", "wrong", "person", "relay", "portal", "somebody else's name"] as const;
type Login = (typeof logins)[number];

async function logIn(client: Conversation, login: Login): Promise<void> {
  if (login === "wrong") await client.auth("alice", "wrong");
  if (login === "person") await client.auth("alice", "alice-secret");
  if (login === "relay") await client.auth(RELAY.user, RELAY.password);
  if (login === "portal") await client.auth(PORTAL.user, PORTAL.password);
  if (login === "somebody else's name") await client.auth("alice", "alice-secret", "bob");
}

const ports = ["25", "587", "465", "10025"] as const;
type Port = (typeof ports)[number];
const LISTENERS: Record<Exclude<Port, "25">, ListenerName> = {
  "587": "submission",
  "465": "submissions",
  "10025": "relay",
};

const AUTHORS = ["alice@semail.test", "bob@semail.test", "postmaster@semail.test", "host@evil.test"] as const;
const [ALICE, BOB, POSTMASTER, STRANGER] = AUTHORS;

/** Alice, and who is not who sends. */
function authorsFor(port: Port, login: Login): readonly Case["author"][] {
  return [ALICE, port === "25" ? STRANGER : login === "portal" ? POSTMASTER : BOB];
}

interface Case {
  readonly port: Port;
  readonly tls: boolean;
  readonly login: Login;
  readonly from: string;
  readonly to: string;
  readonly author: (typeof AUTHORS)[number];
}

/** The rule, in words that owe nothing to the code: where this mail may end up, or undefined. */
function allowed({ port, tls, login, from, to, author }: Case): string | undefined {
  const goal = recipients[to];
  if (senders[from] === "malformed" || goal === "malformed" || goal === "unknown") return undefined;
  if (goal === "bounce")
    return port === "25" && from === "<>" && author === STRANGER ? "eve@evil.test" : undefined;
  if (port === "25") return /^local:(bob|carol)/.exec(goal ?? "")?.[1];
  if (port === "10025") return allowedInside({ login, from, author }, goal);
  return tls && login === "person" && senders[from] === "alice" && author === ALICE ? goal : undefined;
}

/** smtp-in brings mail of anybody to anybody, the portal its own people mail of postmaster's that nobody can answer. */
function allowedInside(
  { login, from, author }: Pick<Case, "login" | "from" | "author">,
  goal: string | undefined,
) {
  if (login === "relay") return goal;
  const isPostmasters = login === "portal" && from === "<>" && author === POSTMASTER;
  return isPostmasters && goal?.startsWith("local:") ? goal : undefined;
}

/** Where the mail of a case ended up. */
async function tryIt({ port, tls, login, from, to, author }: Case, clientAddress: string) {
  const stored: string[] = [];
  const limits = SessionLimits.parse({});
  const [session, handler]: [
    Parameters<typeof Conversation.open>[0]["session"],
    (of: SessionInfo) => SessionHandler,
  ] =
    port === "25"
      ? [inboundOptions({ hostname: "mx.semail.test", limits }), inboundHandler(stored)]
      : [
          sessionOptions(LISTENERS[port], { hostname: "mx.semail.test", limits }),
          outboundHandler(port === "10025" ? "relay" : "submission", stored),
        ];
  const client = await Conversation.open({ session, handler, clientAddress, tls: tls && port === "465" });
  await client.say("EHLO client.test");
  if (tls && port !== "465" && (await client.say("STARTTLS")).startsWith("220"))
    await client.say("EHLO client.test");
  await logIn(client, login);
  await client.say(`MAIL FROM:${from}`);
  await client.say(`RCPT TO:${to}`);
  if ((await client.say("DATA")).startsWith("354")) {
    await client.say(`From: ${author}\r\nSubject: x\r\n\r\nhi\r\n.`);
  }
  return stored;
}

let clients = 0;
for (const port of ports) {
  for (const tls of [true, false]) {
    for (const login of logins) {
      test(`${port} ${tls ? "with" : "without"} TLS, login: ${login}: no way out but the one that is meant`, async () => {
        let through = 0;
        let tried = 0;
        for (const from of Object.keys(senders)) {
          for (const to of Object.keys(recipients)) {
            for (const author of authorsFor(port, login)) {
              const one: Case = { port, tls, login, from, to, author };
              // Each from an address of its own: wrong passwords are counted.
              const n = ++clients;
              const stored = await tryIt(one, `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
              const want = allowed(one);
              assert.deepEqual(stored, want?.split(" ") ?? [], JSON.stringify(one));
              tried += 1;
              through += stored.length;
            }
          }
        }
        assert.ok(tried > 1_500);
        const meant =
          port === "25" ||
          (port === "10025" ? login === "relay" || login === "portal" : tls && login === "person");
        assert.equal(through > 0, meant);
      });
    }
  }
}
