/** A client's connection, in clear text and then perhaps under TLS. */
import { isIP, connect as netConnect, type Socket } from "node:net";
import { type TLSSocket, connect as tlsConnect } from "node:tls";
import type { TlsInfo } from "../smtp/types.ts";
import { CertificateRefused, certificateProblem } from "./certificate.ts";
import { MIN_VERSION, tlsInfo } from "./tls.ts";
import type { ConnectOptions, Verification } from "./types.ts";

interface Listener {
  data(chunk: Buffer): void;
  closed(error: Error | undefined): void;
}

type TlsWishes = {
  readonly host: string;
  readonly verify: ConnectOptions["verify"] | undefined;
  readonly serverName: string | undefined;
};

export class ClientSocket {
  #socket: Socket;
  #listener: Listener | undefined;
  #error: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A TCP connection, under TLS where `door` is given; rejects with the system's error or after the time. */
  static async open(
    { host, port, localAddress, door, signal }: ConnectOptions,
    connectMs: number,
  ): Promise<ClientSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const to = { host, port, ...(localAddress === undefined ? {} : { localAddress }) };
    const socket = door
      ? tlsConnect({ ...to, secureContext: door, rejectUnauthorized: false })
      : netConnect(to);
    const give = (reason: string): void => void socket.destroy(new Error(reason));
    const timer = setTimeout(() => give("the connection took too long"), connectMs);
    const aborted = (): void => give("aborted");
    signal?.addEventListener("abort", aborted, { once: true });
    if (signal?.aborted === true) aborted();
    socket.once(door ? "secureConnect" : "connect", resolve).once("error", reject);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    }
    socket.off("error", reject).setNoDelay(true);
    return new ClientSocket(socket);
  }

  attach(listener: Listener): void {
    this.#listener = listener;
    this.#listen();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (chunk: Buffer) => this.#listener?.data(chunk));
    socket.on("error", (error) => {
      this.#error ??= error;
    });
    socket.on("close", () => {
      if (socket === this.#socket) this.#listener?.closed(this.#error);
    });
  }

  /** What `work` writes goes out in one piece. */
  together(work: () => void): void {
    const socket = this.#socket;
    socket.cork();
    try {
      work();
    } finally {
      socket.uncork();
    }
  }

  /** Settles when more may be written; never rejects (a lost connection is told to the listener). */
  async write(bytes: Uint8Array): Promise<void> {
    const socket = this.#socket;
    if (bytes.length === 0 || socket.destroyed || socket.write(bytes)) return;
    await new Promise<void>((resolve) => {
      const over = (): void => {
        socket.off("drain", over).off("close", over);
        resolve();
      };
      socket.once("drain", over).once("close", over);
    });
  }

  /** The hand-shake. What the peer sent before it is dropped (RFC 3207 section 5). */
  async secure({ host, verify, serverName }: TlsWishes): Promise<TlsInfo> {
    const raw = this.#socket.removeAllListeners("data").pause();
    while (raw.read() !== null);
    const name = verify?.name ?? serverName ?? (isIP(host) === 0 ? host : undefined);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const secured: TLSSocket = tlsConnect({
      socket: raw,
      minVersion: MIN_VERSION,
      // The certificate is looked at below, before a byte is said under TLS.
      rejectUnauthorized: false,
      // RFC 6066 section 3: no address in SNI.
      ...(name !== undefined && isIP(name) === 0 ? { servername: name } : {}),
      ...(verify?.kind === "pkix" && verify.ca !== undefined ? { ca: verify.ca } : {}),
      checkServerIdentity: () => undefined,
    });
    this.#socket = secured;
    const closed = (): void => reject(this.#error ?? new Error("closed during the TLS hand-shake"));
    secured.once("secureConnect", resolve).once("error", reject).once("close", closed);
    await promise;
    secured.off("error", reject).off("close", closed);
    const doubt = check(secured, verify);
    this.#listen();
    return { ...tlsInfo(secured), ...(doubt === undefined ? {} : { doubt }) };
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** RFC 7435: without something to verify against, encryption alone is still better than clear text. */
function check(secured: TLSSocket, verify: Verification | undefined): string | undefined {
  const problem = verify && certificateProblem(secured, verify, new Date());
  if (problem === undefined || (verify?.kind === "pkix" && verify.report === true)) return problem;
  throw new CertificateRefused(problem);
}
