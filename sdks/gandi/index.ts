/** Gandi LiveDNS v5 for Pulumi. */
export {
  type GetDomainArgs,
  type GetDomainOutputArgs,
  type GetDomainResult,
  getDomain,
  getDomainOutput,
} from "./domain.ts";
export { type AuthArgs, Record, type RecordArgs } from "./record.ts";
