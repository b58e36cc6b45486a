/** A worker that says why it can't start, and ends in the same breath. */
import { primaryLine } from "../../../mailserver/workers/processes.ts";

const line = primaryLine(() => {});
for (const reason of ["the port is taken", "and so is the other"]) line.send({ kind: "failed", reason });
process.exit(1);
