/** Has the host within reach before anything is put on it. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { ensureBaseImage } from "../tools/bootstrap/base-image.ts";
import { type Context, type Say, sayWith } from "../tools/bootstrap/context.ts";
import { Fault } from "../tools/bootstrap/fault.ts";
import { type HostAccess, SOCKET } from "../tools/remote/access.ts";
import { type Connection, connect } from "../tools/remote/connection.ts";
import { prepareHost } from "../tools/remote/prepare.ts";
import { hostFolder, neededPorts } from "./host-plan.ts";
import type { MailModel } from "./model.ts";

const TRIES = 5;
const PAUSE_MS = 3_000;

/**
 * Connects to a machine far away and checks it. Answers the address of its engine. The connection outlives the program
 * by some seconds: what is to be deleted goes last.
 */
export async function reachHost(model: MailModel, access: HostAccess): Promise<string> {
  const { remote, vm } = model.host;
  const folder = hostFolder(model.stack);
  const say = sayWith((line) => void pulumi.log.info(line));
  const dryRun = pulumi.runtime.isDryRun();
  try {
    const options = { folder: join(process.cwd(), folder), ports: [model.ports.ldap] };
    const connection = vm && !dryRun ? await connectAnew(access, options) : await connect(access, options);
    const { docker } = await prepareHost(connection, {
      ...{ prefix: model.prefix, firewall: remote?.firewall ?? false, install: remote?.install ?? false },
      ...{ ports: neededPorts(model.ports, model.host), dryRun, say },
    });
    // Of other hosts whoever started this program has seen to it: of a VM it may be the first to see it.
    if (vm && !dryRun)
      await ensureBaseImage(contextWith(say), { docker, local: false, startedPid: undefined });
  } catch (error) {
    if (error instanceof Fault) throw new pulumi.RunError(`${error.message}\n${error.remedy}`);
    throw error;
  }
  return `unix://${join(folder, SOCKET)}`;
}

/** Of a machine that was restarted a moment ago: the connection of before may not have been seen to end yet. */
async function connectAnew(...[access, options]: Parameters<typeof connect>): Promise<Connection> {
  for (let left = TRIES; ; left -= 1) {
    try {
      return await connect(access, options);
    } catch (error) {
      if (!(error instanceof Fault) || left === 0) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

function contextWith(say: Say): Context {
  const { signal } = new AbortController();
  return { root: process.cwd(), env: process.env, signal, hurry: signal, say };
}
