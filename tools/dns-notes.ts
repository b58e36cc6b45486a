/** What of the records is under way, and until when. Pure. */
import { z } from "zod";
import { DkimState, selectorOf } from "../stacks/dkim/rotation.ts";
import { leavingNote } from "../stacks/dns/leaving.ts";
import { DnsState } from "../stacks/dns/move.ts";

/** Stack outputs; an older stack may lack them. */
const Outputs = z.object({ dkim: DkimState.optional(), dns: DnsState.optional() });

/** Lines for a person; none when nothing is. */
export function dnsNotes(outputs: unknown, now: Date): string[] {
  const { dkim, dns } = Outputs.safeParse(outputs).data ?? {};
  const until = dns?.rememberedUntil;
  return [
    ...Object.entries(dns?.left ?? {}).map(([domain, left]) => leavingNote(domain, left, now)),
    ...(dkim === undefined || dkim.phase === "steady" ? [] : rotationNotes(dkim)),
    ...(until === undefined || Date.parse(until) <= now.getTime()
      ? []
      : [`Others may remember records from before the TTL was lowered until ${until}`]),
  ];
}

function rotationNotes({ selector, keys }: DkimState): string[] {
  const notes = keys.flatMap(({ key, role, until }) => {
    if (role === "announced") return [`${selectorOf(key)} waits for its records to be entered`];
    return role === "retired" ? [`the record of ${selectorOf(key)} stays until ${until}`] : [];
  });
  return [[`Mail is signed with ${selector}`, ...notes].join("; ")];
}
