/** One question to a DNS server: over UDP, and over TCP when the answer is too long for it (RFC 7766). */
import { randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { AUTHENTIC_DATA, decode, encode, RECURSION_DESIRED, type RecordType, streamEncode } from "dns-packet";
import { z } from "zod";

/** Where a DNS server is. */
export interface DnsServer {
  readonly host: string;
  readonly port: number;
}

const Entry = z.object({
  ...{ name: z.string(), type: z.string(), data: z.unknown() },
  /** Seconds; an OPT record has none. */
  ttl: z.int().default(0),
});
/** What we read of an answer; anything else is no answer. */
const Message = z.object({
  id: z.int(),
  type: z.literal("response"),
  rcode: z.string(),
  /** The server has the zone itself. */
  flag_aa: z.boolean(),
  flag_tc: z.boolean(),
  flag_ad: z.boolean(),
  questions: z.array(z.object({ name: z.string(), type: z.string() })),
  answers: z.array(Entry),
  authorities: z.array(Entry),
});
/** An answer; `bytes`: about what it takes in memory. */
export type DnsMessage = z.infer<typeof Message> & { readonly bytes: number };

/** With codes like those of node:dns. */
export class DnsError extends Error {
  override readonly name = "DnsError";
  readonly code: string;
  constructor(code: string, question: string, cause?: unknown) {
    super(`${code} for ${question}`, { cause });
    this.code = code;
  }
}

/** What a system without IPv6 says of an IPv6 address, at once and without a packet. */
export const NO_IPV6: ReadonlySet<string> = new Set(["ENETUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/** RFC 9715 section 3.1: what passes every network in one piece. */
const UDP_BYTES = 1_232;
/**
 * Decoded, an answer takes some twenty times its length, and of empty texts a hundred times; whoever has a zone chooses that.
 * All that mail asks for is far shorter: 200 MX records with the longest names of today, 1,000 addresses or 300 digests of
 * certificates fit.
 */
const LONGEST_BYTES = 16_384;

interface Question {
  readonly name: string;
  readonly type: RecordType;
}

/**
 * Asks once. Rejects with DnsError: ETIMEOUT, ECONNREFUSED for a server that can't be reached, EBADRESP for nonsense,
 * EMSGSIZE for more than anybody publishes in earnest: cut, an answer would say what its zone does not.
 */
export async function exchange(
  server: DnsServer,
  question: Question,
  timeoutMs: number,
): Promise<DnsMessage> {
  const id = randomInt(0x1_0000);
  const query = {
    type: "query" as const,
    id,
    // RFC 6840 section 5.7: AD in a question asks for AD in the answer, without the signatures.
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [question],
    additionals: [
      {
        ...{ type: "OPT" as const, name: "." as const, udpPayloadSize: UDP_BYTES },
        ...{ extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] },
      },
    ],
  };
  const isOurs = (message: DnsMessage): boolean => answers(message, id, question);
  const short = await overUdp(server, encode(query), isOurs, timeoutMs).catch(failed(question));
  if (!short.flag_tc) return short;
  return await overTcp(server, streamEncode(query), isOurs, timeoutMs).catch(failed(question));
}

function answers({ id, questions }: DnsMessage, asked: number, { name, type }: Question): boolean {
  const [question] = questions;
  return id === asked && question?.type === type && question.name.toLowerCase() === name.toLowerCase();
}

/** As measured: of a record, and of each string in one, of which a TXT record may have as many as it has bytes. */
const RECORD_BYTES = 800;
const STRING_BYTES = 120;

function decodedBytes({ answers, authorities }: z.infer<typeof Message>): number {
  const bytesOf = ({ data }: z.infer<typeof Entry>): number =>
    RECORD_BYTES + (Array.isArray(data) ? data.length * STRING_BYTES : 0);
  return [...answers, ...authorities].reduce((sum, entry) => sum + bytesOf(entry), 0);
}

/** Undefined when it makes no sense. */
function read(bytes: Buffer): DnsMessage | undefined {
  try {
    const message = Message.safeParse(decode(bytes)).data;
    return message && { ...message, bytes: bytes.length + decodedBytes(message) };
  } catch {
    return undefined;
  }
}

type IsOurs = (message: DnsMessage) => boolean;

/** A socket of its own, and so a port that cannot be guessed, for each question (RFC 5452 section 9.2). */
async function overUdp(server: DnsServer, query: Buffer, isOurs: IsOurs, ms: number): Promise<DnsMessage> {
  const socket = createSocket(server.host.includes(":") ? "udp6" : "udp4");
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>();
  const timer = setTimeout(() => reject(coded("ETIMEOUT")), ms);
  // Others' answers, late or forged ones are passed over.
  socket.on("message", (bytes) => {
    const message = read(bytes);
    if (message !== undefined && isOurs(message)) resolve(message);
  });
  socket.on("error", reject);
  // Connected, so that only the server's answers arrive.
  socket.connect(server.port, server.host, () => socket.send(query));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

async function overTcp(server: DnsServer, query: Buffer, isOurs: IsOurs, ms: number): Promise<DnsMessage> {
  const socket = connect({ host: server.host, port: server.port });
  const { promise, resolve, reject } = Promise.withResolvers<DnsMessage>();
  const timer = setTimeout(() => reject(coded("ETIMEOUT")), ms);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => {
    chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    if (bytes.length < 2) return;
    const length = bytes.readUInt16BE(0);
    if (length > LONGEST_BYTES) reject(coded("EMSGSIZE"));
    if (bytes.length < 2 + length) return;
    const message = read(bytes.subarray(2, 2 + length));
    if (message !== undefined && isOurs(message)) resolve(message);
    else reject(coded("EBADRESP"));
  });
  socket.on("error", reject);
  socket.on("close", () => reject(coded("EBADRESP")));
  socket.write(query);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function failed({ name, type }: Question): (cause: unknown) => never {
  return (cause) => {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "EBADRESP";
    throw new DnsError(code, `${type} ${name}`, cause);
  };
}
