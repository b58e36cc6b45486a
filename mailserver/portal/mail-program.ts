/** Settings that mail programs fetch by themselves. Pure. */
import { html, raw } from "hono/html";
import type { PortalSettings } from "../contract.ts";
import type { PersonView } from "../operator/protocol.ts";
import { parseAddress } from "../smtp/address.ts";

type Servers = PortalSettings["servers"];

/** Thunderbird's configuration file, version 1.1; the program puts the address in by itself. */
export function autoconfig(domains: readonly string[], { imap, smtp }: Servers): string {
  const server = (tag: "incoming" | "outgoing", host: string, port: number, socket: string) => html`
    ${raw(`<${tag}Server type="${tag === "incoming" ? "imap" : "smtp"}">`)}<hostname>${host}</hostname><port>${port}</port><socketType>${socket}</socketType><authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>${raw(`</${tag}Server>`)}`;
  return String(html`<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1"><emailProvider id="${domains[0] ?? ""}">${domains.map((each) => html`<domain>${each}</domain>`)}<displayName>${domains[0] ?? ""}</displayName>${server("incoming", imap.host, imap.imaps, "SSL")}${server("incoming", imap.host, imap.starttls, "STARTTLS")}${server("outgoing", smtp.host, smtp.submissions, "SSL")}${server("outgoing", smtp.host, smtp.starttls, "STARTTLS")}
</emailProvider></clientConfig>
`);
}

const TLS = 3;
const PASSWORD = 1;

/** What Thunderbird for Android reads from a picture: its "Export for Mobile" format, version 1, without the password. */
export function mobileAccount(
  { uid, name, addresses }: Pick<PersonView, "uid" | "name" | "addresses">,
  { imap, smtp }: Servers,
): string {
  const address = addresses[0] ?? uid;
  const server = (host: string, port: number) => [0, host, port, TLS, PASSWORD, address];
  const outgoing = [server(smtp.host, smtp.submissions), [address, name]];
  return JSON.stringify([1, [1, 1], server(imap.host, imap.imaps), [outgoing]]);
}

/** The address that an Outlook asks for (MS-OXDSCLI section 3.1.5.1); undefined when it is none of ours. */
export function autodiscoverAddress(request: string, domains: readonly string[]): string | undefined {
  const [, text = ""] = /<EMailAddress>\s*([^<>&\s]{3,254})\s*<\/EMailAddress>/i.exec(request) ?? [];
  const address = parseAddress(text);
  return address && domains.includes(address.domain) ? address.text : undefined;
}

/** The answer to it. */
export function autodiscover(address: string, { imap, smtp }: Servers): string {
  const protocol = (type: string, host: string, port: number) =>
    html`<Protocol><Type>${type}</Type><Server>${host}</Server><Port>${port}</Port><LoginName>${address}</LoginName><SSL>on</SSL><SPA>off</SPA><AuthRequired>on</AuthRequired></Protocol>`;
  return String(html`<?xml version="1.0" encoding="UTF-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account><AccountType>email</AccountType><Action>settings</Action>${protocol("IMAP", imap.host, imap.imaps)}${protocol("SMTP", smtp.host, smtp.submissions)}</Account></Response></Autodiscover>
`);
}
