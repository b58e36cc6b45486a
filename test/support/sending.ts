/** Sending through the client driver, and peers that answer by a script. */
import { createServer, type Server, type Socket } from "node:net";
import { deliver } from "../../mailserver/net/client.ts";
import type { Body, ConnectOptions } from "../../mailserver/net/types.ts";
import { parseAddress } from "../../mailserver/smtp/address.ts";
import type { Address, ClientOptions, Envelope, Outcome } from "../../mailserver/smtp/types.ts";

export const address = (text: string): Address => {
  const found = parseAddress(text, { utf8: true });
  if (!found) throw new Error(`no address: ${text}`);
  return found;
};

export const envelope = (to: readonly string[], more: Partial<Envelope> = {}): Envelope => ({
  from: address("bob@foreign.example"),
  recipients: to.map(address),
  size: 10,
  eightBit: false,
  smtputf8: false,
  ...more,
});

export const BODY = Buffer.from("Subject: x\r\n\r\n.dot\r\n");

export const options = (port: number, session: Partial<ClientOptions> = {}): ConnectOptions => ({
  host: "127.0.0.1",
  port,
  session: { protocol: "smtp", hostname: "out.semail.test", tls: "opportunistic", ...session },
  timeouts: { connectMs: 2_000, replyMs: 2_000, messageMs: 2_000 },
});

export const kinds = (outcomes: readonly Outcome[]): string[] =>
  outcomes.map(({ kind, reply }) => `${kind} ${reply.code} ${reply.enhanced ?? ""}`.trim());

/** What `deliver` came to, in short. */
export async function sent(
  port: number,
  to: readonly string[],
  more: {
    session?: Partial<ClientOptions>;
    envelope?: Partial<Envelope>;
    body?: Body;
    connect?: Partial<ConnectOptions>;
  } = {},
): Promise<string[]> {
  const report = await deliver(
    { ...options(port, more.session), ...more.connect },
    envelope(to, more.envelope),
    more.body ?? BODY,
  );
  if (report.kind === "done") return kinds(report.outcomes);
  const { stage, reply } = report.failure;
  return [`failed at ${stage}: ${reply.code} ${reply.enhanced ?? ""}`.trim()];
}

/** A peer that answers each line by a script: a reply, or what to do with the socket. */
export async function scripted(
  answer: (line: string, socket: Socket) => string | undefined,
  greeting = "220 hi",
  at: { readonly host: string; readonly port: number } = { host: "127.0.0.1", port: 0 },
): Promise<{ port: number; close(): void }> {
  const server: Server = createServer((socket) => {
    let rest = "";
    socket.on("error", () => {});
    socket.write(`${greeting}\r\n`);
    socket.on("data", (chunk) => {
      const lines = (rest + chunk.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const reply = answer(line, socket);
        if (reply !== undefined && !socket.writableEnded) socket.write(`${reply}\r\n`);
      }
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(at.port, at.host, resolve);
  });
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  return { port, close: () => void server.close() };
}

/** Replies of an ordinary server, save for those given. */
export const ordinary =
  (special: Readonly<Record<string, string>>, ehlo = "250-mx\r\n250-PIPELINING\r\n250 8BITMIME") =>
  (line: string): string | undefined => {
    const found = Object.entries(special).find(([start]) => line.startsWith(start));
    if (found) return found[1];
    if (line.startsWith("EHLO")) return ehlo;
    if (line === "DATA") return "354 go";
    if (line === ".") return "250 2.0.0 taken";
    if (/^(MAIL|RCPT|RSET|HELO)/.test(line)) return "250 fine";
    return line === "QUIT" ? "221 bye" : undefined;
  };
