/** A directory that knows one person and no secret. */
import { once } from "node:events";
import { createServer } from "node:net";

/** Answers every bind with success and every search with one person, whatever is asked (RFC 4511 section 4). */
export async function startLdap(
  person: Readonly<Record<string, string>> = { uid: "alice", mailHost: "127.0.0.1" },
): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (request: Buffer) => {
      // LDAPMessage: 0x30 length 0x02 0x01 id operation; the client's messages are short enough for this.
      const short = (request[1] ?? 0) < 0x80;
      const at = short ? 2 : 2 + ((request[1] ?? 0) & 0x7f);
      const id = request[at + 2] ?? 0;
      const operation = request[at + 3];
      if (operation === 0x60) socket.write(ldapMessage(id, done(0x61)));
      if (operation === 0x63) {
        socket.write(Buffer.concat([ldapMessage(id, entry(person)), ldapMessage(id, done(0x65))]));
      }
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as { port: number }).port, close: () => server.close() };
}

const ber = (tag: number, ...parts: (Buffer | string)[]): Buffer => {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from([tag, content.length]), content]);
};
const done = (tag: number): Buffer => ber(tag, ber(0x0a, Buffer.from([0])), ber(0x04, ""), ber(0x04, ""));
const ldapMessage = (id: number, operation: Buffer): Buffer =>
  ber(0x30, ber(0x02, Buffer.from([id])), operation);
function entry(person: Readonly<Record<string, string>>): Buffer {
  const attribute = ([name, value]: [string, string]): Buffer =>
    ber(0x30, ber(0x04, name), ber(0x31, ber(0x04, value)));
  const attributes = ber(0x30, ...Object.entries(person).map(attribute));
  return ber(0x64, ber(0x04, "uid=alice"), attributes);
}
