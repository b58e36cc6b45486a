/** What people's scripts answer to colleagues; what they answer to others smtp-in fetches. */
import type { SmtpOutSettings } from "../contract.ts";
import { type BoxReplies, type BoxRepliesDeps, createBoxReplies } from "../courier/box-replies.ts";
import { doorContext } from "../net/tls.ts";
import type { Clock } from "../queue/clock.ts";
import type { Queue } from "../queue/queue.ts";
import { destinationOf } from "../queue/route.ts";
import { parseAddress } from "../smtp/address.ts";
import { findLocal } from "./find-local.ts";
import { createOwnSigner, type NotifyDeps } from "./notify.ts";
import { toPlaces } from "./own-mail.ts";

export interface RepliesDeps extends NotifyDeps, Pick<BoxRepliesDeps, "collect"> {
  readonly clock: Clock;
  readonly queue: Pick<Queue, "enqueue">;
}

/** Undefined where the settings say nothing of it. */
export function collectReplies(
  { boxDoor, boxReplyPort: port }: Pick<SmtpOutSettings, "boxDoor" | "boxReplyPort">,
  deps: RepliesDeps,
): BoxReplies | undefined {
  const { directory, domains, rules, queue } = deps;
  return createBoxReplies({
    ...deps,
    port,
    door: boxDoor && doorContext(boxDoor),
    owns: async (host, text) => {
      const address = parseAddress(text, { utf8: true });
      const found = address && (await findLocal(directory, address, rules));
      return found?.kind === "box" && found.host === host;
    },
    destination: (sender) => destinationOf(sender, domains),
    finish: createOwnSigner(deps),
    enqueue: async (item) => queue.enqueue(await toPlaces(item, deps)),
  });
}
