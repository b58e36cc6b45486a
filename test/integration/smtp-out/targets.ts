/** Mail servers that nobody here wrote, each with a domain and people of its own, to which smtp-out sends. */

import type { Handle, Lab } from "../../support/docker.ts";
import { foreignImage, logShows } from "../smtp-in/programs.ts";

export interface ForeignServer {
  readonly address: string;
  /** The mails in which this stands, byte for byte; waits until there are so many. */
  mails(words: string, count?: number): Promise<Buffer[]>;
}

/** Where they keep mail. */
const FOLDERS = ["/var/got", "/home"];
/** Of each domain; and the sender, so that what a server writes to them stays there. */
const PEOPLE = ["bob", "kim", "alice"];
const SENDERS = "semail.test";
const makePeople = `mkdir -p /var/got; for name in ${PEOPLE.join(" ")}; do id $name >/dev/null 2>&1 || useradd -m $name; done`;
const makeCertificate = (host: string): string =>
  `umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=${host} -keyout /etc/mx.key -out /etc/mx.crt 2>/dev/null; umask 022`;

async function serverOf(handle: Handle): Promise<ForeignServer> {
  const search = async (words: string): Promise<string[]> => {
    const { stdout } = await handle.exec(["grep", "-rlF", words, ...FOLDERS]);
    return stdout.split("\n").filter((path) => path.includes("/new/"));
  };
  return {
    address: await handle.ip(),
    mails: async (words, count = 1) => {
      await logShows(handle, async () => String((await search(words)).length), new RegExp(`^${count}$`));
      const read = async (path: string): Promise<Buffer> =>
        Buffer.from((await handle.exec(["base64", "-w0", path])).stdout, "base64");
      return Promise.all((await search(words)).map(read));
    },
  };
}

export async function startPostfix(lab: Lab, domain: string): Promise<ForeignServer> {
  const settings = [
    `mydestination=${domain}, ${SENDERS}`,
    `virtual_alias_maps=inline:{ { jörg@${domain}=bob@${domain} } }`,
  ];
  const postfix = await lab.run({
    image: await foreignImage(lab, "foreign"),
    hostname: "mx",
    env: { FOREIGN_DOMAIN: domain, FOREIGN_USER: "bob" },
    entrypoint: [
      ...["/bin/bash", "-c"],
      `${makePeople}; postconf -e "$@" && exec /usr/local/bin/entrypoint`,
      "postfix",
    ],
    cmd: settings,
  });
  await logShows(postfix, postfix.logs, /daemon started/);
  return serverOf(postfix);
}

const exim = (domain: string): string => `
primary_hostname = mx.${domain}
domainlist here = ${domain} : ${SENDERS}
keep_environment =
add_environment =
log_file_path = /var/log/exim4/%slog
daemon_smtp_ports = 25
tls_advertise_hosts = *
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
message_size_limit = 20M
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  deny message = no such person
       local_parts = nemo
  accept domains = +here
begin routers
here:
  driver = accept
  domains = +here
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = /var/got
  maildir_format
  envelope_to_add
  return_path_add
  user = mail
  group = mail
`;

export async function startExim(lab: Lab, domain: string): Promise<ForeignServer> {
  const start = [
    "mkdir -p /var/got && chown mail:mail /var/got",
    "cp /settings/exim.conf /etc/exim4/exim4.conf",
    "exec exim4 -bdf -v",
  ];
  const handle = await lab.run({
    image: await foreignImage(lab, "exim"),
    settings: { "exim.conf": exim(domain) },
    entrypoint: ["/bin/bash", "-c", start.join(" && ")],
  });
  return serverOf(handle);
}

const smtpd = (domain: string): string => `
smtp max-message-size 20M
pki site cert "/etc/mx.crt"
pki site key "/etc/mx.key"
listen on 0.0.0.0 port 25 tls pki site hostname mx.${domain}
action "keep" maildir
match from any for domain { "${domain}" "${SENDERS}" } action "keep"
`;

export async function startOpenSmtpd(lab: Lab, domain: string): Promise<ForeignServer> {
  const start = [
    `${makePeople}; ${makeCertificate(`mx.${domain}`)}`,
    "cp /settings/smtpd.conf /etc/smtpd.conf",
    "exec smtpd -d",
  ];
  const handle = await lab.run({
    image: await foreignImage(lab, "opensmtpd"),
    settings: { "smtpd.conf": smtpd(domain) },
    entrypoint: ["/bin/bash", "-c", start.join(" && ")],
  });
  await logShows(handle, handle.logs, /OpenSMTPD .* starting/);
  return serverOf(handle);
}
