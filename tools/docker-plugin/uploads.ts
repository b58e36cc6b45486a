/** Files copied into a container before it starts. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { Failure } from "./check.ts";
import type { ContainerProps } from "./container-options.ts";
import { UserError } from "./errors.ts";
import { UNKNOWN } from "./values.ts";

/** One file to copy. */
export type Upload = NonNullable<ContainerProps["uploads"]>[number];

/** What makes uploads impossible, here and with the official plugin. */
export function uploadFailures(uploads: readonly Upload[]): Failure[] {
  return uploads.flatMap((upload, index) => {
    const property = `uploads[${index}]`;
    const { content, contentBase64, source, owner, group } = upload;
    const given = [content, contentBase64, source].filter((each) => each !== undefined && each !== "");
    const count =
      given.length === 1
        ? []
        : [`"${property}" needs exactly one of content, contentBase64, source, and not an empty one`];
    const numeric = [owner, group]
      .filter((id) => id !== undefined && id !== UNKNOWN && !/^\d+$/.test(id))
      .map(
        (id) =>
          `"${property}": the owner and group must be numbers, not ${id}: names mean nothing outside the image`,
      );
    return [...count, ...numeric].map((reason) => ({ property, reason }));
  });
}

/** The file's mode, as the official plugin sets it. */
export function uploadMode({ permissions, executable }: Upload): number {
  if (permissions !== undefined && permissions !== "") return Number.parseInt(permissions, 8);
  return executable === true ? 0o744 : 0o644;
}

async function uploadContent(upload: Upload): Promise<Buffer> {
  if (upload.content) return Buffer.from(upload.content);
  if (upload.contentBase64) return Buffer.from(upload.contentBase64, "base64");
  try {
    return await readFile(upload.source ?? "");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`can't read ${upload.source} (${code}), which is to be copied to ${upload.file}`);
  }
}

/** Files that go to the engine in one request, because they lie under the same mount. */
export interface UploadGroup {
  /** The directory in the container that the archive is unpacked in. */
  readonly path: string;
  readonly uploads: readonly Upload[];
}

/** The uploads by the mount that they lie in; the engine refuses `/` when the root file system is read-only. */
export function uploadGroups(props: Pick<ContainerProps, "uploads" | "volumes" | "mounts">): UploadGroup[] {
  const mounts = [
    ...(props.volumes ?? []).map((each) => each.containerPath),
    ...(props.mounts ?? []).map((each) => each.target),
  ]
    .filter((path) => path !== undefined)
    .map((path) => path.replace(/\/+$/, ""))
    .sort((a, b) => b.length - a.length);
  const groups = new Map<string, Upload[]>();
  for (const upload of props.uploads ?? []) {
    const path = mounts.find((mount) => upload.file.startsWith(`${mount}/`)) ?? "/";
    groups.set(path, [...(groups.get(path) ?? []), upload]);
  }
  return [...groups].map(([path, uploads]) => ({ path, uploads }));
}

/** The archive of a group. */
export async function uploadArchive({ path, uploads }: UploadGroup): Promise<Buffer> {
  const archive = pack();
  const archived = buffer(archive);
  for (const upload of uploads) {
    const owner = { uid: Number(upload.owner ?? 0), gid: Number(upload.group ?? 0) };
    const name = upload.file.slice(path.length).replace(/^\/+/, "");
    // The engine makes missing directories itself and leaves those that exist as they are.
    archive.entry(
      { name, mode: uploadMode(upload), mtime: new Date(), ...owner },
      await uploadContent(upload),
    );
  }
  archive.finalize();
  return archived;
}
