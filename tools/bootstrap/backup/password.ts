/** The password that opens the snapshots. */
import { z } from "zod";
import type { Context } from "../context.ts";
import { readSettings } from "./box.ts";
import type { Place } from "./job.ts";

const Settings = z.object({ password: z.string() });

/** Shows the password: whoever loses the stack's state has no other way to their snapshots. */
export async function showPassword(context: Context, place: Place): Promise<void> {
  context.say.line(Settings.parse(JSON.parse(String(await readSettings(place)))).password);
}
