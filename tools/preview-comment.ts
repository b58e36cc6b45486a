/** Posts what `npm run preview -- --comment FILE` wrote on the pull or merge request of this CI run. */
import { readFileSync } from "node:fs";
import { post, threadOf } from "./preview/post.ts";

const [file] = process.argv.slice(2);
const thread = threadOf(process.env, fetch);
if (file === undefined) {
  console.error("✗ Which file?\n  node tools/preview-comment.ts FILE");
  process.exitCode = 1;
} else if (thread === undefined) {
  // A fork's run has no token that may write: the preview is in its log and summary.
  console.log("! No request, or no token to write on it: the preview is not posted. See docs/ci.md.");
} else {
  try {
    console.log(`✓ comment ${await post(thread, readFileSync(file, "utf8"))} (${thread.name})`);
  } catch (error) {
    console.error(`✗ ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
