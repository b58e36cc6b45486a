/** The plan of the DKIM keys as records, as what signs, and as the stack output that the next update reads. */
import * as pulumi from "@pulumi/pulumi";
import type { Keys } from "../../components/keys.ts";
import type { KeyPair } from "../../components/providers/key-pair/resource.ts";
import type { MailModel } from "../model.ts";
import { dkimRecord, dkimValue, type PendingRecord } from "../records.ts";
import { type DkimState, type PlannedKey, type RotationPlan, selectorOf } from "./rotation.ts";

/** A key that mail is signed with. */
export interface Signing {
  readonly selector: string;
  readonly pair: KeyPair;
}

type KeyRecord = PendingRecord<pulumi.Input<string>>;

/** The plan's parts, for the components. */
export interface DeclaredDkim {
  readonly signing: readonly Signing[];
  readonly records: readonly KeyRecord[];
  /** Known once what it says is so: `after` is what signs. */
  state(after: pulumi.Input<string>): pulumi.Output<DkimState>;
}

const KINDS = ["rsa", "ed25519"] as const;

/** Says what is published, and what signs. */
export function declareDkim(plan: RotationPlan, keys: Keys, model: MailModel): DeclaredDkim {
  const pairs = ({ key }: PlannedKey) =>
    KINDS.flatMap((kind) => {
      const pair = keys.dkim.get(key)?.[kind];
      return pair === undefined ? [] : [{ kind, selector: selectorOf(key, kind), pair }];
    });
  const recordsOf = (planned: PlannedKey): KeyRecord[] =>
    pairs(planned).flatMap(({ kind, selector, pair }) => {
      const value = pair.publicKeyBase64.apply((key) => dkimValue(key, kind));
      return model.domains.map((zone) => dkimRecord(zone, selector, value, model.dns.ttl));
    });
  const signing = plan.keys.filter(({ role }) => role === "signs").flatMap(pairs);
  return {
    signing,
    records: plan.keys.flatMap(recordsOf),
    state: (after) => {
      const kept = plan.keys.map((planned) => ({
        ...{ key: planned.key, role: planned.role, ed25519: planned.ed25519 },
        ...(planned.until === undefined ? {} : { until: planned.until }),
        records: recordsOf(planned).map(({ zone, name, values }) => ({ zone, name, value: values[0] ?? "" })),
      }));
      const selector = signing[0]?.selector ?? "";
      return pulumi
        .all([pulumi.output(kept), after])
        .apply(([known]): DkimState => ({ phase: plan.phase, selector, keys: known }));
    },
  };
}
