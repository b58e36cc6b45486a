/** What becomes of a message, from what SPF, DKIM and DMARC found. Pure. */
import { reply } from "../smtp/replies.ts";
import type { Reply } from "../smtp/types.ts";

/** What was found of who sent a message. */
export interface SenderFacts {
  /** The DMARC result (RFC 9989): `pass`, `fail`, `none`, `temperror`, … */
  readonly dmarc: string;
  /** What the author's domain asks for when DMARC fails. */
  readonly policy: string;
  /** The author's domain. */
  readonly domain: string;
  /** The From field names no author, or more than one. */
  readonly ambiguous: boolean;
  /** DMARC might have passed, had DNS answered. */
  readonly unsure: boolean;
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

/** Never a refusal for good when DNS did not answer. */
export function judgeSender(facts: SenderFacts, rules: SenderRules): SenderVerdict {
  const { dmarc, ambiguous, unsure, dnsFailed } = facts;
  if (dmarc === "pass") return { kind: "accept" };
  if (dmarc === "fail" && !unsure) return asTheDomainAsks(facts, rules);
  if (dnsFailed && rules.dnsFailure === "defer") return { kind: "refuse", reply: later };
  return { kind: ambiguous ? rules.quarantine : "accept" };
}

function asTheDomainAsks({ policy, domain }: SenderFacts, rules: SenderRules): SenderVerdict {
  if (policy === "quarantine") return { kind: rules.quarantine };
  if (policy !== "reject") return { kind: "accept" };
  return rules.reject === "refuse" ? { kind: "refuse", reply: forged(domain) } : { kind: rules.reject };
}
