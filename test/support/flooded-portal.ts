/** A worker thread with a portal, in a folder of its own, that has no more memory than its image gives it. */
import { parentPort, workerData } from "node:worker_threads";
import { silentLog } from "../../mailserver/net/log.ts";
import { startPortal } from "../../mailserver/portal/daemon.ts";
import { systemClock } from "../../mailserver/queue/clock.ts";
import { makeIdentity } from "./identity.ts";
import { memoryOperator, memoryPeople, portalSettings, testDns } from "./portal.ts";

const settings = await portalSettings(workerData as string, await makeIdentity("portal.test"));
const { port } = await startPortal(settings, {
  ...{ log: silentLog, clock: systemClock, newToken: () => "token", dns: testDns },
  operator: memoryOperator([]).client,
  directory: { ...memoryPeople([]).accounts, close: async () => {} },
});
parentPort?.postMessage(port);
