/**
 * ARC seals (RFC 8617) on mail that we forward: a host further on may believe what smtp-in found, although SPF speaks of
 * us by then and others may have changed the message. By mailauth.
 */
import type { DkimSettings } from "../contract.ts";
import { type Field, type Message, parseMessage } from "../message/header.ts";
import { isLegible, squeezed, streamOf } from "../message/legible.ts";
import { authservId, methodResults } from "../message/trace.ts";
import type { Log } from "../net/log.ts";

export interface ArcDeps {
  /** The key of the domain that forwards. */
  readonly key: DkimSettings;
  /** Under which smtp-in writes Authentication-Results; it lets nobody else's pass under these. */
  readonly names: readonly string[];
  readonly log: Log;
}

/** The fields of a new set, or none for a message that can't be sealed. */
export type ArcSealer = (message: Message, now: Date) => Promise<Field[]>;

/** What smtp-in found. */
export interface Verdict {
  /** As it stands in the field. */
  readonly results: string;
  /** Of the chain before us; undefined when DNS did not tell. */
  readonly cv: "none" | "pass" | "fail" | undefined;
}

/** Undefined for a message that smtp-in did not check. */
export function verdictOf({ fields }: Message, names: readonly string[]): Verdict | undefined {
  const field = fields.find(
    (candidate) => candidate.name === "authentication-results" && names.includes(authservId(candidate)),
  );
  if (field === undefined) return undefined;
  const text = field.raw.toString("utf8");
  const results = text.slice(text.indexOf(":") + 1).trim();
  const sealed = fields.some(({ name }) => name === "arc-seal");
  const found = methodResults(field).find(({ method }) => method === "arc")?.result;
  if (!sealed) return { results, cv: "none" };
  return { results, cv: found === "pass" ? "pass" : found === "temperror" ? undefined : "fail" };
}

export function createArcSealer({ key, names, log }: ArcDeps): ArcSealer {
  const { domain: signingDomain, selector, privateKey } = key;
  return async (message, now) => {
    const verdict = verdictOf(message, names);
    if (verdict?.cv === undefined) return [];
    const strange = message.fields.find((field) => !isLegible(field));
    if (strange !== undefined) {
      log.info("forward.unsealed", { reason: [`its ${strange.name} is longer than any that is real`] });
      return [];
    }
    // Loaded when it is first needed: the queue's thread runs the same bundle.
    const { createSeal } = await import("mailauth/lib/arc/index.js");
    const { results: authResults, cv } = verdict;
    const seal = { signingDomain, selector, privateKey, authResults, cv, signTime: now, strict: true };
    const { headers, errors } = await createSeal(streamOf(squeezed(message)), { seal, strict: true });
    // A chain that has failed for good, or is as long as it may be, gets no more (RFC 8617 section 5.1).
    if (headers.length === 0) log.info("forward.unsealed", { reason: errors.map(({ err }) => err.message) });
    return [...parseMessage(Buffer.from(headers.map((header) => `${header}\r\n`).join(""))).fields];
  };
}
