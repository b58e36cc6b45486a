/** The part of the stack config about the people's containers. */
import { z } from "zod";

export const Boxes = z.strictObject({
  users: z
    .enum(["own", "shared"])
    .default("own")
    .describe(
      "`own`: each box runs as a user id of its own, from 1879048192 on, which owns its mail. `shared`: all run as 5000, for an engine that maps user ids (rootless, or `userns-remap`) and has no such numbers.",
    ),
  processes: z
    .int()
    .min(64)
    .max(10_000)
    .default(256)
    .describe(
      "Processes and threads that one box may have. Needs `users: own`, since the kernel counts by user id.",
    ),
  diskLimits: z
    .enum(["auto", "required", "off"])
    .default("auto")
    .describe(
      "A limit of the host's file system on what a box may have there, whatever runs in it: three times the person's quota and 256 MB. `auto`: where that file system has quotas for users. `required`: an update fails where it has not. Needs `users: own`.",
    ),
  folders: z
    .int()
    .min(20)
    .max(100_000)
    .default(1_000)
    .describe("Folders that one mailbox may have. Each takes some files on the disk beside its mail."),
  pop3: z
    .boolean()
    .default(false)
    .describe("Let people fetch their mail by POP3 over TLS as well (`ports.pop3s`)."),
});
