/** Gandi LiveDNS v5 for Pulumi. */
export {
  type GetDomainArgs,
  type GetDomainOutputArgs,
  type GetDomainResult,
  getDomain,
  getDomainOutput,
  type TidySnapshotsArgs,
  tidySnapshots,
} from "./domain.ts";
export { type AuthArgs, Record, type RecordArgs } from "./record.ts";
