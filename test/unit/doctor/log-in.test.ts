/** Logging in over TLS against services that answer as scripted, and what is made of their answers. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { withoutIpv6 } from "../../../tools/doctor/examine-services.ts";
import { logIn } from "../../../tools/doctor/log-in.ts";
import { checkLogin, checkService } from "../../../tools/doctor/service-checks.ts";
import type { Endpoint, Protocol } from "../../../tools/doctor/services.ts";
import { type Identity, makeIdentity } from "../../support/identity.ts";

const HOST = "smtp.example.org";
const PASSWORD = 'a "quoted" \\ pässword';
let good: Identity;
let other: Identity;
/** What the last server was told. */
let heard: string[] = [];
const servers: Server[] = [];

/** Answers each line by its first word. */
async function serve(identity: Identity, answers: Readonly<Record<string, string>>): Promise<number> {
  const lines: string[] = [];
  heard = lines;
  const server = createServer({ cert: identity.certificate, key: identity.key }, (socket: TLSSocket) => {
    socket.on("error", () => {});
    socket.write(answers.greeting ?? "");
    createInterface({ input: socket }).on("line", (line) => {
      lines.push(line);
      socket.write(
        answers[line.split(" ")[1] === "AUTHENTICATE" ? "AUTHENTICATE" : (line.split(" ")[0] ?? "")] ??
          answers.other ??
          "",
      );
    });
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  return address.port;
}

const SMTP = {
  greeting: `220 ${HOST} ESMTP\r\n`,
  EHLO: `250-${HOST}\r\n250 AUTH PLAIN\r\n`,
  AUTH: "235 2.7.0 in\r\n",
};
const IMAP = { greeting: "* OK ready\r\n", AUTHENTICATE: "+ \r\n", other: "a OK logged in\r\n" };

before(async () => {
  [good, other] = await Promise.all([makeIdentity(HOST), makeIdentity(HOST)]);
});
after(() => {
  for (const server of servers) server.close();
});

async function tried(protocol: Protocol, identity: Identity, answers: Readonly<Record<string, string>>) {
  const port = await serve(identity, answers);
  const endpoint: Endpoint = {
    protocol,
    host: "127.0.0.1",
    port,
    serverName: HOST,
    ca: good.ca,
    timeoutMs: 3_000,
  };
  const check = checkLogin(endpoint, "alice", await logIn(endpoint, { user: "alice", password: PASSWORD }));
  const [finding] = check.findings;
  return finding === undefined ? "in" : `${finding.message}. ${finding.remedy}`;
}

const secret = Buffer.from(`\0alice\0${PASSWORD}`).toString("base64");

describe("a person's login", () => {
  test("is done by both services", async () => {
    assert.equal(await tried("submissions", good, SMTP), "in");
    assert.deepEqual(heard.slice(0, 2), ["EHLO doctor.invalid", `AUTH PLAIN ${secret}`]);
    assert.equal(await tried("imaps", good, IMAP), "in");
    assert.deepEqual(heard.slice(0, 2), ["a AUTHENTICATE PLAIN", secret]);
  });

  test("that is refused is told, without the password", async () => {
    const refused = /^the user name or the password is refused.*changed/;
    assert.match(await tried("submissions", good, { ...SMTP, AUTH: "535 5.7.8 no\r\n" }), refused);
    assert.match(
      await tried("imaps", good, { ...IMAP, other: "a NO [AUTHENTICATIONFAILED] no\r\n" }),
      refused,
    );
    const later = await tried("submissions", good, { ...SMTP, AUTH: "454 4.7.0 later\r\n" });
    assert.match(later, /^it answers "454 4\.7\.0 later"/);
  });

  test("is not tried with somebody else's certificate", async () => {
    assert.match(await tried("submissions", other, SMTP), /not to be trusted with a password/);
    assert.deepEqual(heard, []);
  });
});

describe("a host's IPv6 address", () => {
  const endpoint: Endpoint = {
    protocol: "smtp",
    host: "2001:db8::1",
    port: 25,
    serverName: HOST,
    ca: "",
    timeoutMs: 1,
  };
  const at = { now: new Date(0), domain: "example.org", publicTrust: false };
  const of = (fault: string) => checkService({ endpoint, heard: { fault } }, at);

  test("can't be tried from a machine that has none, which is told once", () => {
    const none = [...of("ENETUNREACH"), ...of("EADDRNOTAVAIL")];
    assert.deepEqual(
      withoutIpv6("2001:db8::1", none).map(({ about, unknown }) => [about, unknown]),
      [["at 2001:db8::1", "this machine has no IPv6 by which to try it"]],
    );
    assert.deepEqual(withoutIpv6(undefined, []), []);
  });

  test("at which nothing answers is told by its address", () => {
    const [check, ...more] = withoutIpv6("2001:db8::1", [...of("ECONNREFUSED"), ...of("ENETUNREACH")]);
    assert.equal(more.length, 1);
    assert.equal(check?.about, `smtp ${HOST}:25 at 2001:db8::1`);
    assert.match(check?.findings[0]?.message ?? "", /no answer at 2001:db8::1 port 25 \(ECONNREFUSED\)/);
  });
});
