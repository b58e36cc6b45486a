/** Chromium in a container, driven by playwright-core. */
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type Browser, chromium } from "playwright-core";
import type { Lab } from "./docker.ts";

const IMAGE = join(import.meta.dirname, "../fixtures/images/browser");
const LISTENS = /DevTools listening on ws:\/\/[^/]+(\/\S+)/;
const DEVTOOLS = "9223/tcp";

export interface ContainedBrowser {
  readonly browser: Browser;
  /** The address of this machine as the browser sees it. */
  readonly host: string;
}

/**
 * Not on the machine's network, since Chromium gives up what it is loading whenever an interface of its network comes or
 * goes. The lab's cleanup ends it. `network`: to be there, instead of on one of its own.
 */
export async function openBrowser(lab: Lab, network = "bridge"): Promise<ContainedBrowser> {
  const image = await lab.ensureImage("browser", IMAGE);
  const handle = await lab.run({ image, publish: [DEVTOOLS], networks: { [network]: [] } });
  const path = await pathIn(lab, handle.id);
  const { NetworkSettings } = await lab.docker.getContainer(handle.id).inspect();
  const browser = await chromium.connectOverCDP(`ws://127.0.0.1:${await handle.port(DEVTOOLS)}${path}`);
  return { browser, host: NetworkSettings.Networks[network]?.Gateway ?? "" };
}

/** Where it can be driven, which it says on stderr. */
async function pathIn({ docker }: Lab, id: string): Promise<string> {
  const stream = await docker.getContainer(id).logs({ follow: true, stdout: false, stderr: true });
  const stderr = new PassThrough();
  docker.modem.demuxStream(stream, stderr, stderr);
  stream.once("end", () => stderr.end());
  let said = "";
  for await (const piece of stderr) {
    said += String(piece);
    const found = LISTENS.exec(said)?.[1];
    if (found) return found;
  }
  throw new Error(`Chromium ended:\n${said}`);
}
