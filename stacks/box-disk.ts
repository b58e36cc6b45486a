/** What a box may have on the host's file system. Pure. */

const MEBIBYTE = 2 ** 20;
/** No file takes less (mailserver/images/box/entrypoint counts messages by it). */
const BLOCK = 4_096;
/** A petabyte, and a thousand million: who gives somebody more means no limit, and nobody's numbers overflow. */
const [MOST_BYTES, MOST_FILES] = [2 ** 50, 1e9];
/** Of a folder of Dovecot's, itself included: Maildir's three, index, log, cache, list of UIDs, keywords, and spare ones. */
const FILES_PER_FOLDER = 16;

/**
 * The limit for a quota, in bytes: so far above it that Dovecot's own limits are met first, by all that a person does. Mail
 * of short messages takes up to twice its size; a restore puts a copy beside what is there; messages come in.
 */
export function boxDisk(quotaBytes: number, folders: number): { bytes: number; files: number } {
  const messages = Math.floor(quotaBytes / BLOCK) + 100;
  return {
    bytes: Math.min(3 * quotaBytes + 256 * MEBIBYTE, MOST_BYTES),
    files: Math.min(2 * (messages + folders * FILES_PER_FOLDER) + 1_000, MOST_FILES),
  };
}
