/** Line protocols spoken by hand over a socket, so that a test sees every reply as it is. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { connect as connectTls } from "node:tls";

export interface Dialogue {
  send(text: string): void;
  /** The next line without its end. */
  line(): Promise<string>;
  /** Lines up to and including the first that matches. */
  until(pattern: RegExp): Promise<string[]>;
  /** Goes on over TLS. */
  startTls(options: { ca: string; servername: string }): Promise<void>;
  close(): void;
}

/** Connects to a loopback port; reading fails when nothing comes for 30 seconds. */
export async function openDialogue(port: number): Promise<Dialogue> {
  let socket: Socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  let reader = lineReader(socket);
  const line = async (): Promise<string> => {
    const { value, done } = await reader.lines.next();
    if (done) throw new Error("the server closed the connection");
    return value;
  };
  return {
    send: (text) => void socket.write(text),
    line,
    async until(pattern) {
      const seen: string[] = [];
      do seen.push(await line());
      while (!pattern.test(seen.at(-1) ?? ""));
      return seen;
    },
    async startTls(options) {
      reader.close();
      const secure = connectTls({ socket, ...options });
      await once(secure, "secureConnect");
      socket = secure;
      reader = lineReader(secure);
    },
    close: () => void socket.destroy(),
  };
}

function lineReader(socket: Socket): { lines: AsyncIterator<string, undefined>; close(): void } {
  socket.setTimeout(30_000, () => socket.destroy(new Error("no answer for 30 seconds")));
  const reader = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
  return { lines: reader[Symbol.asyncIterator](), close: () => reader.close() };
}

/** Delivers one message by LMTP; the last reply line to each RCPT, then to the data for each recipient accepted. */
export async function deliver(
  port: number,
  { from = "sender@elsewhere.test", to, message }: { from?: string; to: string[]; message: string },
): Promise<{ rcpt: string[]; data: string[] }> {
  const lmtp = await openDialogue(port);
  const reply = async () => (await lmtp.until(/^\d{3} /)).at(-1) ?? "";
  const command = async (text: string) => {
    lmtp.send(`${text}\r\n`);
    return reply();
  };
  try {
    await reply();
    await command("LHLO test");
    await command(`MAIL FROM:<${from}>`);
    const rcpt: string[] = [];
    for (const address of to) rcpt.push(await command(`RCPT TO:<${address}>`));
    const data: string[] = [];
    const accepted = rcpt.filter((line) => line.startsWith("250 "));
    if (accepted.length > 0) {
      await command("DATA");
      lmtp.send(`${message}\r\n.\r\n`);
      for (const _ of accepted) data.push(await reply());
    }
    return { rcpt, data };
  } finally {
    lmtp.close();
  }
}
