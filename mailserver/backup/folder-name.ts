/** Names of IMAP folders and of the directories that hold them: Maildir++, in modified UTF-7. Pure. */

/** RFC 3501 section 5.1.3: modified BASE64 has "," for "/", and no padding. */
const toBase64 = (text: string): string =>
  Buffer.from(text, "utf16le").swap16().toString("base64").replaceAll("/", ",").replace(/=+$/, "");
/** Undefined for what is no text of 16 bits a unit. */
function fromBase64(text: string): string | undefined {
  const bytes = Buffer.from(text.replaceAll(",", "/"), "base64");
  return bytes.length > 0 && bytes.length % 2 === 0 ? bytes.swap16().toString("utf16le") : undefined;
}

/** The directory, below the Maildir, of the folder with that name: empty for INBOX, else `.Archive.2025`. */
export function directoryOf(folder: string): string {
  // RFC 3501 section 5.1: INBOX in any case is the same folder.
  if (folder.toUpperCase() === "INBOX") return "";
  const encoded = folder
    .replaceAll("&", "&-")
    .replaceAll(/[^\x20-\x7e]+/g, (run) => `&${toBase64(run)}-`)
    .replaceAll("/", ".");
  return `.${encoded}`;
}

/** The folder whose mail is in that directory: what another program named, in no such code, is a name as it stands. */
export function folderOf(directory: string): string {
  if (directory === "") return "INBOX";
  return directory
    .slice(1)
    .replaceAll(".", "/")
    .replaceAll(/&([^-]*)-/g, (all, run: string) => (run === "" ? "&" : (fromBase64(run) ?? all)));
}

/** Whether it can be the name of a folder here. */
export function isFolderName(folder: string): boolean {
  // A dot would be a level of its own on disk.
  return folder.length <= 200 && /^[^./\p{Cc}]+(\/[^./\p{Cc}]+)*$/u.test(folder);
}
