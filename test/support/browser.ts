/** Chromium in a container on this machine's network, driven by playwright-core. */
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { type Browser, chromium } from "playwright-core";
import type { Lab } from "./docker.ts";

const IMAGE = join(import.meta.dirname, "../fixtures/images/browser");
const LISTENS = /DevTools listening on (ws:\/\/\S+)/;

/** The lab's cleanup ends it. */
export async function openBrowser(lab: Lab): Promise<Browser> {
  const image = await lab.ensureImage("browser", IMAGE);
  const { id } = await lab.run({ image, networks: { host: [] } });
  return chromium.connectOverCDP(await addressIn(lab, id));
}

/** What it says on stderr once it can be driven. */
async function addressIn({ docker }: Lab, id: string): Promise<string> {
  const container = docker.getContainer(id);
  const stream = (await container.logs({ follow: true, stderr: true })) as NodeJS.ReadableStream;
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
