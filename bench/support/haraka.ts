/** Haraka, the peer that is written in Node: installed anew for each run, with its own queue as it ships. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { killGroup } from "../../test/support/daemon-process.ts";
import { countFiles, PERSON, type Place, type System } from "./out-systems.ts";
import { listens } from "./receivers.ts";
import { usageOf } from "./usage.ts";

const VERSION = "3.3.4";
const INSTALL = [
  "install",
  "--omit=optional",
  "--ignore-scripts",
  "--no-audit",
  "--no-fund",
  "--loglevel=error",
];

/** What Haraka is told beyond its defaults. */
export const HARAKA_TUNING = {
  "log.ini level": "warn",
  // 10,000 unless told; as many as the others open.
  "outbound.ini concurrency_max": "20",
  // One process that serves, as it is unless told, beside the one that watches: on two cores the load needs the other.
  "smtp.ini nodes": "1",
} as const;

/** Installs it into the folder. */
export async function installHaraka(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "package.json"), `{"private":true}`);
  await promisify(execFile)("npm", [...INSTALL, `Haraka@${VERSION}`], { cwd: folder });
}

/** RFC 7919's group of 2,048 bits: without a file Haraka makes one at its start, which takes many seconds. */
const DH = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`;

/** Every client of this machine may send anywhere, and all mail goes to the receiver. */
const plugin = (receiver: number): string => `
exports.hook_rcpt = (next, connection) => {
  connection.relaying = true;
  next(OK);
};
exports.hook_get_mx = (next) => next(OK, { priority: 0, exchange: "127.0.0.1", port: ${receiver} });
`;

export async function startHaraka(
  { site, ports, receiver }: Place,
  { installed, folder }: { readonly installed: string; readonly folder: string },
): Promise<System> {
  const [plain, secure] = ports;
  const files: Record<string, string> = {
    "config/smtp.ini": `listen=127.0.0.1:${plain},127.0.0.1:${secure}\nsmtps_port=${secure}\nnodes=${HARAKA_TUNING["smtp.ini nodes"]}\n`,
    "config/log.ini": `[main]\nlevel=${HARAKA_TUNING["log.ini level"]}\n`,
    "config/outbound.ini": `concurrency_max=${HARAKA_TUNING["outbound.ini concurrency_max"]}\n`,
    "config/me": "peer.semail.test\n",
    "config/plugins": "tls\nauth/flat_file\nbench\n",
    "config/auth_flat_file.ini": `[core]\nmethods=PLAIN\nconstrain_sender=false\n[users]\n${PERSON.user}=${PERSON.password}\n`,
    "config/dhparams.pem": DH,
    "config/tls_key.pem": site.identity.key,
    "config/tls_cert.pem": site.identity.certificate,
    "plugins/bench.js": plugin(receiver),
  };
  await cp(join(installed, "node_modules/Haraka/config"), join(folder, "config"), { recursive: true });
  for (const name of ["plugins", "queue"]) await mkdir(join(folder, name), { recursive: true });
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const program = join(installed, "node_modules/Haraka/haraka.js");
  const child = spawn(process.execPath, [program], {
    env: { ...process.env, HARAKA: folder },
    // A group of its own, so that the whole of it can be killed.
    detached: true,
    stdio: ["ignore", "ignore", "inherit"],
  });
  const { pid = 0 } = child;
  await Promise.all([listens(plain), listens(secure)]).catch((error: unknown) => {
    killGroup(child);
    throw error;
  });
  return {
    name: "haraka",
    queued: () => countFiles([join(folder, "queue")]),
    plain: { port: plain, secure: false },
    secure: { port: secure, secure: true, login: PERSON },
    usage: () => usageOf(pid),
    stop: async () => {
      const ended = once(child, "exit");
      killGroup(child);
      await ended;
    },
  };
}
