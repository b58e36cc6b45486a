/** Senders that follow DNS as the world does: what they were told they remember for its TTL, by the test's clock. */
import { generateKeyPairSync } from "node:crypto";
import type { Dns, DnsAnswer } from "../../mailserver/courier/mx.ts";
import { createSmtpCourier } from "../../mailserver/courier/smtp.ts";
import { type DnsMessage, type DnsServer, exchange } from "../../mailserver/dns/exchange.ts";
import { formatMessage, parseMessage } from "../../mailserver/message/header.ts";
import { silentLog } from "../../mailserver/net/log.ts";
import { ConnectionPool, type Connections } from "../../mailserver/net/pool.ts";
import { parseAddress } from "../../mailserver/smtp/address.ts";
import { createDkimSigners } from "../../mailserver/smtp-out/dkim.ts";

/** Where a name server of the test's is, and what time it is, in seconds. */
export interface World {
  readonly nameServer: DnsServer;
  readonly now: () => number;
  /** The port of this machine at which an address of DNS answers; undefined: nobody does. */
  readonly portOf: (address: string) => number | undefined;
}

/** DNS as a resolver has it that asked at some time and asks again only when the TTL is over. */
export function rememberingDns({ nameServer, now }: World): Dns {
  const known = new Map<string, { readonly until: number; readonly message: DnsMessage }>();
  async function ask(name: string, type: "MX" | "A" | "AAAA"): Promise<DnsMessage> {
    const key = `${type} ${name}`;
    const remembered = known.get(key);
    if (remembered !== undefined && now() < remembered.until) return remembered.message;
    const message = await exchange(nameServer, { name, type }, 5_000);
    const ttl = Math.min(...message.answers.map((answer) => answer.ttl));
    if (message.answers.length > 0) known.set(key, { until: now() + ttl, message });
    return message;
  }
  async function look<T>(name: string, type: "MX" | "A" | "AAAA"): Promise<DnsAnswer<T>> {
    const { rcode, answers } = await ask(name, type);
    const records = answers.filter((answer) => answer.type === type).map(({ data }) => data as T);
    const code = rcode === "NXDOMAIN" ? "ENOTFOUND" : rcode === "NOERROR" ? "ENODATA" : "ESERVFAIL";
    if (records.length === 0) throw Object.assign(new Error(`${type} ${name}: ${rcode}`), { code });
    return { records, secure: false, name };
  }
  return {
    resolveMx: async (name) => {
      const found = await look<{ exchange: string; preference: number }>(name, "MX");
      const records = found.records.map(({ exchange: host, preference }) => ({
        exchange: host,
        priority: preference,
      }));
      return { ...found, records };
    },
    resolve4: (name) => look(name, "A"),
    resolve6: (name) => look(name, "AAAA"),
  };
}

export interface Sender {
  /** Sends one signed mail with this subject. Rejects when it isn't taken at once. */
  send(to: string, subject: string): Promise<void>;
}

/** Who signs with a key of their own: `record` is what their zone says under `s1._domainkey`. */
export function signingAs(domain: string) {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const key = publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const [signer] = createDkimSigners([{ domain, selector: "s1", privateKey: pem }]);
  const sign = async (text: string): Promise<Buffer> => {
    const message = parseMessage(Buffer.from(text));
    const fields = (await signer?.sign(message, new Date())) ?? [];
    return formatMessage({ ...message, fields: [...fields, ...message.fields] });
  };
  return { domain, record: `v=DKIM1; k=rsa; p=${key}`, sign };
}

/** A sender who has asked DNS nothing yet. Its courier is smtp-out's. */
export function rememberingSender(world: World, identity: ReturnType<typeof signingAs>): Sender {
  const pool = new ConnectionPool({ idleMs: 100, messages: 1 });
  const connections: Connections = {
    deliver: (options, envelope, body) => {
      const port = world.portOf(options.host) ?? 1;
      return pool.deliver({ ...options, host: "127.0.0.1", port }, envelope, body);
    },
  };
  const carry = createSmtpCourier({
    dns: rememberingDns(world),
    ...{ random: Math.random, ownNames: [], hostname: `mx.${identity.domain}`, port: 25 },
    ...{ mayReach: () => true, security: async () => async () => ({ kind: "opportunistic" }) },
    ...{ connections, log: silentLog },
  });
  const from = parseAddress(`news@${identity.domain}`) ?? null;
  return {
    send: async (to, subject) => {
      const recipient = parseAddress(to);
      if (recipient === undefined) throw new RangeError(to);
      const text = `From: news@${identity.domain}\r\nTo: ${to}\r\nSubject: ${subject}\r\nDate: Sun, 1 Nov 2026 00:00:00 +0000\r\n\r\nHello.\r\n`;
      const body = await identity.sign(text);
      const delivery = { from, recipients: [recipient], body, eightBit: false, smtputf8: false };
      const [result] = await carry(recipient.domain, delivery, AbortSignal.timeout(30_000));
      if (result?.kind !== "delivered") throw new Error(`${subject}: ${JSON.stringify(result)}`);
    },
  };
}
