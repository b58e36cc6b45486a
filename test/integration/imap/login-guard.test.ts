/** Wrong passwords at `access` count with smtp-out's login guard, whatever they are tried by, and it keeps nobody out by its absence. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { createDirectory, type Directory } from "../../../mailserver/directory/directory.ts";
import type { LogEvent } from "../../../mailserver/log-events.ts";
import { silentLog } from "../../../mailserver/net/log.ts";
import { createLoginGuard } from "../../../mailserver/policy/login-guard.ts";
import { systemClock } from "../../../mailserver/queue/clock.ts";
import { serveAccess } from "../../../mailserver/smtp-out/serve-access.ts";
import { type Handle, openLab } from "../../support/docker.ts";
import { freePorts } from "../../support/ports.ts";
import { PEOPLE, SERVICE_PASSWORD, SERVICES } from "../images/images.ts";
import { HOST, openReading, PASSWORD, type ReadingSite } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

const SECRET = "access-secret-for-tests-0123456789";

/** Logs in, and writes what it is answered. */
const LOGIN = `
import base64, socket, ssl, sys
_, protocol, user, password = sys.argv
context = ssl.create_default_context(cafile="/home/reader/ca.pem")
def wrap(plain):
    return context.wrap_socket(plain, server_hostname="${HOST}")
def start(port):
    return socket.create_connection(("${HOST}", port))
def say(line):
    lines.write(line.encode() + b"\\r\\n")
    lines.flush()
def until(ends):
    while True:
        line = lines.readline().decode()
        if line == "" or line.startswith(ends):
            return line
if protocol == "sieve":
    plain = start(4190)
    lines = plain.makefile("rwb")
    until("OK")
    say("STARTTLS")
    until("OK")
    lines = wrap(plain).makefile("rwb")
    until("OK")
    say('AUTHENTICATE "PLAIN" "%s"' % base64.b64encode(f"\\0{user}\\0{password}".encode()).decode())
    print(until(("OK", "NO")))
elif protocol == "pop3":
    lines = wrap(start(995)).makefile("rwb")
    until("+OK")
    say("USER " + user)
    until("+OK")
    say("PASS " + password)
    print(until(("+OK", "-ERR")))
else:
    lines = wrap(start(993)).makefile("rwb")
    until("*")
    say(f'a LOGIN "{user}" "{password}"')
    print(until("a "))
`;

/** Logs in side by side, and writes how many were answered that the password is wrong, and how many otherwise. */
const FLOOD = `
import socket, ssl, sys, threading
_, user, count = sys.argv
context = ssl.create_default_context(cafile="/home/reader/ca.pem")
def connect():
    plain = socket.create_connection(("${HOST}", 993))
    lines = context.wrap_socket(plain, server_hostname="${HOST}").makefile("rwb")
    lines.readline()
    return lines
connections = [connect() for _ in range(int(count))]
answers = []
def guess(number, lines):
    lines.write(f'a LOGIN "{user}" "guess {number}"\\r\\n'.encode())
    lines.flush()
    line = b"?"
    while line != b"" and not line.startswith(b"a "):
        line = lines.readline()
    answers.append(line)
threads = [threading.Thread(target=guess, args=guessed) for guessed in enumerate(connections)]
for thread in threads: thread.start()
for thread in threads: thread.join()
looked = sum(b"AUTHENTICATIONFAILED" in answer for answer in answers)
print(looked, len(answers) - looked)
`;

describe("the login guard at access", () => {
  const guard = createLoginGuard({ now: Date.now });
  const events: LogEvent[] = [];
  const log = { ...silentLog, warn: (event: LogEvent) => void events.push(event) };
  let site: ReadingSite;
  let port = 0;
  let directory: Directory | undefined;
  let serving: Awaited<ReturnType<typeof serveAccess>>;

  const login = async (reader: Handle, protocol: string, password: string, user = "alice") => {
    const { stdout, stderr } = await reader.exec(["python3", "-c", LOGIN, protocol, user, password]);
    return stdout.trim() || stderr;
  };
  /** As wrong passwords at smtp-out. */
  const failAtSmtp = async (client: string, times: number) => {
    for (let n = 0; n < times; n += 1) (await guard.begin("alice", client, "alice"))?.failed();
  };
  const lockedAtSmtp = async (client: string): Promise<boolean> => {
    const attempt = await guard.begin("alice", client, "alice");
    attempt?.abandoned();
    return attempt === undefined;
  };

  before(async () => {
    [port = 0] = await freePorts(1);
    site = await openReading(lab, {
      access: {
        env: { LOGIN_GUARD_URL: `http://guard.test:${port}/` },
        further: { ExtraHosts: ["guard.test:host-gateway"] },
      },
      settings: { "login-guard-secret": SECRET },
    });
    const url = `ldap://127.0.0.1:${await site.directory.port("389/tcp")}`;
    const access = { bindDn: `cn=access,${SERVICES}`, password: SERVICE_PASSWORD };
    directory = createDirectory(
      { url, ...access, peopleDn: PEOPLE, timeoutMs: 5_000 },
      { now: Date.now, log: silentLog },
    );
    // Where containers reach the machine is the engine's matter.
    serving = await serveAccess(
      { port, address: "0.0.0.0", secret: SECRET },
      { guard, directory, clock: systemClock, log },
    );
  });
  after(async () => {
    await serving?.close();
    await directory?.close();
  });

  for (const [protocol, welcome, refusal] of [
    ["imap", /^a OK/, /^a NO/],
    ["pop3", /^\+OK/, /^-ERR/],
    ["sieve", /^OK/, /^NO/],
  ] as const) {
    it(`counts what is wrong by ${protocol} with what is wrong by SMTP, and forgets it with what is right`, async () => {
      const reader = await site.reader();
      const client = await reader.ip();
      await failAtSmtp(client, 4);
      assert.match(await login(reader, protocol, PASSWORD), welcome);
      await failAtSmtp(client, 4);
      assert.equal(await lockedAtSmtp(client), false);
      assert.match(await login(reader, protocol, "a guess"), refusal);
      assert.equal(await lockedAtSmtp(client), true);
      events.length = 0;
      const answer = await login(reader, protocol, PASSWORD);
      assert.match(answer, refusal);
      assert.match(answer, /Too many wrong passwords: wait five minutes/);
      assert.deepEqual(events, ["access.auth.locked"]);
    });
  }

  it("is asked about hundreds of guesses side by side, and hears what came of those that were looked at", async () => {
    const reader = await site.reader();
    const { stdout, stderr } = await reader.exec(["python3", "-c", FLOOD, "alice", "300"]);
    assert.equal(stderr, "");
    assert.equal(stdout.trim(), "5 295");
    assert.equal(await lockedAtSmtp(await reader.ip()), true);
  });

  it("counts nothing while the directory is down", async () => {
    const reader = await site.reader();
    events.length = 0;
    await site.directory.stop();
    assert.match(await login(reader, "imap", PASSWORD), /^a NO \[UNAVAILABLE\]/);
    await site.directory.start();
    await site.directory.waitHealthy();
    assert.deepEqual(events, []);
  });

  it("lets in where the person read mail before, though guesses from everywhere lock strangers out", async () => {
    const [home, stranger] = [await site.reader(), await site.reader()];
    assert.match(await login(home, "imap", PASSWORD), /^a OK/);
    for (let n = 0; n < 50; n += 1) await failAtSmtp(`198.51.100.${n}`, 1);
    assert.match(await login(home, "imap", PASSWORD), /^a OK/);
    assert.match(await login(stranger, "imap", PASSWORD), /^a NO .*Too many wrong passwords/);
  });

  it("is not needed to read mail: access says in its log that it does not answer", async () => {
    await serving.close();
    const reader = await site.reader();
    assert.match(await login(reader, "imap", PASSWORD), /^a OK/);
    assert.match(await login(reader, "imap", "a guess"), /^a NO \[AUTHENTICATIONFAILED\]/);
    const logs = await site.access.logs();
    assert.match(logs, /policy: Policy server HTTP error/);
    assert.ok(!logs.includes(SECRET));
  });

  it("is told nothing of the password, and once of each login", async (t) => {
    const told: [path: string | undefined, body: Record<string, unknown>][] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        told.push([request.url, JSON.parse(body)]);
        response.writeHead(200, { "content-type": "application/json" }).end('{"status":0}');
      });
    });
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    await once(server.listen(port, "0.0.0.0"), "listening");
    const reader = await site.reader();
    assert.match(await login(reader, "imap", "a guess"), /^a NO \[AUTHENTICATIONFAILED\]/);
    assert.match(await login(reader, "imap", PASSWORD), /^a OK/);
    const [question, report] = ["/?command=allow", "/?command=report"];
    assert.deepEqual(told.map(([path]) => path).sort(), [question, question, report, report]);
    for (const [path, { success: _, policy_reject: __, fail_type: ___, ...facts }] of told) {
      // Dovecot names the two that the configuration leaves empty all the same.
      const { device_id, pwhash, ...body } = facts;
      assert.deepEqual([device_id, pwhash], ["", ""], path);
      assert.deepEqual(Object.keys(body).sort(), ["login", "protocol", "remote", "session_id", "tls"], path);
    }
  });
});
