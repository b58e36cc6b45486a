/** The part of the stack config about the portal and the operator behind it. */
import { z } from "zod";
import { port } from "./schema-values.ts";

export const Portal = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe("Run the portal, where people look after their own mailbox, and the operator behind it."),
  port: port.default(8443).describe("The portal's HTTPS port on the host."),
  aliasLimit: z.int().min(0).max(100).default(5).describe("How many aliases a person may give themselves."),
  retentionDays: z
    .int()
    .min(0)
    .max(3_650)
    .default(30)
    .describe("Days on which a person can take back the deletion of their mailbox."),
  approval: z
    .boolean()
    .default(false)
    .describe("People's requests become a git branch to merge, and leave the stack alone."),
});
