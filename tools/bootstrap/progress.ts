/** A row of Pulumi's plain display: what happens to which resource, for how many seconds by now. */
const ROW = /^\s*(?:[+\-~<>]+\s+)?(?<resource>\S+ \S+) (?<state>[a-z][a-z ]*?) \((?<seconds>[\d.]+)s\)/;
const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

/** Dots that say it works, and advice that our own commands make wrong (`down` says what stays). */
const NOISE =
  /^@ \S+|^The resources in the stack have been deleted|^If you want to remove the stack completely/;

/** Seconds between two rows that say of a resource that it is still at the same thing. */
const REPEAT_SECONDS = 10;

/**
 * Keeps of Pulumi's plain display what tells something new: every start and end, a sign of life every ten seconds,
 * and all that is no progress row. Its build logs alone would be thousands of lines otherwise.
 */
export function progressFilter(): (line: string) => boolean {
  const last = new Map<string, { state: string; seconds: number }>();
  let blank = false;
  return (line) => {
    const text = line.replaceAll(ESCAPES, "");
    const wasBlank = blank;
    blank = text.trim() === "";
    if (blank) return !wasBlank;
    if (NOISE.test(text)) return false;
    const { resource, state, seconds } = ROW.exec(text)?.groups ?? {};
    if (resource === undefined || state === undefined) return true;
    const before = last.get(resource);
    const now = { state, seconds: Number(seconds) };
    if (before?.state === state && now.seconds - before.seconds < REPEAT_SECONDS) return false;
    last.set(resource, now);
    return true;
  };
}
