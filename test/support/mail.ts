/** Reading and sending as a person does, through the published ports. */
import { setTimeout as sleep } from "node:timers/promises";
import { ImapFlow } from "imapflow";
import nodemailer from "nodemailer";
import type { Summary } from "../../stacks/summary.ts";

export interface Login {
  readonly user: string;
  readonly pass: string;
}

/** How the person logs in, by uid. */
export function loginOf(summary: Summary, uid: string): Login {
  const person = summary.people.find((entry) => entry.uid === uid);
  if (!person) throw new RangeError(`no person ${uid}`);
  return { user: uid, pass: person.initialPassword };
}

/** Opens IMAP over TLS, trusting the stack's own authority only. */
export async function openImap(summary: Summary, auth: Login): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: summary.bind,
    port: summary.ports.imaps,
    secure: true,
    auth,
    tls: { ca: summary.ca, servername: summary.hostnames.imap },
    logger: false,
  });
  await client.connect();
  return client;
}

/** The source of the first message in INBOX whose subject is `subject`; waits for it to arrive. */
export async function readMail(
  summary: Summary,
  auth: Login,
  subject: string,
  withinMs = 20_000,
): Promise<string> {
  const client = await openImap(summary, auth);
  try {
    const lock = await client.getMailboxLock("INBOX");
    try {
      for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleep(100)) {
        await client.noop();
        const found = await client.search({ header: { subject } });
        const uid = found ? found[0] : undefined;
        if (uid === undefined) continue;
        const message = await client.fetchOne(String(uid), { source: true });
        const source = message === false ? undefined : message.source;
        if (source) return source.toString();
      }
    } finally {
      lock.release();
    }
  } finally {
    await client.logout();
  }
  throw new Error(`no mail "${subject}" for ${auth.user} within ${withinMs} ms`);
}

export interface Mail {
  readonly from: string;
  readonly to: string | string[];
  readonly subject: string;
  readonly text?: string;
}

/** Submits with STARTTLS on the submission port. */
export async function submit(summary: Summary, auth: Login, mail: Mail): Promise<void> {
  const transport = nodemailer.createTransport({
    host: summary.bind,
    port: summary.ports.submission,
    requireTLS: true,
    auth,
    tls: { ca: summary.ca, servername: summary.hostnames.smtp },
  });
  try {
    await transport.sendMail({ text: "Hello.", ...mail });
  } finally {
    transport.close();
  }
}

/** What smtp-in answers to a stranger's mail: the accepted recipients, or the reply that refused it. */
export async function deliverAsStranger(summary: Summary, mail: Mail): Promise<string> {
  const transport = nodemailer.createTransport({
    host: summary.bind,
    port: summary.ports.smtp,
    name: "stranger.test",
    tls: { ca: summary.ca, servername: summary.hostnames.mx },
  });
  try {
    const { response } = await transport.sendMail({ text: "Hello.", ...mail });
    return response;
  } catch (error) {
    if (error instanceof Error && "response" in error) return String(error.response);
    throw error;
  } finally {
    transport.close();
  }
}
