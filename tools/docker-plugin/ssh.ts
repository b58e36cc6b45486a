/** Reaches an engine through OpenSSH, so that the user's own configuration, keys and agent apply. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import http from "node:http";
import { Duplex } from "node:stream";

/** How to log in. */
export interface SshTarget {
  readonly destination: string;
  readonly port?: number;
  readonly options: readonly string[];
}

/** The arguments for ssh: never a question, since nobody is there to answer. */
export function sshArguments(target: SshTarget): string[] {
  return [
    "-o",
    "BatchMode=yes",
    "-o",
    "ConnectTimeout=15",
    ...target.options,
    ...(target.port === undefined ? [] : ["-p", String(target.port)]),
    "-T",
    "--",
    target.destination,
    "docker system dial-stdio",
  ];
}

/** One `docker system dial-stdio` on the far side, as a socket. */
class SshSocket extends Duplex {
  private readonly child: ChildProcessWithoutNullStreams;
  private said = "";

  constructor(target: SshTarget) {
    super({ allowHalfOpen: true });
    this.child = spawn("ssh", sshArguments(target), { stdio: ["pipe", "pipe", "pipe"] });
    this.child.stderr.on("data", (chunk: Buffer) => {
      this.said = (this.said + chunk.toString()).slice(-2000);
    });
    this.child.stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) this.child.stdout.pause();
    });
    this.child.stdin.on("error", () => {}); // The exit below says more than a broken pipe.
    this.child.on("error", (error) => this.destroy(new SshError(error.message)));
    // Not the end of its output: only the exit code tells an ended connection from one that never was.
    this.child.on("close", (code) => {
      if (this.destroyed) return;
      if (code === 0) this.push(null);
      else this.destroy(new SshError(this.said.trim() || `ssh ended with ${code}`));
    });
  }

  override _read(): void {
    this.child.stdout.resume();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // A broken pipe means that ssh is ending; why is told when it has.
    this.child.stdin.write(chunk, encoding, (error) => {
      if (!error) done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    this.child.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.child.kill();
    done(error);
  }

  // What node:http asks of a socket besides being a stream.
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    this.child.ref();
    return this;
  }
  unref(): this {
    this.child.unref();
    return this;
  }
}

/** What ssh said when it gave up. */
export class SshError extends Error {
  readonly code = "ESSH";
}

/** An HTTP agent whose connections are ssh processes. Few at once: sshd refuses many logins at a time. */
export function sshAgent(target: SshTarget): http.Agent {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 6 });
  return Object.assign(agent, { createConnection: () => new SshSocket(target) });
}
