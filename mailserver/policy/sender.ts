/** What becomes of a message, from what SPF, DKIM and DMARC found. Pure. */
import { reply } from "../smtp/replies.ts";
import type { Reply } from "../smtp/types.ts";

/** What a domain asks for when DMARC fails (RFC 9989 section 4.7); its `pct` means nothing any more. */
export type Policy = "none" | "quarantine" | "reject";

/** What was found of one who is named as author. */
export interface AuthorFacts {
  readonly domain: string;
  /** The DMARC result (RFC 9989): `pass`, `fail`, `none`, `temperror`. */
  readonly dmarc: string;
  /** Undefined when DNS did not tell. */
  readonly policy: Policy | undefined;
  /** It passes by a signature that leaves some of the body out (RFC 6376 section 8.2). */
  readonly partial: boolean;
  /** DMARC might have passed, had DNS answered. */
  readonly unsure: boolean;
}

/** What was found of who sent a message. */
export interface SenderFacts {
  /** Of each domain that a reader may take for the author's. */
  readonly authors: readonly AuthorFacts[];
  /** There is one From field, with authors of one domain, that everybody reads alike. */
  readonly clear: boolean;
  /** Some look-up failed. */
  readonly dnsFailed: boolean;
}

/** The settings by name (mailserver/contract.ts). */
export interface SenderRules {
  readonly reject: "refuse" | "junk" | "accept";
  readonly quarantine: "junk" | "accept";
  readonly dnsFailure: "accept" | "defer";
}

export type SenderVerdict =
  | { readonly kind: "accept" | "junk" }
  | { readonly kind: "refuse"; readonly reply: Reply };

const later = reply(451, "4.4.3", "Your domain's records can't be looked up now, try again later");

const forged = (domain: string): Reply =>
  reply(
    550,
    "5.7.1",
    `${domain} does not allow this server to send in its name (DMARC): send through a server of that domain`,
  );

/** The strictest of what each author's domain asks for (RFC 7489 section 6.6.1). */
export function judgeSender({ authors, clear, dnsFailed }: SenderFacts, rules: SenderRules): SenderVerdict {
  const verdicts: SenderVerdict[] = authors.map((author) => judgeAuthor(author, rules));
  if (!verdicts.every(({ kind }) => kind === "accept")) return strictest(verdicts);
  const passes = clear && authors.every(({ dmarc }) => dmarc === "pass");
  if (!passes && dnsFailed && rules.dnsFailure === "defer") return { kind: "refuse", reply: later };
  // RFC 9989 section 11.5: suspicious.
  return { kind: clear ? "accept" : rules.quarantine };
}

/** Never a refusal for good when DNS did not answer. */
function judgeAuthor(author: AuthorFacts, rules: SenderRules): SenderVerdict {
  const { domain, dmarc, policy, partial, unsure } = author;
  if (dmarc === "pass") return { kind: partial && policy !== "none" ? rules.quarantine : "accept" };
  if (policy === "quarantine") return { kind: rules.quarantine };
  if (policy !== "reject") return { kind: "accept" };
  if (rules.reject !== "refuse") return { kind: rules.reject };
  return { kind: "refuse", reply: unsure ? later : forged(domain) };
}

function rank(verdict: SenderVerdict): number {
  if (verdict.kind !== "refuse") return verdict.kind === "junk" ? 1 : 0;
  return verdict.reply.code < 500 ? 2 : 3;
}

function strictest(verdicts: readonly SenderVerdict[]): SenderVerdict {
  return verdicts.reduce<SenderVerdict>((worst, one) => (rank(one) > rank(worst) ? one : worst), {
    kind: "accept",
  });
}
