/** Has the host within reach before the first resource is declared. */
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { sayWith } from "../tools/bootstrap/context.ts";
import { Fault } from "../tools/bootstrap/fault.ts";
import { SOCKET } from "../tools/remote/access.ts";
import { connect } from "../tools/remote/connection.ts";
import { prepareHost } from "../tools/remote/prepare.ts";
import { hostFolder, neededPorts } from "./host-plan.ts";
import type { MailModel } from "./model.ts";

/**
 * Connects to a machine far away and checks it. Answers the address of its engine, undefined for the engine of this
 * machine. The connection outlives the program by some seconds: what is to be deleted goes last.
 */
export async function reachHost(model: MailModel): Promise<string | undefined> {
  const { remote } = model.host;
  if (!remote) return undefined;
  const folder = hostFolder(model.stack);
  try {
    const connection = await connect(remote.access, {
      folder: join(process.cwd(), folder),
      ports: [model.ports.ldap],
    });
    await prepareHost(connection, {
      ...{ prefix: model.prefix, firewall: remote.firewall, install: remote.install },
      ports: neededPorts(model.ports, model.host),
      dryRun: pulumi.runtime.isDryRun(),
      say: sayWith((line) => void pulumi.log.info(line)),
    });
  } catch (error) {
    if (error instanceof Fault) throw new pulumi.RunError(`${error.message}\n${error.remedy}`);
    throw error;
  }
  return `unix://${join(folder, SOCKET)}`;
}
