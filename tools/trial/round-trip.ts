/** A mail that one person submits and another reads, as their mail programs would. */
import { setTimeout as sleep } from "node:timers/promises";
import { ImapFlow } from "imapflow";
import nodemailer from "nodemailer";
import { z } from "zod";

/** What of the stack's output `summary` it takes. */
export const Trip = z.object({
  ports: z.object({ submission: z.number(), imaps: z.number() }),
  hostnames: z.object({ smtp: z.string(), imap: z.string() }),
  ca: z.string(),
  /** Who is trusted besides, PEM. */
  certificates: z.object({ roots: z.array(z.string()) }).default({ roots: [] }),
  people: z.array(
    z.object({ uid: z.string(), address: z.string().optional(), initialPassword: z.string().optional() }),
  ),
});
export type Trip = z.infer<typeof Trip>;

export interface TripOptions {
  readonly subject: string;
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** From the first person with a mailbox to the next one (or to themselves). */
export async function tripThrough(
  { ports, hostnames, certificates, people, ...stack }: Trip,
  { subject, patienceMs, signal }: TripOptions,
): Promise<{ from: string; to: string; milliseconds: number }> {
  const [from, to = from] = people.filter(({ address, initialPassword }) => address && initialPassword);
  if (from?.address === undefined || to?.address === undefined)
    throw new Error("Nobody in the trial has a mailbox: add people under semail:users.");
  const ca = [stack.ca, ...certificates.roots];
  const started = performance.now();
  const transport = nodemailer.createTransport({
    ...{ host: "127.0.0.1", port: ports.submission, requireTLS: true },
    auth: { user: from.uid, pass: from.initialPassword ?? "" },
    tls: { ca, servername: hostnames.smtp },
  });
  await transport
    .sendMail({ from: from.address, to: to.address, subject, text: "A trial." })
    .finally(() => transport.close());
  const client = new ImapFlow({
    ...{ host: "127.0.0.1", port: ports.imaps, secure: true, logger: false },
    auth: { user: to.uid, pass: to.initialPassword ?? "" },
    tls: { ca, servername: hostnames.imap },
  });
  await client.connect();
  try {
    await arrival(client, subject, { signal, until: started + patienceMs });
  } finally {
    await client.logout();
  }
  return { from: from.address, to: to.address, milliseconds: Math.round(performance.now() - started) };
}

async function arrival(
  client: ImapFlow,
  subject: string,
  { signal, until }: { signal: AbortSignal; until: number },
): Promise<void> {
  const lock = await client.getMailboxLock("INBOX");
  try {
    for (; performance.now() < until; await sleep(200, undefined, { signal })) {
      await client.noop();
      const found = await client.search({ header: { subject } });
      if (found && found.length > 0) return;
    }
  } finally {
    lock.release();
  }
  throw new Error(
    `The mail did not arrive in time. Look at \`npm run queue -- list\` and the services' logs.`,
  );
}
