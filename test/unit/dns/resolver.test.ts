import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { after, before, describe, test } from "node:test";
import { type Answer, AUTHENTIC_DATA, decode, encode, streamEncode, TRUNCATED_RESPONSE } from "dns-packet";
import { exchange } from "../../../mailserver/dns/exchange.ts";
import { createDns } from "../../../mailserver/dns/resolver.ts";
import { freePort } from "../../support/ports.ts";

const RCODES: Readonly<Record<string, number>> = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 };

interface Reply {
  readonly answers?: readonly Answer[];
  readonly secure?: boolean;
  readonly rcode?: string;
  /** So often nothing is answered, or nonsense, or somebody else's answer. */
  readonly silent?: number;
  readonly nonsense?: number;
  readonly forged?: boolean;
  readonly truncated?: boolean;
  /** Seconds for which the zone lets it be remembered that there is nothing. */
  readonly absence?: number;
}

const a = (name: string, data: string, ttl = 60): Answer => ({ type: "A", name, data, ttl });
const cname = (name: string, data: string): Answer => ({ type: "CNAME", name, data, ttl: 60 });
const soa = (minimum: number): Answer => ({
  ...{ type: "SOA", name: "test", ttl: 60 },
  data: { mname: "ns.test", rname: "x.test", serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});
const hash = Buffer.alloc(32, 7);
const tlsa: Answer = {
  ...{ type: "TLSA", name: "_25._tcp.mx.test", ttl: 60 },
  data: { usage: 3, selector: 1, matchingType: 1, certificate: hash },
};

/** One text that makes the whole answer so long. */
function text(name: string, bytes: number): Answer {
  // Of the header; of the question and the record; each with its name (RFC 1035 sections 4.1.1 to 4.1.3).
  const left = bytes - 12 - 4 - 10 - 2 * (name.length + 2);
  const data = Buffer.alloc(left - Math.ceil(left / 256), "x");
  const strings = Array.from({ length: Math.ceil(data.length / 255) }, (_, index) =>
    data.subarray(index * 255, (index + 1) * 255),
  );
  return { type: "TXT", name, ttl: 60, data: strings };
}

const ZONE: Readonly<Record<string, Reply>> = {
  "plain.test": { answers: [a("plain.test", "192.0.2.1")] },
  "secure.test": { answers: [a("SECURE.test", "192.0.2.1"), a("secure.test", "192.0.2.2")], secure: true },
  "alias.test": {
    answers: [cname("alias.test", "b.test"), cname("b.test", "C.test"), a("c.test", "192.0.2.3")],
    secure: true,
  },
  "dangling.test": { answers: [cname("dangling.test", "b.test")], secure: true },
  "circle.test": { answers: [cname("circle.test", "b.test"), cname("b.test", "circle.test")] },
  "other.test": { answers: [a("unasked.test", "192.0.2.9")] },
  "news_letter._x.test": { answers: [a("news_letter._x.test", "192.0.2.11")] },
  "xn--mnchen_1-65a.test": { answers: [a("xn--mnchen_1-65a.test", "192.0.2.12")] },
  "nothing.test": {},
  "none.test": { absence: 5 },
  "short.test": { answers: [a("short.test", "192.0.2.10", 3)] },
  "absent.test": { rcode: "NXDOMAIN", secure: true },
  "bogus.test": { rcode: "SERVFAIL" },
  "closed.test": { rcode: "REFUSED" },
  "long.test": { answers: [a("long.test", "192.0.2.4")], truncated: true, secure: true },
  "large.test": { answers: [text("large.test", 16_384)], truncated: true },
  "endless.test": { answers: [text("endless.test", 16_385)], truncated: true, secure: true },
  "slow.test": { answers: [a("slow.test", "192.0.2.5")], silent: 2 },
  "dead.test": { silent: 100 },
  "odd.test": { answers: [a("odd.test", "192.0.2.6")], nonsense: 1 },
  "raced.test": { answers: [a("raced.test", "192.0.2.7")], forged: true },
  "xn--mnchen-3ya.test": { answers: [a("xn--mnchen-3ya.test", "192.0.2.8")] },
  "_25._tcp.mx.test": { answers: [tlsa], secure: true },
  "mail.test": {
    answers: [
      { type: "MX", name: "mail.test", ttl: 60, data: { preference: 10, exchange: "mx.test" } },
      { type: "MX", name: "mail.test", ttl: 60, data: { preference: 20, exchange: "mx2.test" } },
    ],
  },
  "null.test": {
    answers: [{ type: "MX", name: "null.test", ttl: 60, data: { preference: 0, exchange: "." } }],
  },
  "empties.test": {
    answers: [{ type: "TXT", name: "empties.test", ttl: 60, data: Array.from({ length: 1_000 }, () => "") }],
  },
  "text.test": { answers: [{ type: "TXT", name: "text.test", ttl: 60, data: ["v=STSv1; ", "id=1;"] }] },
};

let udp: Socket;
let tcp: Server;
const asked: { name: string; type: string; wantsAd: boolean; over: "udp" | "tcp" }[] = [];

function answer(query: Buffer, over: "udp" | "tcp"): { packet: Parameters<typeof encode>[0]; reply: Reply } {
  const { id, questions = [], flag_ad: wantsAd } = decode(query);
  const { name = "", type = "" } = questions[0] ?? {};
  const reply = ZONE[name] ?? { rcode: "NXDOMAIN" };
  asked.push({ name, type, wantsAd, over });
  const cut = reply.truncated === true && over === "udp";
  const flags =
    (RCODES[reply.rcode ?? ""] ?? 0) |
    (reply.secure === true ? AUTHENTIC_DATA : 0) |
    (cut ? TRUNCATED_RESPONSE : 0);
  const answers = cut ? [] : [...(reply.answers ?? [])];
  const authorities: Answer[] = reply.absence === undefined ? [] : [soa(reply.absence)];
  return { packet: { type: "response", id: id ?? 0, flags, questions, answers, authorities }, reply };
}

before(async () => {
  const counts = new Map<string, number>();
  udp = createSocket("udp4", (query, { port, address }) => {
    const { packet, reply } = answer(query, "udp");
    const name = packet.questions?.[0]?.name ?? "";
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count <= (reply.silent ?? 0)) return;
    const forged = { ...packet, id: ((packet.id ?? 0) + 1) % 0x1_0000, answers: [a(name, "198.51.100.66")] };
    if (reply.forged === true) udp.send(encode(forged), port, address);
    if (count <= (reply.nonsense ?? 0)) udp.send(Buffer.from("nonsense"), port, address);
    else udp.send(encode(packet), port, address);
  });
  // Free for both: one that UDP is given may be another's over TCP.
  const port = await freePort();
  udp.bind(port, "127.0.0.1");
  await once(udp, "listening");
  tcp = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (query) => {
      const bytes = streamEncode(answer(query.subarray(2), "tcp").packet);
      // In two pieces, the length itself cut.
      socket.write(bytes.subarray(0, 1), () => socket.end(bytes.subarray(1)));
    });
  });
  await once(tcp.listen(port, "127.0.0.1"), "listening");
});
after(() => {
  udp.close();
  tcp.close();
});

const dns = (timeoutMs = 2_000, now: () => number = Date.now) =>
  createDns([`127.0.0.1:${(tcp.address() as AddressInfo).port}`], { timeoutMs, now });

describe("A records of", () => {
  for (const [name, want] of Object.entries({
    "plain.test": "192.0.2.1 of plain.test",
    "plain.test.": "192.0.2.1 of plain.test",
    "secure.test": "192.0.2.1,192.0.2.2 of secure.test, secure",
    "alias.test": "192.0.2.3 of c.test, secure",
    "dangling.test": "ENODATA",
    "circle.test": "ENODATA",
    "other.test": "ENODATA",
    "nothing.test": "ENODATA",
    "absent.test": "ENOTFOUND",
    "bogus.test": "ESERVFAIL",
    "closed.test": "EREFUSED",
    "long.test": "192.0.2.4 of long.test, secure",
    "raced.test": "192.0.2.7 of raced.test",
    "münchen.test": "192.0.2.8 of xn--mnchen-3ya.test",
    "news_letter._x.test": "192.0.2.11 of news_letter._x.test",
    "münchen_1.test": "192.0.2.12 of xn--mnchen_1-65a.test",
    "a..test": "EBADNAME",
    [`${"a".repeat(64)}.test`]: "EBADNAME",
    [`${"abc.".repeat(70)}test`]: "EBADNAME",
  })) {
    test(`${name.slice(0, 20)}: ${want}`, async () => {
      const found = await dns()
        .resolve4(name)
        .then(({ records, name: at, secure }) => `${records} of ${at}${secure ? ", secure" : ""}`)
        .catch(({ code }) => code);
      assert.equal(found, want);
    });
  }

  test("a server that is silent at first, or answers with nonsense, is asked again; three times at most", async () => {
    assert.deepEqual((await dns(50).resolve4("slow.test")).records, ["192.0.2.5"]);
    assert.deepEqual((await dns(50).resolve4("odd.test")).records, ["192.0.2.6"]);
    await assert.rejects(dns(20).resolve4("dead.test"), { code: "ETIMEOUT" });
    assert.equal(asked.filter(({ name }) => name === "dead.test").length, 3);
  });
});

test("other types", async () => {
  const { resolveMx, resolveTlsa, resolveTxt, resolve6 } = dns();
  assert.deepEqual((await resolveMx("mail.test")).records, [
    { exchange: "mx.test", priority: 10, ttl: 60 },
    { exchange: "mx2.test", priority: 20, ttl: 60 },
  ]);
  assert.deepEqual((await resolveMx("null.test")).records, [{ exchange: ".", priority: 0, ttl: 60 }]);
  const data = hash.toString("hex");
  assert.deepEqual(await resolveTlsa("_25._tcp.mx.test"), {
    records: [{ usage: 3, selector: 1, matching: 1, data }],
    ...{ secure: true, name: "_25._tcp.mx.test" },
  });
  assert.deepEqual((await resolveTxt("text.test")).records, ["v=STSv1; id=1;"]);
  await assert.rejects(resolve6("plain.test"), { code: "ENODATA" });
});

test("asks whether the answer was validated (RFC 6840 section 5.7), and over TCP what is too long for UDP", async () => {
  await dns().resolve4("long.test");
  const long = asked.filter(({ name }) => name === "long.test").slice(-2);
  assert.deepEqual(
    long.map(({ over, wantsAd }) => [over, wantsAd]),
    [
      ["udp", true],
      ["tcp", true],
    ],
  );
});

describe("an answer longer than anybody's in earnest is neither read nor cut, whatever is asked, and one question is enough:", () => {
  for (const type of ["resolveMx", "resolve4", "resolve6", "resolveTlsa", "resolveTxt"] as const) {
    test(type, async () => {
      const before = asked.length;
      await assert.rejects(dns()[type]("endless.test"), { code: "EMSGSIZE" });
      assert.deepEqual(
        asked.slice(before).map(({ over }) => over),
        ["udp", "tcp"],
      );
    });
  }

  test("one just as long as that is read", async () => {
    const [found = ""] = (await dns().resolveTxt("large.test")).records;
    assert.ok(found.length > 16_000);
  });
});

test("who remembers nothing asks each time", async () => {
  const { resolveMx } = createDns([`127.0.0.1:${(tcp.address() as AddressInfo).port}`], {
    now: Date.now,
    remember: false,
  });
  const before = asked.length;
  await resolveMx("mail.test");
  await resolveMx("mail.test");
  assert.equal(asked.length, before + 2);
});

test("a server that is not there is passed over for the next", async () => {
  const free = createSocket("udp4").bind(0, "127.0.0.1");
  await once(free, "listening");
  const dead = `127.0.0.1:${free.address().port}`;
  free.close();
  const there = `127.0.0.1:${(tcp.address() as AddressInfo).port}`;
  assert.deepEqual((await createDns([dead, there], { now: Date.now }).resolve4("plain.test")).records, [
    "192.0.2.1",
  ]);
  await assert.rejects(createDns([dead], { now: Date.now, timeoutMs: 200 }).resolve4("plain.test"));
});

describe("an answer is remembered", () => {
  for (const [name, seconds] of [
    ["plain.test", 10],
    ["short.test", 3],
    ["none.test", 5],
    ["nothing.test", 0],
    ["bogus.test", 0],
  ] as const) {
    test(`${name}: for ${seconds} s`, async () => {
      let now = 0;
      const { resolve4 } = dns(2_000, () => now);
      const count = async (): Promise<number> => {
        const before = asked.length;
        await resolve4(name).catch(() => {});
        return asked.length - before;
      };
      assert.equal(await count(), 1);
      now = seconds * 1_000 - 1;
      if (seconds > 0) assert.equal(await count(), 0);
      now += 1;
      assert.equal(await count(), 1);
    });
  }

  test("and shared by all who ask before it is there", async () => {
    const before = asked.length;
    const { resolve4 } = dns();
    await Promise.all(Array.from({ length: 20 }, () => resolve4("plain.test")));
    assert.equal(asked.length - before, 1);
  });
});

test("an answer says about how much memory it takes, however short it was on its way", async () => {
  const server = { host: "127.0.0.1", port: (tcp.address() as AddressInfo).port };
  const bytesOf = async (name: string, type: "A" | "TXT"): Promise<number> =>
    (await exchange(server, { name, type }, 1_000)).bytes;
  const empties = await bytesOf("empties.test", "TXT");
  assert.ok(empties > 100_000, `${empties} of a thousand empty texts`);
  const plain = await bytesOf("plain.test", "A");
  assert.ok(plain > 500 && plain < 2_000, `${plain} of an address`);
});
