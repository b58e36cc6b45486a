/** Whether the host has as many processors as a box may use. */
import * as pulumi from "@pulumi/pulumi";
import { connect } from "../tools/docker-plugin/engine.ts";
import { providerConfig } from "../tools/docker-plugin/host.ts";
import { describeProblems } from "./check-config.ts";
import type { Problem } from "./cross-check.ts";
import type { MailModel } from "./model.ts";

/**
 * An engine makes no container that may use more than it has. It says so when the box of before is gone already: one after
 * the other, everybody would be without theirs. `there`: undefined where nobody can be asked. Pure.
 */
export function checkProcessors(cpus: number, there: number | undefined): Problem[] {
  if (there === undefined || cpus <= there) return [];
  const has = there === 1 ? "1 processor" : `${there} processors`;
  return [{ path: "defaults.cpus", message: `${cpus} is more than the host has (${has}): ${there} at most` }];
}

export interface HostFacts {
  readonly model: Pick<MailModel, "people" | "host">;
  /** Where the engine is; undefined for this machine's. */
  readonly engine: string | undefined;
  /** How many processors that engine has. */
  readonly ask?: (engine: string | undefined) => Promise<number>;
}

/** Throws a `pulumi.RunError`, before the first resource, where boxes may use more processors than there are. */
export async function requireProcessors({ model, engine, ask = askEngine }: HostFacts): Promise<void> {
  const cpus = Math.max(
    0,
    ...model.people.flatMap((person) => (person.state === "active" ? [person.cpus] : [])),
  );
  // Every host has one.
  if (cpus <= 1) return;
  // An engine that can't be asked is told of by what is to be made there.
  const there = model.host.vm?.vcpus ?? (await ask(engine).catch(() => undefined));
  const problems = checkProcessors(cpus, there);
  if (problems.length > 0)
    throw new pulumi.RunError(describeProblems(`Pulumi.${pulumi.getStack()}.yaml`, problems));
}

async function askEngine(engine: string | undefined): Promise<number> {
  const docker = connect(providerConfig(engine === undefined ? {} : { host: engine }, process.env));
  const { NCPU } = (await docker.info()) as { NCPU: number };
  return NCPU;
}
