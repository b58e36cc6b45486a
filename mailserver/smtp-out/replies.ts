/** What people's scripts answer to colleagues; what they answer to others smtp-in fetches. */
import type { SmtpOutSettings } from "../contract.ts";
import { type BoxReplies, createBoxReplies } from "../courier/box-replies.ts";
import { doorContext } from "../net/tls.ts";
import { destinationOf } from "../queue/route.ts";
import { parseAddress } from "../smtp/address.ts";
import { findLocal } from "./find-local.ts";
import type { HandlerDeps } from "./handler.ts";
import { createOwnSigner } from "./notify.ts";

/** Undefined where the settings say nothing of it. */
export function collectReplies(settings: SmtpOutSettings, deps: HandlerDeps): BoxReplies | undefined {
  const { domains, boxDoor, boxReplyPort: port } = settings;
  const { directory, queue } = deps;
  return createBoxReplies({
    ...deps,
    port,
    door: boxDoor && doorContext(boxDoor),
    owns: async (host, text) => {
      const address = parseAddress(text, { utf8: true });
      const found = address && (await findLocal(directory, address, settings));
      return found?.kind === "box" && found.host === host;
    },
    destination: (sender) => destinationOf(sender, domains),
    finish: createOwnSigner(deps),
    enqueue: (item) => queue.enqueue(item),
  });
}
