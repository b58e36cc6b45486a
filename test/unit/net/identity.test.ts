import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { ServerIdentity } from "../../../mailserver/net/identity.ts";
import { createLog } from "../../../mailserver/net/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { type Identity, makeIdentity, writeIdentity } from "../../support/identity.ts";
import { temporaryFolder } from "../../support/queue.ts";

let first: Identity;
let second: Identity;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
before(async () => {
  [first, second] = await Promise.all([makeIdentity("mx.semail.test"), makeIdentity("mx.semail.test")]);
  folder = await temporaryFolder();
});
after(() => folder[Symbol.asyncDispose]());

/** A watched pair of files that hold `first`, and its polls, one at a time. */
async function watched() {
  const files = await writeIdentity(folder.path, first);
  const clock = new FakeClock(0);
  const lines: string[] = [];
  const log = createLog({ daemon: "test", destination: { write: (line) => void lines.push(line) } });
  const identity = await ServerIdentity.load(files, { timing: clock, log });
  const stop = identity.watch();
  const poll = async (): Promise<void> => {
    const next = clock.nextTimer();
    await clock.jump();
    await next;
  };
  const events = (): unknown[] => lines.map((line) => JSON.parse(line).event);
  return { files, identity, poll, lines, events, stop };
}

type Watched = Awaited<ReturnType<typeof watched>>;
const put = async (files: Watched["files"], pair: Partial<Identity>): Promise<void> => {
  if (pair.certificate !== undefined) await writeFile(files.certificateFile, pair.certificate);
  if (pair.key !== undefined) await writeFile(files.keyFile, pair.key);
};

interface Case {
  /** What the files become before each poll. */
  readonly steps: () => readonly (Partial<Identity> | "gone" | "same")[];
  readonly events: readonly string[];
  readonly changed: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  "another pair is taken": { steps: () => [second], events: ["net.tls.reloaded"], changed: true },
  "the same pair, written anew, is nothing new": { steps: () => [first, "same"], events: [], changed: false },
  "a certificate without its key is not, and is told of once": {
    steps: () => [{ certificate: second.certificate }, "same", "same"],
    events: ["net.tls.unusable"],
    changed: false,
  },
  "a pair that was half written is cured by the next look": {
    steps: () => [{ certificate: second.certificate }, { key: second.key }],
    events: ["net.tls.unusable", "net.tls.reloaded"],
    changed: true,
  },
  "each content that is unusable is told of": {
    steps: () => [{ key: "" }, { key: "-----BEGIN PRIVATE KEY-----\nSECRET\n" }],
    events: ["net.tls.unusable", "net.tls.unusable"],
    changed: false,
  },
  "files that are gone are told of once, and their return is noticed": {
    steps: () => ["gone", "same", second],
    events: ["net.tls.unusable", "net.tls.reloaded"],
    changed: true,
  },
};

describe("when the files change", () => {
  for (const [name, { steps, events, changed }] of Object.entries(CASES)) {
    test(name, async () => {
      const it = await watched();
      const served = it.identity.context();
      for (const step of steps()) {
        if (step === "gone") await rm(it.files.keyFile);
        else if (step !== "same") await put(it.files, step);
        await it.poll();
      }
      it.stop();
      assert.deepEqual(it.events(), ["net.tls.loaded", ...events]);
      assert.equal(it.identity.context() !== served, changed);
      assert.doesNotMatch(it.lines.join(""), /SECRET|PRIVATE KEY/);
    });
  }
});

describe("at the start", () => {
  const bad: Readonly<Record<string, () => Partial<Identity> | "gone">> = {
    "a key of another certificate": () => ({ key: second.key }),
    "no certificate": () => ({ certificate: "none" }),
    "no file": () => "gone",
  };
  for (const [name, pair] of Object.entries(bad)) {
    test(`${name} is an error that names the files`, async () => {
      const { files, stop } = await watched();
      stop();
      const change = pair();
      if (change === "gone") await rm(files.keyFile);
      else await put(files, change);
      const deps = { timing: new FakeClock(0), log: createLog({ daemon: "test" }) };
      await assert.rejects(ServerIdentity.load(files, deps), /tls\.crt and .*tls\.key are no usable/);
    });
  }
});
