/** Listeners over loopback and clients of theirs. Closes them after the file's tests. */
import { after } from "node:test";
import { type Inbox, listenForMail } from "../../support/mail-listener.ts";
import { RawClient } from "../../support/raw-client.ts";

const open: { close(): unknown }[] = [];
const keep = <T extends { close(): unknown }>(thing: T): T => {
  open.push(thing);
  return thing;
};
export const inbox = async (options: Parameters<typeof listenForMail>[0] = {}): Promise<Inbox> => {
  const made = await listenForMail(options);
  keep(made.listener);
  return made;
};
export const client = async (to: Inbox): Promise<RawClient> => keep(await RawClient.open(to.listener.port));

after(() => Promise.all(open.map((thing) => thing.close())));
