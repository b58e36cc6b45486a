/** The server's certificate and key, read again from their files when these change: no restart, no session lost. */
import { createHash, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { SecureContext } from "node:tls";
import type { TlsSettings } from "../contract.ts";
import type { LogEvent } from "../log-events.ts";
import type { Log } from "./log.ts";
import type { Timing } from "./timing.ts";
import { serverContext } from "./tls.ts";
import type { TlsIdentity } from "./types.ts";

/** The files are replaced rather than written to, through the volume's other mounts: watching their inodes tells nothing. */
const POLL_MS = 5_000;

export interface IdentityDeps {
  readonly timing: Pick<Timing, "after">;
  readonly log: Log;
  /** Told of every usable pair, for a server that makes its own context. */
  readonly use?: (pair: TlsIdentity) => void;
}

/** A pair of files and the last usable content that they had. */
export class ServerIdentity {
  readonly #files: TlsSettings;
  readonly #deps: IdentityDeps;
  #context: SecureContext;
  /** What was found last, usable or not: each content is tried, and complained of, once. */
  #seen: string;
  #ended = false;
  #cancel = (): void => {};

  /** Rejects when the files can't be read or don't hold a certificate and its key. */
  static async load(files: TlsSettings, deps: IdentityDeps): Promise<ServerIdentity> {
    try {
      return new ServerIdentity(files, deps, await read(files));
    } catch (cause) {
      const { certificateFile, keyFile } = files;
      throw new Error(`${certificateFile} and ${keyFile} are no usable certificate with its key`, { cause });
    }
  }

  private constructor(files: TlsSettings, deps: IdentityDeps, pair: TlsIdentity) {
    this.#files = files;
    this.#deps = deps;
    this.#context = serverContext(pair);
    deps.use?.(pair);
    this.#seen = digest(pair);
    this.#tell("net.tls.loaded", pair);
  }

  /** What the next hand-shake uses. */
  readonly context = (): SecureContext => this.#context;

  /** Looks at the files from now on, until the returned function is called. */
  watch(): () => void {
    this.#wait();
    return () => {
      this.#ended = true;
      this.#cancel();
    };
  }

  #wait(): void {
    if (this.#ended) return;
    this.#cancel = this.#deps.timing.after(POLL_MS, () => void this.#look().finally(() => this.#wait()));
  }

  /** A pair that was read while it was being replaced doesn't fit; the next look finds it whole. */
  async #look(): Promise<void> {
    const { log } = this.#deps;
    const { certificateFile } = this.#files;
    const found = await read(this.#files).catch((error: Error) => error);
    const content = found instanceof Error ? found.message : digest(found);
    if (content === this.#seen) return;
    this.#seen = content;
    try {
      if (found instanceof Error) throw found;
      this.#context = serverContext(found);
      this.#deps.use?.(found);
      this.#tell("net.tls.reloaded", found);
    } catch (error) {
      log.error("net.tls.unusable", { certificateFile, error });
    }
  }

  #tell(event: LogEvent, { certificate }: TlsIdentity): void {
    const notAfter = new Date(new X509Certificate(certificate).validTo).toISOString();
    this.#deps.log.info(event, { certificateFile: this.#files.certificateFile, notAfter });
  }
}

async function read({ certificateFile, keyFile }: TlsSettings): Promise<TlsIdentity> {
  const [certificate, key] = await Promise.all([
    readFile(certificateFile, "utf8"),
    readFile(keyFile, "utf8"),
  ]);
  return { certificate, key };
}

/** The key is not kept in memory a second time. */
const digest = ({ certificate, key }: TlsIdentity): string =>
  createHash("sha256")
    .update(JSON.stringify([certificate, key]))
    .digest("hex");
