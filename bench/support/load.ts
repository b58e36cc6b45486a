/** Load as smtp-source makes it, one command at a time, by a client that also knows TLS and AUTH. */
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { Line, sendOver } from "./raw.ts";

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
  readonly body: string;
  readonly messages: number;
  readonly sessions: number;
  /** All messages of a session over one connection. */
  readonly keep: boolean;
}

/** Sends the load; settles when all of it was answered, and rejects when anything was refused. */
export async function send(target: Target, { messages, sessions, keep, ...mail }: Load): Promise<void> {
  let left = messages;
  const session = async (): Promise<void> => {
    while (left > 0) {
      const line = await open(target);
      do {
        left -= 1;
        await sendOver(line, { ...mail, messages: 1 });
      } while (keep && left > 0);
      await line.say("QUIT");
      line.close();
    }
  };
  await Promise.all(Array.from({ length: sessions }, session));
}

async function open({ port, secure, login }: Target): Promise<Line> {
  const line = secure ? await openTls(port) : await Line.open("127.0.0.1", port);
  await line.say("EHLO bench.test");
  if (login) {
    const proof = Buffer.from(`\0${login.user}\0${login.password}`).toString("base64");
    await line.say(`AUTH PLAIN ${proof}`);
  }
  return line;
}

/** A whole hand-shake each time, as of clients that have never met the server. */
async function openTls(port: number): Promise<Line> {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false });
  await once(socket, "secureConnect");
  return Line.over(socket);
}
