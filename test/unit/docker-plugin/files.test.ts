import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it } from "node:test";
import { extract } from "tar-stream";
import { contextArchive, contextHash, dockerfileOf } from "../../../tools/docker-plugin/build-context.ts";
import { uploadArchive, uploadGroups, uploadMode } from "../../../tools/docker-plugin/uploads.ts";

let root: string;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "semail-t-"));
});
after(() => rm(root, { recursive: true }));

async function context(name: string, files: Record<string, string>): Promise<string> {
  for (const [file, content] of Object.entries({ Dockerfile: "FROM scratch", ...files })) {
    await mkdir(join(root, name, file, ".."), { recursive: true });
    await writeFile(join(root, name, file), content);
  }
  return join(root, name);
}

interface Header {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly linkname: string | null;
  readonly content: string;
}

async function unpacked(archive: Buffer | AsyncIterable<Buffer>): Promise<Header[]> {
  const entries: Header[] = [];
  const reader = extract();
  reader.on("entry", ({ name, mode, uid, linkname }, content, next) => {
    text(content).then((read) => {
      entries.push({ name, mode: mode ?? 0, uid: uid ?? -1, linkname: linkname ?? null, content: read });
      next();
    }, next);
  });
  await pipeline(Buffer.isBuffer(archive) ? [archive] : archive, reader);
  return entries;
}

async function names(directory: string): Promise<string[]> {
  return (await unpacked(contextArchive({ context: directory }))).map(({ name }) => name);
}

describe("a build context", () => {
  it("has the same hash wherever and whenever it is", async () => {
    const [a, b] = [await context("a", { "x/y": "1" }), await context("b", { "x/y": "1" })];
    await utimes(join(b, "x/y"), 1, 1);
    assert.equal(await contextHash({ context: a }), await contextHash({ context: b }));
  });
  for (const [what, files] of [
    ["a file's content", { "x/y": "2" }],
    ["a file's name", { "x/z": "1" }],
    ["a further file", { "x/y": "1", z: "" }],
    ["the Dockerfile", { "x/y": "1", Dockerfile: "FROM x" }],
  ] as const) {
    it(`has another hash after a change of ${what}`, async () => {
      const [a, b] = [await context(`${what}-a`, { "x/y": "1" }), await context(`${what}-b`, files)];
      assert.notEqual(await contextHash({ context: a }), await contextHash({ context: b }));
    });
  }
  it("leaves out what .dockerignore names, but never what the build needs", async () => {
    const directory = await context("ignoring", {
      ".dockerignore": "# build output\n*.log\nnode_modules\n!keep.log\nDockerfile\n",
      "a.log": "",
      "keep.log": "",
      "src/main": "",
      "node_modules/x/y": "",
    });
    assert.deepEqual(await names(directory), [".dockerignore", "Dockerfile", "keep.log", "src/main"]);
    const before = await contextHash({ context: directory });
    await writeFile(join(directory, "a.log"), "changed");
    assert.equal(await contextHash({ context: directory }), before);
  });
  it("takes a Dockerfile from outside along", async () => {
    const directory = await context("inner", { f: "" });
    const dockerfile = join(root, "Outer.dockerfile");
    await writeFile(dockerfile, "FROM outer");
    const source = { context: directory, dockerfile };
    const found = (await unpacked(contextArchive(source))).find(
      ({ name }) => name === dockerfileOf(source).name,
    );
    assert.equal(found?.content, "FROM outer");
  });
  it("keeps symbolic links and modes, owned by root", async () => {
    const directory = await context("linking", {});
    await writeFile(join(directory, "run"), "#!", { mode: 0o755 });
    await symlink("run", join(directory, "link"));
    const entries = await unpacked(contextArchive({ context: directory }));
    assert.deepEqual(
      entries.map(({ name, mode, uid, linkname }) => [
        name,
        name === "link" ? linkname : mode.toString(8),
        uid,
      ]),
      [
        ["Dockerfile", "644", 0],
        ["link", "run", 0],
        ["run", "755", 0],
      ],
    );
  });
  it("without a Dockerfile is refused by name", async () => {
    await assert.rejects(
      contextHash({ context: root, dockerfile: join(root, "none") }),
      /no Dockerfile at .*none/,
    );
  });
});

describe("uploads", () => {
  it("go to the mount that they lie in", () => {
    const uploads = [
      { file: "/settings/a", content: "1" },
      { file: "/settings/deep/b", content: "2" },
      { file: "/etc/c", content: "3" },
    ];
    const volumes = [{ containerPath: "/settings" }, { containerPath: "/settings/deep/" }];
    assert.deepEqual(
      uploadGroups({ uploads, volumes }).map(({ path, uploads }) => [path, uploads.map(({ file }) => file)]),
      [
        ["/settings", ["/settings/a"]],
        ["/settings/deep", ["/settings/deep/b"]],
        ["/", ["/etc/c"]],
      ],
    );
  });
  for (const [upload, mode] of [
    [{}, 0o644],
    [{ executable: true }, 0o744],
    [{ permissions: "0444" }, 0o444],
    [{ permissions: "0400", executable: true }, 0o400],
  ] as const) {
    it(`have the mode ${mode.toString(8)} for ${JSON.stringify(upload)}`, () => {
      assert.equal(uploadMode({ file: "/a", ...upload }), mode);
    });
  }
  it("carry text, bytes and files", async () => {
    const source = join(root, "source");
    await writeFile(source, "from a file");
    const uploads = [
      { file: "/s/a", content: "täxt", permissions: "0444" },
      { file: "/s/d/b", contentBase64: Buffer.from("bytes").toString("base64"), owner: "5000" },
      { file: "/s/c", source },
    ];
    assert.deepEqual(
      (await unpacked(await uploadArchive({ path: "/s", uploads }))).map(({ name, mode, uid, content }) => [
        name,
        mode,
        uid,
        content,
      ]),
      [
        ["a", 0o444, 0, "täxt"],
        ["d/b", 0o644, 5000, "bytes"],
        ["c", 0o644, 0, "from a file"],
      ],
    );
  });
  it("name the file that can't be read", async () => {
    const uploads = [{ file: "/a", source: join(root, "missing") }];
    await assert.rejects(uploadArchive({ path: "/", uploads }), /can't read .*missing \(ENOENT\)/);
  });
});
