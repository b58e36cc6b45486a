/** Hands queued mail to the courier that its destination asks for. */
import type { BoxLine } from "../courier/box-line.ts";
import type { SmtpCourier } from "../courier/smtp.ts";
import { type Delivery, forAll, type Result } from "../courier/types.ts";
import type { Directory } from "../directory/directory.ts";
import { deliveredTo } from "../message/delivered-to.ts";
import type { LocalRules } from "../policy/local-recipient.ts";
import { DirectoryUnavailable, type RecipientAnswer } from "../policy/recipient.ts";
import type { Deliver } from "../queue/attempt.ts";
import { parseDestination } from "../queue/route.ts";
import { reply } from "../smtp/replies.ts";
import type { Reply, ReversePath } from "../smtp/types.ts";
import { findLocal } from "./find-local.ts";

export interface DeliverDeps {
  readonly directory: Directory;
  readonly rules: LocalRules;
  readonly smtp: SmtpCourier;
  /** The same, but DANE and MTA-STS are not heeded. */
  readonly reports: SmtpCourier;
  readonly box: BoxLine;
  /** How the reverse-path of mail that is not from our people is rewritten; as it is unless told. */
  readonly reversePath?: (from: ReversePath) => ReversePath;
}

const GONE = reply(550, "5.1.1", "No mailbox with this address here any more");
const UNAVAILABLE = reply(451, "4.4.3", "The recipient can't be looked up at the moment");
const UNKNOWN = reply(451, "4.3.5", "The destination is not understood by this version");

/** What is sent on says from where, so that it can be known when it comes back. */
function copyOf({ body, sentOnFor = [] }: Delivery): Uint8Array {
  const fields = deliveredTo(sentOnFor);
  return fields.length === 0 ? body : Buffer.concat([...fields.map(({ raw }) => raw), body]);
}

/** The courier of all destinations. */
export function createDeliver({ directory, rules, smtp, reports, box, reversePath }: DeliverDeps): Deliver {
  async function toBox(address: string, delivery: Delivery, signal: AbortSignal): Promise<Result[]> {
    const all = (kind: Result["kind"], of: Reply) => forAll(delivery.recipients, { kind, reply: of });
    let answer: RecipientAnswer;
    try {
      // Looked up again: since it was queued the person may have moved to another box, or gone.
      const at = address.lastIndexOf("@");
      const mailbox = { local: address.slice(0, at), domain: address.slice(at + 1) };
      answer = await findLocal(directory, mailbox, rules);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      return all("temporary", UNAVAILABLE);
    }
    return answer.kind === "absent"
      ? all("permanent", GONE)
      : box(answer.host, delivery, { signal, tries: true });
  }

  return async (destination, delivery, signal, giveWay) => {
    const route = parseDestination(destination);
    if (route?.kind === "mx") {
      // Only now, so that what we say of the message ourselves goes to its sender.
      const from = reversePath === undefined ? delivery.from : reversePath(delivery.from);
      return smtp(route.domain, { ...delivery, from, body: copyOf(delivery) }, signal, giveWay);
    }
    if (route?.kind === "report") return reports(route.domain, delivery, signal, giveWay);
    if (route?.kind === "local") return toBox(route.address, delivery, signal);
    return forAll(delivery.recipients, { kind: "temporary", reply: UNKNOWN });
  };
}
