/** What the last update left: its stack outputs. */
import * as pulumi from "@pulumi/pulumi";

/** By name, secret ones in clear; empty before the first update. */
export type PriorOutputs = Readonly<Record<string, unknown>>;

/** Asks the engine, which makes no resource of it as a StackReference would be. */
export async function readPrior(): Promise<PriorOutputs> {
  const name = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  const { outputs } = await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name });
  return outputs ?? {};
}
