/** Values that several parts of the schema have. */
import { z } from "zod";

/** Without quotes YAML has a day as a time, which Pulumi hands over in the form of Go. */
export const day = z
  .string()
  .transform((text) => text.replace(/ 00:00:00 \+0000 UTC$/, ""))
  .pipe(z.iso.date("must be a day such as 2026-01-31"));

export const port = z.int("must be a port from 1 to 65535").min(1).max(65_535);
