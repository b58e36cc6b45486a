/** Which snapshots a restore puts back, and of which older ones it has to tell. Pure. */
import { readableTime } from "./events.ts";
import { NEW_MS } from "./host-age.ts";

/** One of the list, the oldest first. */
export interface Saved {
  /** Its beginning. */
  readonly id: string;
  readonly time: string;
  /** Where it has this folder alone. */
  readonly folder?: string | undefined;
  /** It lacks some of what it was taken of: nobody gets it who doesn't name it. */
  readonly part?: boolean | undefined;
}

/** When what there is was made; undefined where that is not known. */
export interface Ages {
  /** The directory, and with it the host. */
  readonly host: Date | undefined;
  /** The volume that the snapshots are of. */
  readonly volume: Date | undefined;
}

export interface Wanted {
  readonly folder: string | undefined;
  /** The beginning of an id, or all of it. */
  readonly snapshot: string | undefined;
  readonly ages: Ages;
}

export interface Choice {
  /** The latest from before the volume was made, where that was made with its host: it is put back first. */
  readonly earlier?: Saved | undefined;
  /** The latest of all. */
  readonly latest?: Saved | undefined;
  /** What the mailbox is told of a snapshot from before: with it, it has what it lost. */
  readonly before?: Date | undefined;
  /** The latest from before the volume was made, where that is not put back by itself. */
  readonly passedOver?: Saved | undefined;
}

/**
 * A host that was lost is made anew without mail, and what is saved of it before the mail is put back is younger than what
 * is to be put back: so both are. A mailbox whose volume was made at another time than its host may be somebody else's, who
 * has the uid since: older snapshots of that are for who names them.
 */
export function choose(list: readonly Saved[], { folder, snapshot, ages: { host, volume } }: Wanted): Choice {
  // A volume's own time: one that was lost soon after its host was made has snapshots of both.
  const since = host !== undefined && beganWith(host, volume) ? (volume ?? host) : undefined;
  if (snapshot !== undefined) {
    const named = list.find(({ id }) => id.startsWith(snapshot) || snapshot.startsWith(id));
    return { before: named && !named.part && isBefore(named, since) ? since : undefined };
  }
  const whole = list.filter(({ part }) => !part);
  const fits = whole.filter((each) => each.folder === undefined || each.folder === folder);
  const latest = fits.at(-1);
  const earlier = fits.findLast((each) => isBefore(each, since));
  if (earlier) return { earlier, latest, before: since };
  const passedOver = fits.findLast((each) => isBefore(each, volume));
  return { latest, passedOver: passedOver === latest ? undefined : passedOver };
}

/** Whether the volume was made by the updates that made the host; one that can't tell was. */
const beganWith = (host: Date, volume: Date | undefined): boolean =>
  volume === undefined || Math.abs(volume.getTime() - host.getTime()) < NEW_MS;

const isBefore = ({ time }: Saved, made: Date | undefined): boolean =>
  made !== undefined && Date.parse(time) < made.getTime();

/**
 * What the first job is asked for beside `limits`. `restored`: whether the mailbox has what is from before; undefined where
 * the job's image is too old to tell, or to be told: it knows the option of a snapshot alone.
 */
export function firstAsked({ earlier, before }: Choice, restored: boolean | undefined): string[] {
  if (restored === true) return [];
  return [
    ...(earlier ? ["--snapshot", earlier.id] : []),
    ...(before && restored === false ? ["--before", before.toISOString()] : []),
  ];
}

/** What is told of snapshots that are not put back by themselves. */
export const passedOverLine = (id: string, { id: snapshot, time }: Saved, volume: Date): string =>
  `  The volume of ${id} was made on ${readableTime(volume.toISOString())}. The latest snapshot from before that is ${snapshot} of ${readableTime(time)}: if it is the same person's, \`--snapshot ${snapshot}\` takes it`;
