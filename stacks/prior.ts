/** What the last updates left: the stack's outputs and resources. */
import * as pulumi from "@pulumi/pulumi";

/** By name, secret ones in clear; empty before the first update. */
export type PriorOutputs = Readonly<Record<string, unknown>>;

/** Asks the engine, which makes no resource of it as a StackReference would be. */
export async function readPrior(): Promise<PriorOutputs> {
  const name = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  const { outputs } = await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name });
  return outputs ?? {};
}

/**
 * The outputs of each resource of a type that the stack has, those of an update among them that didn't come to its end.
 */
export async function readResources(type: string): Promise<unknown[]> {
  const resources: { type: string; outputs: unknown }[] = Object.values(await readState());
  return resources.filter((resource) => resource.type === type).map((resource) => resource.outputs);
}

/** The URN of each resource that the stack has. */
export async function readUrns(): Promise<string[]> {
  return Object.keys(await readState());
}

/** By URN. */
async function readState(): Promise<Record<string, { type: string; outputs: unknown }>> {
  const stackName = [pulumi.getOrganization(), pulumi.getProject(), pulumi.getStack()].join("/");
  const { outputs } = await pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName });
  return outputs ?? {};
}
