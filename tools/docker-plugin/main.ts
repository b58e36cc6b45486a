/** Starts the docker provider: prints its port on standard output, as Pulumi expects of a plugin. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { startServer } from "./server.ts";

/** The plugin answers for the SDK it stands in for, so the engine finds the version it asks for. */
function sdkVersion(): string {
  const manifest = createRequire(import.meta.url).resolve("@pulumi/docker/package.json");
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}

const engineAddress = process.argv.slice(2).findLast((argument) => !argument.startsWith("-"));
const server = await startServer({
  version: sdkVersion(),
  environment: process.env,
  ...(engineAddress === undefined ? {} : { engineAddress }),
});
process.stdout.write(`${server.port}\n`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    server.cancel();
    void server.stop().then(() => process.exit(0));
  });
}

// An engine that was killed says no good-bye; a provider without one would stay for ever.
const parent = process.ppid;
setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, "SIGTERM");
}, 2000).unref();
