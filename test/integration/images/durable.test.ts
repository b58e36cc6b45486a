/** What a power cut leaves of a box's mail, by what the box asks of the disk before it answers. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Handle, openLab } from "../../support/docker.ts";
import { deliver } from "./dialogue.ts";
import { boxImage, healthy, lmtpPort } from "./images.ts";

const lab = openLab();
after(() => lab.cleanup());

const TRACED = join(import.meta.dirname, "../../fixtures/images/box-traced");
const HOME = "/srv/mail";

type Step =
  | { kind: "synced"; path: string }
  | { kind: "put"; from: string; path: string }
  | { kind: "answered" };

/** What of a trace bears on it. */
function stepsOf(trace: string): Step[] {
  return trace.split("\n").flatMap((line): Step[] => {
    const [, synced] = /\b(?:fsync|fdatasync)\(\d+<([^>]*)>\)\s+= 0/.exec(line) ?? [];
    if (synced !== undefined) return [{ kind: "synced", path: synced }];
    const [, from, path] = /\brename\("([^"]+)", "([^"]+)"\)\s+= 0/.exec(line) ?? [];
    if (from !== undefined && path !== undefined) return [{ kind: "put", from, path }];
    return /\b(?:write|writev|sendto)\(.*"250 2\.0\.0 /.test(line) ? [{ kind: "answered" }] : [];
  });
}

/** What had to be synced, and was not, by the time of the last answer, of the message that was put in place last. */
function unsynced(steps: readonly Step[]): string[] {
  const end = steps.findLastIndex(({ kind }) => kind === "answered");
  const message = steps.findLast((step) => step.kind === "put" && /\/new\/[^/]+$/.test(step.path));
  assert.ok(end >= 0 && message?.kind === "put", "a message, and an answer");
  const put = steps.indexOf(message);
  const synced = (path: string, from: number, to: number) =>
    steps.slice(from, to).some((step) => step.kind === "synced" && step.path === path);
  const place = dirname(message.path);
  // Made once, and then there.
  const above: string[] = [];
  for (let path = dirname(place); path.startsWith(HOME); path = dirname(path)) above.push(path);
  return [
    ...(synced(message.from, 0, put) ? [] : [message.from]),
    ...(synced(place, put, end) ? [] : [place]),
    ...above.filter((path) => !synced(path, 0, end)),
  ];
}

describe("mail that a box answered 250", () => {
  let box: Handle;

  before(async () => {
    const image = await lab.ensureImage("box-traced", TRACED, { BOX_IMAGE: await boxImage(lab) });
    box = await healthy(lab, "box", { image });
  });

  for (const [where, field] of [
    ["INBOX", "X-Semail-Junk: no"],
    ["Junk, when it is the first one there", "X-Semail-Junk: yes"],
    ["Junk", "X-Semail-Junk: yes"],
  ] as const) {
    it(`is on disk with the folders above it: ${where}`, async () => {
      const message = `${field}\r\nSubject: hello\r\n\r\nHello`;
      const { data } = await deliver(await lmtpPort(box), { to: ["alice@semail.test"], message });
      assert.match(data[0] ?? "", /^250 /);
      const { stdout } = await box.exec(["cat", "/tmp/trace"]);
      assert.deepEqual(unsynced(stepsOf(stdout)), []);
    });
  }
});
