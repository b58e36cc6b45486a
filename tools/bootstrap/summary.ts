import { z } from "zod";

const ZoneRecord = z.object({
  zone: z.string().optional(),
  name: z.string(),
  type: z.string(),
  ttl: z.number(),
  values: z.array(z.string()),
});

/** The stack output `summary`; what else is in it is not shown. */
export const Summary = z.object({
  domain: z.string(),
  bind: z.string(),
  ports: z.record(z.string(), z.number().optional()),
  /** Where people look after their own mailbox. */
  portal: z.object({ port: z.number() }).optional(),
  people: z.array(
    z.object({
      uid: z.string(),
      name: z.string(),
      /** Of those with a mailbox. */
      address: z.string().optional(),
      initialPassword: z.string().optional(),
    }),
  ),
  /** Mailboxes that were given up, and the last day on which their mail is kept. */
  kept: z.array(z.object({ id: z.string(), name: z.string(), until: z.string() })).default([]),
  records: z.array(ZoneRecord).default([]),
  dnsProvider: z.string().default("none"),
  /** Certificate of the stack's own authority, PEM. */
  ca: z.string().optional(),
  /** Names of the services, and who issues the certificate for them. */
  hostnames: z.object({ smtp: z.string(), imap: z.string() }).optional(),
  certificates: z
    .object({ kind: z.enum(["own", "acme", "files"]), roots: z.array(z.string()) })
    .default({ kind: "own", roots: [] }),
  showPasswords: z.boolean().default(false),
});
export type Summary = z.infer<typeof Summary>;
type Person = Summary["people"][number];

/** Quotes for a POSIX shell, only where it must. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Whether another authority issues the certificate: for names alone, not for addresses. */
const isPublic = ({ certificates }: Summary): boolean => certificates.kind !== "own";

/** Whether a program must be told whom to trust. */
const needsCa = (summary: Summary): boolean =>
  summary.ca !== undefined && (!isPublic(summary) || summary.certificates.roots.length > 0);

/** Authorities that a program must be told of, PEM; undefined: none. */
export function trusted(summary: Summary): string | undefined {
  if (!needsCa(summary)) return summary.ca;
  return [summary.ca ?? "", ...summary.certificates.roots].map((pem) => `${pem.trim()}\n`).join("");
}

/** How a service is reached for which the certificate is. */
const serverOf = (summary: Summary, name: "smtp" | "imap"): string =>
  (isPublic(summary) && summary.hostnames?.[name]) || reachable(summary.bind);

/** The address to connect to for what listens on `bind`. */
function reachable(bind: string): string {
  if (bind === "" || bind === "0.0.0.0" || bind === "::") return "127.0.0.1";
  return bind;
}

type Holder = Person & { readonly address: string };
const withMailbox = ({ people }: Summary): Holder[] =>
  people.flatMap(({ address, ...person }) => (address === undefined ? [] : [{ ...person, address }]));

const PASSWORD = "PASSWORD";
const passwordOf = (summary: Summary, person: Person): string =>
  (summary.showPasswords && person.initialPassword) || PASSWORD;

/** A mail from the first person to the second (or to themselves) through submission with STARTTLS and AUTH. */
export function swaksLine(summary: Summary, caFile: string): string | undefined {
  const [from, to = from] = withMailbox(summary);
  const port = summary.ports.submission;
  if (!from || !to || port === undefined) return undefined;
  const login = [
    "--auth",
    "PLAIN",
    "--auth-user",
    from.address,
    "--auth-password",
    passwordOf(summary, from),
  ];
  const ca = needsCa(summary) ? ["--tls-ca-path", caFile] : [];
  const tls = summary.ca === undefined ? ["--tls"] : ["--tls", "--tls-verify", ...ca];
  const server = ["--server", serverOf(summary, "smtp"), "--port", String(port)];
  return ["swaks", ...server, ...tls, ...login, "--from", from.address, "--to", to.address]
    .map(shellQuote)
    .join(" ");
}

/** The newest message of the person whom {@link swaksLine} writes to. */
export function imapLine(summary: Summary, caFile: string): string | undefined {
  const [first, reader = first] = withMailbox(summary);
  const port = summary.ports.imaps;
  if (!reader || port === undefined) return undefined;
  const host = serverOf(summary, "imap");
  const url = `imaps://${host.includes(":") ? `[${host}]` : host}:${port}/INBOX;MAILINDEX=*`;
  const ca = needsCa(summary) ? ["--cacert", caFile] : [];
  const login = ["--user", `${reader.address}:${passwordOf(summary, reader)}`];
  return ["curl", "--silent", "--show-error", ...ca, ...login, url].map(shellQuote).join(" ");
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    `    ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
  );
}

function portalLines(summary: Summary, caFile: string): string[] {
  const { portal, bind, people, showPasswords, domain } = summary;
  if (portal === undefined) return [];
  const host = reachable(bind);
  const local = host === "127.0.0.1" ? "localhost" : host.includes(":") ? `[${host}]` : host;
  const name = isPublic(summary) ? domain : local;
  const newcomer = people.find(({ address }) => address === undefined);
  const password = showPasswords && newcomer?.initialPassword;
  return [
    "  The portal, where people look after their own mailbox",
    `    https://${name}:${portal.port}/`,
    ...(newcomer
      ? [
          `    Try it: sign in as ${newcomer.uid}${password ? ` with ${password}` : ""}, who has no mailbox yet, and make one.`,
        ]
      : []),
    ...(needsCa(summary) ? [`    A browser warns of its certificate until it trusts ${caFile}`] : []),
    "",
  ];
}

function keptLines({ kept }: Summary): string[] {
  if (kept.length === 0) return [];
  const rows = kept.map(({ id, name, until }) => [id, name, `until ${until}`]);
  return ["  Mail of mailboxes that were given up is kept", ...table(rows), ""];
}

/** What `npm run up` ends with; `notes`: about the records. */
export function renderSummary(
  summary: Summary,
  files: { ca: string; records: string },
  notes: readonly string[] = [],
): string {
  const { domain, bind, ports, people, records, showPasswords, dnsProvider } = summary;
  const services = Object.entries(ports).flatMap(([name, port]) =>
    port === undefined || (name === "dnsApi" && dnsProvider !== "dev") ? [] : [`${name} ${port}`],
  );
  const rows = people.map((person) => [
    person.address ?? `${person.uid} (no mailbox)`,
    person.name,
    ...(showPasswords && person.initialPassword ? [person.initialPassword] : []),
  ]);
  const send = swaksLine(summary, files.ca);
  const read = imapLine(summary, files.ca);
  return [
    "",
    `  ${domain} is up: ${people.length} ${people.length === 1 ? "person" : "people"}.`,
    "",
    ...(rows.length > 0
      ? [showPasswords ? "  People and their initial passwords" : "  People", ...table(rows), ""]
      : [
          "  Nobody has a mailbox yet: add people under `semail:users` in the stack file, then run this again.",
          "",
        ]),
    ...keptLines(summary),
    `  Ports on ${bind}`,
    `    ${services.join(" · ")}`,
    "",
    ...portalLines(summary, files.ca),
    dnsProvider === "none"
      ? `  ${records.length} DNS records to enter at your DNS provider`
      : `  ${records.length} DNS records, kept up to date; here for reading`,
    ...[files.records, ...notes].map((line) => `    ${line}`),
    ...(send ? ["", "  Send a mail", `    ${send}`] : []),
    ...(read ? ["", "  Read it, once it has arrived", `    ${read}`] : []),
    "",
  ].join("\n");
}
