/** Whether a job works on a box, whoever began it. */
import type Docker from "dockerode";
import { unlessMissing } from "../../docker-plugin/errors.ts";
import { Fault } from "../fault.ts";

interface Where {
  readonly docker: Docker;
  readonly prefix: string;
}

/** The name of a box's job: one of these works on it, one on the repository for it. */
export const jobName = (prefix: string, part: string, id: string): string => `${prefix}-backup-${part}-${id}`;

export const busy = (name: string): Fault =>
  new Fault(
    "Another backup or restore of this box is going on.",
    `Wait for its end (\`docker wait ${name}\`), or stop it (\`docker stop ${name}\`).`,
  );

/** The name of the job that is at work on a box: one whose driver was killed may go on. */
export async function atWork({ docker, prefix }: Where, id: string): Promise<string | undefined> {
  for (const part of ["job", "store"]) {
    const name = jobName(prefix, part, id);
    const found = await unlessMissing(docker.getContainer(name).inspect());
    if (found?.State.Running) return name;
  }
  return undefined;
}

/** Another one would clear away what that reads, or fills. */
export async function requireIdle(where: Where, id: string): Promise<void> {
  const name = await atWork(where, id);
  if (name !== undefined) throw busy(name);
}
