/** The password that opens the snapshots. */
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { z } from "zod";
import type { Context } from "../context.ts";
import { type Place, runJob } from "./job.ts";

const Settings = z.object({ password: z.string() });

/** Shows the password: whoever loses the stack's state has no other way to their snapshots. */
export async function showPassword(context: Context, place: Place): Promise<void> {
  const out = new PassThrough();
  const reading = text(out);
  await runJob(place, {
    id: "key",
    withoutMail: true,
    entrypoint: ["cat"],
    args: ["/settings/settings.json"],
    onEvent: () => {},
    out,
  });
  out.end();
  context.say.line(Settings.parse(JSON.parse(await reading)).password);
}
