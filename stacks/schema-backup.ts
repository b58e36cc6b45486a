/** The part of the stack config about snapshots of the boxes. */
import { z } from "zod";

const count = (usual: number) => z.int().min(0).max(10_000).default(usual);

export const Backup = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe("Have what `npm run backup` needs: an image with restic, the repository and its password."),
  repository: z
    .string()
    .regex(/^(local|s3:https?:\/\/[^\s/@]+\/\S+)$/, "must be `local` or s3:https://host/bucket")
    .default("local")
    .describe(
      "Where snapshots go. `local`: a volume on the same host, which is lost with it. `s3:https://host/bucket`: any S3-compatible store, with `keyId` and the secret `semail:backupSecretKey`.",
    ),
  keyId: z.string().min(1).optional().describe("Access key id of the S3-compatible store."),
  schedule: z
    .array(z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "must be a time of day such as 02:30"))
    .max(24)
    .default([])
    .describe(
      "Times of day, UTC, at which everybody's mail and the directory are saved, such as `[\"02:30\"]`. The host does that by itself, in a container that uses the engine's socket. Empty: by `npm run backup` alone.",
    ),
  keep: z
    .strictObject({
      last: count(3).describe("The latest snapshots."),
      daily: count(7).describe("The last one of a day, for as many days."),
      weekly: count(5).describe("The last one of a week, for as many weeks."),
      monthly: count(12).describe("The last one of a month, for as many months."),
    })
    .prefault({})
    .describe("Which snapshots of a box stay when another is taken. All `0`: every one."),
});
