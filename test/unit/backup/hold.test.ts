import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { holdMaildir } from "../../../mailserver/backup/hold.ts";
import { mergeMaildir } from "../../../mailserver/backup/merge.ts";

const root = await mkdtemp(join(tmpdir(), "semail-t-"));
after(() => rm(root, { recursive: true, force: true }));

async function maildir(name: string, messages: Record<string, string>): Promise<string> {
  const path = join(root, name);
  for (const folder of ["", ".Archive"])
    for (const place of ["tmp", "cur", "new"]) await mkdir(join(path, folder, place), { recursive: true });
  for (const [file, text] of Object.entries(messages)) await writeFile(join(path, file), text);
  return path;
}

const tools = { now: Date.now, pause: (ms: number) => setTimeout(ms) };
const contents = async (path: string) =>
  Promise.all(
    (await readdir(path, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile() && /\/(cur|new)$/.test(entry.parentPath))
      .map((entry) => readFile(join(entry.parentPath, entry.name), "utf8")),
  );

describe("holding a mailbox still", () => {
  it("has each message once while all are moved from folder to folder and marked", async () => {
    const path = await maildir("busy", {});
    const count = 300;
    for (let n = 0; n < count; n += 1) await writeFile(join(path, "cur", `${n}.host:2,`), `${n}`);
    let moving = true;
    const mover = (async () => {
      // As Dovecot moves: into the other folder under another name, flags set on the way.
      for (let round = 0; moving; round += 1) {
        const started = Date.now();
        const [from, to] = round % 2 === 0 ? ["cur", ".Archive/cur"] : [".Archive/cur", "cur"];
        for (const name of (await readdir(join(path, from))).slice(0, 40))
          await rename(
            join(path, from, name),
            join(path, to, `${round}.${name.replace(/^\d+\.(?=\d+\.host)/, "")}`),
          );
        // It rests as long as a slow machine needs: what is asked is that no message is missed, not how fast one is held.
        await setTimeout(60 + 4 * (Date.now() - started));
      }
    })();
    try {
      for (let n = 0; n < 5; n += 1) {
        const target = join(root, `held-${n}`);
        assert.equal(await holdMaildir({ maildir: path, target, ...tools }), count);
        assert.deepEqual(
          (await contents(target)).map(Number).sort((one, other) => one - other),
          Array.from({ length: count }, (_, each) => each),
        );
      }
    } finally {
      moving = false;
      await mover;
    }
  });

  it("has a message once that is moved, and none that is deleted, between two looks", async () => {
    const path = await maildir("moved", {
      "new/1.host": "one",
      "new/2.host": "two",
      "cur/3.host:2,": "three",
    });
    const target = join(root, "moved-held");
    let looks = 0;
    const pause = async (ms: number) => {
      looks += 1;
      if (looks === 1) {
        await rename(join(path, "new/1.host"), join(path, ".Archive/cur/1.host:2,S"));
        await rm(join(path, "new/2.host"));
      }
      await setTimeout(ms);
    };
    // At the first look nothing has settled, however slow the machine is.
    const now = () => (looks === 0 ? 0 : Date.now());
    assert.equal(await holdMaildir({ maildir: path, target, now, pause }), 2);
    assert.deepEqual((await contents(target)).sort(), ["one", "three"]);
  });

  it("keeps what is deleted afterwards, and leaves out a line of UIDs that is being written", async () => {
    const path = await maildir("calm", {
      "new/1.host": "one",
      "dovecot-uidlist": "3 V1 N2\n1 :1.host\n2 :2.ho",
    });
    const target = join(root, "calm-held");
    await holdMaildir({ maildir: path, target, ...tools });
    await rm(join(path, "new/1.host"));
    assert.deepEqual(await contents(target), ["one"]);
    assert.equal(await readFile(join(target, "dovecot-uidlist"), "utf8"), "3 V1 N2\n1 :1.host\n");
  });

  it("gives a mailbox up that is never at rest", async () => {
    const path = await maildir("restless", {});
    let there = false;
    // As if no time passed since the last message, however slow the machine is.
    let now = Date.now();
    const pause = async () => {
      there = !there;
      await (there ? writeFile(join(path, "new/1.host"), "") : rm(join(path, "new/1.host")));
      now = (await stat(join(path, "new"))).mtimeMs;
    };
    await assert.rejects(
      holdMaildir({ maildir: path, target: join(root, "restless-held"), now: () => now, pause }),
      /changes too fast/,
    );
  });
});

describe("putting mail back", () => {
  it("adds what is missing, changes nothing that is there, and makes folders again with their UIDs", async () => {
    const saved = await maildir("saved", {
      "cur/1.host,S=3:2,S": "one",
      "new/2.host": "two",
      ".Archive/cur/3.host:2,": "three",
      ".Archive/dovecot-uidlist": "3 V7 N8\n",
    });
    const path = await maildir("there", { "cur/1.host,S=3:2,FS": "one", "new/9.host": "new since" });
    await rm(join(path, ".Archive"), { recursive: true });
    assert.deepEqual(await mergeMaildir(saved, path), {
      ...{ added: 2, kept: 1 },
      ...{ folders: ["Archive"], keywordsLost: 0 },
    });
    assert.deepEqual(await readdir(join(path, "cur")), ["1.host,S=3:2,FS"]);
    assert.deepEqual((await readdir(join(path, "new"))).sort(), ["2.host", "9.host"]);
    assert.equal(await readFile(join(path, ".Archive/dovecot-uidlist"), "utf8"), "3 V7 N8\n");
  });

  const labels: readonly (readonly [
    what: string,
    there: string | undefined,
    names: readonly string[],
    lost: number,
  ])[] = [
    ["come along into a folder that never had any", undefined, ["1.host:2,Sab", "2.host:2,b"], 0],
    [
      "get the letters that the folder has for them",
      "0 invoice\n3 $Forwarded\n",
      ["1.host:2,Sad", "2.host:2,a"],
      0,
    ],
    ["are lost, and counted, where it has others", "0 other\n", ["1.host:2,S", "2.host:2,"], 3],
  ];
  for (const [number, [what, there, names, lost]] of labels.entries())
    it(`has labels that ${what}`, async () => {
      for (const folder of ["", ".Archive"]) {
        const messages = {
          [join(folder, "cur/1.host:2,Sab")]: "one",
          [join(folder, "cur/2.host:2,b")]: "two",
        };
        const keywords = { [join(folder, "dovecot-keywords")]: "0 $Forwarded\n1 invoice\n" };
        const saved = await maildir(`labels-saved-${number}${folder}`, { ...messages, ...keywords });
        const had = there === undefined ? {} : { [join(folder, "dovecot-keywords")]: there };
        const path = await maildir(`labels-${number}${folder}`, had);
        assert.equal((await mergeMaildir(saved, path)).keywordsLost, lost);
        assert.deepEqual((await readdir(join(path, folder, "cur"))).sort(), names);
        const file = await readFile(join(path, folder, "dovecot-keywords"), "utf8");
        assert.equal(file, there ?? "0 $Forwarded\n1 invoice\n");
      }
    });
});
