/** HELP, RFC 5321 section 4.1.1.8: a line for each command. */
import * as replies from "./replies.ts";
import type { Reply, ServerOptions } from "./types.ts";

const HELP: ReadonlyMap<string, string> = new Map([
  ["HELO", "HELO <your host name>: begins a session without extensions"],
  ["EHLO", "EHLO <your host name>: begins a session, lists the extensions"],
  ["LHLO", "LHLO <your host name>: begins a session, lists the extensions"],
  ["STARTTLS", "STARTTLS: goes on under TLS; say EHLO again after it"],
  ["AUTH", "AUTH PLAIN|LOGIN [<initial response>]: logs in"],
  ["MAIL", "MAIL FROM:<name@example.org> [SIZE=<octets>] [BODY=8BITMIME] [SMTPUTF8]: begins a message"],
  ["RCPT", "RCPT TO:<name@example.org>: adds a recipient; once for each"],
  ["DATA", "DATA: the message follows, ended by a line with a single dot"],
  ["BDAT", "BDAT <octets> [LAST]: so many octets of the message follow at once"],
  ["RSET", "RSET: drops the message that was begun"],
  ["NOOP", "NOOP: does nothing"],
  ["VRFY", "VRFY <name>: is never answered with who exists"],
  ["QUIT", "QUIT: ends the session"],
]);

/** The reply to `HELP [verb]`; `known` are the verbs of this protocol. */
export function help(options: ServerOptions, known: ReadonlySet<string>, argument: string): Reply {
  const wanted = argument.trim().toUpperCase();
  const offered = [...HELP].filter(
    ([verb]) =>
      known.has(verb) &&
      (verb !== "AUTH" || options.auth !== "never") &&
      (verb !== "STARTTLS" || options.startTls),
  );
  if (wanted !== "") {
    const line = offered.find(([verb]) => verb === wanted)?.[1];
    return line === undefined ? replies.noSuchHelp : replies.reply(214, "2.0.0", line);
  }
  return replies.reply(
    214,
    "2.0.0",
    `${options.hostname} takes these commands, each a line ended by CR LF:`,
    ...offered.map(([, line]) => line),
    "RFC 5321 says more; the postmaster of the domain helps people",
  );
}
