/** A foreign mail server that misbehaves by a script, until it is healed. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";

/** The moments at which a server speaks; `body` is after the first line of a message, before its end. */
export type Moment =
  | "greeting"
  | "EHLO"
  | "HELO"
  | "STARTTLS"
  | "MAIL"
  | "RCPT"
  | "DATA"
  | "body"
  | "."
  | "RSET"
  | "QUIT";

/**
 * What it says then: bytes as they are, CR LF and all, in pieces that arrive apart; `close` ends the connection, `reset`
 * breaks it, and nothing at all leaves the client waiting.
 */
export type Says = readonly (string | "close" | "reset")[];
export type Script = Readonly<Partial<Record<Moment, Says>>>;

export interface BadPeer extends AsyncDisposable {
  /** Recipients of each message that was answered 2xx at its end. */
  readonly accepted: readonly (readonly string[])[];
  /** From now on it is as others are. */
  heal(): void;
}

const ORDINARY: Script = {
  greeting: ["220 bad.test\r\n"],
  EHLO: ["250-bad.test\r\n250 8BITMIME\r\n"],
  HELO: ["250 bad.test\r\n"],
  STARTTLS: ["502 5.5.1 no\r\n"],
  MAIL: ["250 2.1.0 fine\r\n"],
  RCPT: ["250 2.1.5 fine\r\n"],
  DATA: ["354 go\r\n"],
  body: [],
  ".": ["250 2.0.0 taken\r\n"],
  RSET: ["250 2.0.0 fine\r\n"],
  QUIT: ["221 2.0.0 bye\r\n", "close"],
};
/** Between pieces, so that they arrive apart. */
const APART_MS = 15;

/** Listens at that address. */
export async function startBadPeer(script: Script, at: { host: string; port: number }): Promise<BadPeer> {
  const accepted: (readonly string[])[] = [];
  const open = new Set<Socket>();
  let current: Script = { ...ORDINARY, ...script };
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.on("error", () => {});
    serve(
      socket,
      () => current,
      (recipients) => accepted.push(recipients),
    );
  });
  server.listen(at.port, at.host);
  await once(server, "listening");
  return {
    accepted,
    heal: () => {
      current = ORDINARY;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}

/** `script` is asked at each moment: on a connection that was kept it is healed too. */
function serve(socket: Socket, script: () => Script, accept: (recipients: readonly string[]) => void): void {
  let rest = "";
  let inBody = false;
  let recipients: string[] = [];
  let said = Promise.resolve();
  const speak = (moment: Moment): void => {
    for (const piece of script()[moment] ?? []) said = said.then(() => say(socket, piece));
  };
  const hear = (line: string): void => {
    const moment = momentOf(line, inBody);
    if (moment === "MAIL") recipients = [];
    if (moment === "RCPT") recipients.push(/<(.*)>/.exec(line)?.[1] ?? "");
    if (moment === "DATA") inBody = begins(script().DATA, "354");
    if (moment === ".") inBody = false;
    if (moment === "." && begins(script()["."], "2\\d\\d")) {
      const all = recipients;
      // What it says after it has closed is not heard.
      said = said.then(() => (socket.writable ? accept(all) : undefined));
    }
    speak(moment);
  };
  speak("greeting");
  socket.on("data", (chunk) => {
    const lines = (rest + chunk.toString("latin1")).split("\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(line);
  });
}

function momentOf(line: string, inBody: boolean): Moment {
  if (inBody) return line === "." ? "." : "body";
  const verb = line.slice(0, 4).toUpperCase();
  return verb === "STAR" ? "STARTTLS" : (verb as Moment);
}

const begins = ([first = ""]: Says = [], code: string): boolean => new RegExp(`^${code}`).test(first);

async function say(socket: Socket, piece: string): Promise<void> {
  if (socket.destroyed) return;
  if (piece === "reset") socket.resetAndDestroy();
  else if (piece === "close") socket.end();
  else socket.write(Buffer.from(piece, "latin1"));
  await new Promise((resolve) => setTimeout(resolve, APART_MS));
}
