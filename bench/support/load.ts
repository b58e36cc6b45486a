/** Load as smtp-source makes it, one command at a time, by a client that also knows TLS and AUTH. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** Where mail is sent to. */
export interface Target {
  readonly port: number;
  /** TLS from the first byte; the certificate is not looked at. */
  readonly secure: boolean;
  readonly login?: { readonly user: string; readonly password: string };
}

export interface Load {
  readonly from: string;
  readonly to: string;
  /** Without a line that begins with a dot. */
  readonly body: string;
  readonly messages: number;
  readonly sessions: number;
  /** All messages of a session over one connection. */
  readonly keep: boolean;
}

/** Sends the load; settles when all of it was answered, and rejects when anything was refused. */
export async function send(target: Target, { messages, sessions, keep, ...mail }: Load): Promise<void> {
  let left = messages;
  const another = (): boolean => {
    left -= 1;
    return left >= 0;
  };
  const session = async (): Promise<void> => {
    while (another())
      await converse(
        open(target),
        dialogue(target, mail, () => keep && another()),
      );
  };
  await Promise.all(Array.from({ length: sessions }, session));
}

function open({ port, secure }: Target): Socket {
  // A whole hand-shake each time, as of clients that have never met the server.
  return secure
    ? connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false })
    : connect(port, "127.0.0.1");
}

/** What is said, each when what was said before is answered. */
function* dialogue(
  { login }: Target,
  { from, to, body }: Pick<Load, "from" | "to" | "body">,
  more: () => boolean,
): Generator<string, void> {
  yield "EHLO bench.test\r\n";
  if (login) {
    yield `AUTH PLAIN ${Buffer.from(`\0${login.user}\0${login.password}`).toString("base64")}\r\n`;
  }
  do {
    yield `MAIL FROM:<${from}>\r\n`;
    yield `RCPT TO:<${to}>\r\n`;
    yield "DATA\r\n";
    yield `${body}.\r\n`;
  } while (more());
  yield "QUIT\r\n";
}

/**
 * Plain callbacks and no promises between: the machine is shared with what is measured. Rejects for any reply that is no
 * success, and when the connection ends before the dialogue does.
 */
function converse(socket: Socket, dialogue: Generator<string, void>): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    const hear = (chunk: string): void => {
      text += chunk;
      if (!text.endsWith("\r\n")) return;
      const last = text.slice(text.lastIndexOf("\n", text.length - 2) + 1);
      if (/^\d{3}-/.test(last)) return;
      text = "";
      if (!/^[23]\d\d /.test(last)) return void socket.destroy(new Error(`refused: ${last.trim()}`));
      const next = dialogue.next();
      if (next.done !== true) return void socket.write(next.value, "latin1");
      resolve();
      socket.destroy();
    };
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", hear).on("error", reject);
    socket.on("close", () => reject(new Error("the server closed the connection")));
  });
}
