/**
 * What the portal and the operator say to each other: HTTP/1.1 over a Unix socket, JSON in and out. The operator trusts
 * the portal for who the person is, and for nothing else, so there is no word here for a config of the portal's own.
 */
import { z } from "zod";
import { parseAddress } from "../smtp/address.ts";

/** Where the operator listens; the folder is a volume that it shares with the portal. */
export const SOCKET = "/run/semail/operator/operator.sock";

/** Bytes of a request's body. */
export const MAX_BODY = 16_384;
/** Bytes of a person's log that are shown: with all its brackets escaped, a page of them stays below 60 KB. */
export const MAX_LOG = 40_960;

const UID = /^[a-z0-9][a-z0-9.-]{0,31}$/;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** RFC 5321 section 4.5.3.1.3: a path has 256 octets with its brackets. */
const address = z
  .string()
  .max(254)
  .transform((text) => text.trim().toLowerCase())
  .refine((text) => parseAddress(text) !== undefined, "must be a mail address");
const day = z.string().regex(DAY);

/** Who is meant; whether there is such a person is for the operator to say. */
export const PersonId = z.string().regex(UID, "must be a uid");
export const RequestId = z.string().regex(/^[a-f0-9]{32}$/, "must be the id of a request");

/** What a person may ask for. */
export const PersonRequest = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("create"), uid: PersonId, address }),
  z.strictObject({
    kind: z.literal("update"),
    uid: PersonId,
    aliases: z.array(address).max(100).optional(),
    forward: address.nullable().optional(),
  }),
  z.strictObject({ kind: z.literal("delete"), uid: PersonId }),
  z.strictObject({ kind: z.literal("cancel-delete"), uid: PersonId }),
  z.strictObject({ kind: z.literal("restart"), uid: PersonId }),
]);
export type PersonRequest = z.output<typeof PersonRequest>;

/** `none`: in the directory, without a mailbox. `deleted`: without addresses and box, the mail is kept for now. */
export const PersonState = z.enum(["none", "active", "deleted"]);
export type PersonState = z.output<typeof PersonState>;

/** A person as the stack's config has them now. */
export const PersonView = z.strictObject({
  uid: PersonId,
  name: z.string(),
  state: PersonState,
  /** The main one first. */
  addresses: z.array(z.string()),
  aliases: z.array(z.string()),
  /** How many aliases they may give themselves. */
  aliasLimit: z.int().min(0),
  forward: z.string().nullable(),
  /** As the config writes it, such as `1GB`. */
  quota: z.string(),
  deletedOn: day.nullable(),
  /** The last day on which the deletion can be taken back. */
  keptUntil: day.nullable(),
  /** How many days a deletion can be taken back, as the config has it now. */
  retentionDays: z.int().min(0),
  /** Domains in which an address can be chosen. */
  domains: z.array(z.string()),
  /** Their request that isn't over yet. */
  pending: RequestId.nullable(),
});
export type PersonView = z.output<typeof PersonView>;

/** How full a person's mailbox is, in bytes; without a limit it is `null`. */
export const UsageView = z.strictObject({ used: z.int().min(0), limit: z.int().min(0).nullable() });
export type UsageView = z.output<typeof UsageView>;

/** Whether an address can be had, and if not, why. */
export const AddressView = z.strictObject({
  free: z.boolean(),
  reason: z.enum(["taken", "reserved", "malformed", "foreign"]).nullable(),
});
export type AddressView = z.output<typeof AddressView>;

/** Stable codes of what went wrong; `detail` is one English sentence without secrets. */
export const FaultCode = z.enum([
  "malformed",
  "unknown-person",
  "unknown-request",
  "address-taken",
  "wrong-state",
  "alias-limit",
  "alias-forwarded-to",
  "approval-limit",
  "request-limit",
  "forward-malformed",
  "forward-own",
  "forward-nobody",
  "busy-with-own-request",
  "unavailable",
  "undo-pending",
  "config-unreadable",
  "config-refused",
  "needs-administrator",
  "update-failed",
  "undone-after-restart",
]);
export type FaultCode = z.output<typeof FaultCode>;
export const FaultView = z.strictObject({ code: FaultCode, detail: z.string() });
export type FaultView = z.output<typeof FaultView>;

export const STEPS = ["config", "entry", "volume", "container", "ready"] as const;
export const StepState = z.enum(["waiting", "running", "done", "failed"]);
export type StepState = z.output<typeof StepState>;
export type StepName = (typeof STEPS)[number];

/** A request and how far it is. */
export const RequestView = z.strictObject({
  id: RequestId,
  uid: PersonId,
  kind: z.enum(["create", "update", "delete", "cancel-delete", "restart"]),
  state: z.enum(["queued", "running", "done", "failed", "waiting-for-approval"]),
  steps: z.array(z.strictObject({ name: z.enum(STEPS), state: StepState })),
  /** Why it failed; of one that is not over yet: why it is being taken back. */
  error: FaultView.nullable(),
});
export type RequestView = z.output<typeof RequestView>;

/** The answer to a request that was taken. */
export const Accepted = z.strictObject({ id: RequestId });

/** Whether nothing more will become of a request by itself. */
export function isOver(view: Pick<RequestView, "state">): boolean {
  return view.state !== "queued" && view.state !== "running";
}
