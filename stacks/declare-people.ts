/** Everybody of the config: what each has of the stack. */
import type { Directory } from "../components/directory.ts";
import type { Guard } from "../components/guard.ts";
import type { Keys } from "../components/keys.ts";
import type { MailHost } from "../components/mail-host.ts";
import type { MailImages } from "../components/mail-images.ts";
import { type BoxOwner, Mailbox } from "../components/mailbox.ts";
import type { DataPolicy } from "../components/volume.ts";
import { boxDisk } from "./box-disk.ts";
import type { MailModel } from "./model.ts";

interface PeopleArgs {
  model: MailModel;
  host: MailHost;
  images: MailImages;
  guard: Guard;
  keys: Keys;
  directory: Directory;
  policy: DataPolicy;
  owner: BoxOwner | undefined;
}

/** Everybody's entry, and their box, after which the entry is made. */
export function declarePeople({ model, images, guard, ...shared }: PeopleArgs): Mailbox[] {
  const box = images.image("box");
  // Counted by user id.
  const processes = model.boxes.users === "own" ? model.boxes.processes : undefined;
  const { folders, diskLimits, users } = model.boxes;
  const limiter =
    users === "own" && diskLimits !== "off" ? { guard, required: diskLimits === "required" } : undefined;
  return model.people.map(({ name, state, ...person }) => {
    const active = state === "active";
    const disk = limiter && { ...limiter, ...boxDisk(person.quotaBytes, folders) };
    const own = { active, fullName: name, image: box, domain: model.domain, processes, folders, disk };
    const args = { ...person, ...shared, ...own };
    return new Mailbox(`person-${person.uid}`, args);
  });
}
