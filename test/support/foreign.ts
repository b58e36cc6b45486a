/** Somebody else's mail site: a stock Postfix on the stack's front network, with a zone in the stack's name server. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Handle, Lab } from "./docker.ts";
import type { LiveDns } from "./livedns.ts";

export interface Foreign {
  readonly domain: string;
  readonly address: string;
  /** Hands a mail to Postfix as a local user would. */
  send(to: string | readonly string[], subject: string): Promise<void>;
  /** The source of the mail with that subject in the user's Maildir; waits for it. */
  read(subject: string, withinMs?: number): Promise<string>;
  /** Answers a recipient 450 from now on; nobody when none is given. */
  defer(recipient?: string): Promise<void>;
  /** Postfix's log. */
  logs(): Promise<string>;
}

export interface ForeignArgs {
  lab: Lab;
  /** Name of the stack's front network. */
  network: string;
  /** The stack's resolver, by which Postfix looks our MX up. */
  resolver: string;
  dns: LiveDns;
  domain: string;
}

const USER = "postmaria";
const IMAGE = join(import.meta.dirname, "../fixtures/images/foreign");

/**
 * Who has a session goes on by the old rules until its client ends it, and ours keep theirs for the next message: those
 * that there are come to their end first. (Postfix takes one that is killed for broken, and starts none for a minute.)
 */
const RELOAD = `
old=$(grep -lx smtpd /proc/[0-9]*/comm)
postfix reload || exit
for each in $old; do each=\${each#/proc/}; timeout 30 tail -f --pid=\${each%/comm} /dev/null || exit; done`;

/** Starts the site and publishes its MX. */
export async function startForeign({ lab, network, resolver, dns, domain }: ForeignArgs): Promise<Foreign> {
  const handle = await lab.run({
    image: await lab.ensureImage("foreign", IMAGE),
    hostname: "mx",
    env: { FOREIGN_DOMAIN: domain, FOREIGN_USER: USER },
    networks: { [network]: ["foreign"] },
    dns: [resolver],
    health: true,
  });
  await handle.waitHealthy(60_000);
  await dns.createZone(domain);
  await dns.put(domain, "mx", "A", [await handle.ip(network)]);
  await dns.put(domain, "@", "MX", [`10 mx.${domain}.`]);
  const address = `${USER}@${domain}`;
  return {
    domain,
    address,
    logs: () => handle.logs(),
    defer: async (recipient) => {
      const rule =
        recipient && `check_recipient_access inline:{ { ${recipient} = 450 4.2.0 Come back later } }`;
      for (const command of [
        ["postconf", "-e", `smtpd_recipient_restrictions=${rule ?? ""}`],
        ["/bin/bash", "-c", RELOAD],
      ]) {
        const { exitCode, stderr } = await handle.exec(command);
        if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
      }
    },
    send: async (to, subject) => {
      const recipients = [to].flat();
      const message = `From: ${address}\nTo: ${recipients.join(", ")}\nSubject: ${subject}\n\nHello from ${domain}.\n`;
      const { exitCode, stderr } = await handle.exec(["sendmail", "-f", address, "--", ...recipients], {
        input: message,
      });
      if (exitCode !== 0) throw new Error(`sendmail: ${stderr}`);
    },
    read: (subject, withinMs = 20_000) => readMaildir(handle, subject, withinMs),
  };
}

async function readMaildir(handle: Handle, subject: string, withinMs: number): Promise<string> {
  const command = ["grep", "-rlF", `Subject: ${subject}`, `/home/${USER}/Maildir/new`];
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await sleep(200)) {
    const [file] = (await handle.exec(command)).stdout.split("\n");
    if (file) return (await handle.exec(["cat", file])).stdout;
  }
  throw new Error(`no mail "${subject}" within ${withinMs} ms; Postfix says:\n${await handle.logs()}`);
}
