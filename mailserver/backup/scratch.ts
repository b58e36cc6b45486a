/** Where two jobs of one box meet, on its volume. */
import { join } from "node:path";

/** In the box's volume, since a hard link stays on its file system. */
export const scratchOf = (home: string): string => join(home, ".backup");
export const holdOf = (home: string): string => join(scratchOf(home), "hold");
export const restoredOf = (home: string): string => join(scratchOf(home), "restored");
