/** A conversation in lines over a socket that may become TLS. */
import { X509Certificate } from "node:crypto";
import { connect, type Socket } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { rootCertificates, type TLSSocket, connect as tlsConnect } from "node:tls";

/** A certificate as it was shown. */
export interface Shown {
  /** Of subjectAltName, without their kinds. */
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The name that was asked for is on it. */
  readonly fits: boolean;
  /** Why nobody would trust it, the stack's own authority and the public ones known. */
  readonly distrust: string | undefined;
  /** The stack's own authority issued it: whoever doesn't know that one trusts nothing. */
  readonly own: boolean;
}

export interface TalkOptions {
  readonly host: string;
  readonly port: number;
  readonly serverName: string;
  /** The stack's own authority, PEM. */
  readonly ca: string;
  /** Who is trusted besides that one and the public authorities, PEM. */
  readonly roots?: readonly string[];
  readonly timeoutMs: number;
}

/** Longest line that is taken in. */
const MAX_LINE = 8_192;

/** Lines out, lines in. Rejects with a code of the system, `ETIMEDOUT` or `ECLOSED`. */
export class LineTalk {
  readonly #options: TalkOptions;
  #socket: Socket;
  #lines: Lines;

  private constructor(socket: Socket, options: TalkOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#lines = linesOf(socket);
  }

  static async open(options: TalkOptions): Promise<LineTalk> {
    const socket = connect({ host: options.host, port: options.port });
    // One that says a little now and then is silent, too: this is of the whole conversation.
    const timer = setTimeout(() => socket.destroy(coded("ETIMEDOUT")), options.timeoutMs);
    socket.once("close", () => clearTimeout(timer));
    await settled(socket, "connect");
    return new LineTalk(socket, options);
  }

  /** The next line, its end left off. */
  async line(): Promise<string> {
    const { done, value } = await Promise.race([this.#lines.reader.next(), this.#lines.failed]);
    if (done || value.length > MAX_LINE) throw coded("ECLOSED");
    return value;
  }

  /** Lines up to the first that `last` says yes to, that one included. */
  async until(last: (line: string) => boolean): Promise<string[]> {
    const lines: string[] = [];
    while (lines.length < 100) {
      lines.push(await this.line());
      if (last(lines.at(-1) ?? "")) return lines;
    }
    throw coded("ECLOSED");
  }

  say(line: string): void {
    this.#socket.write(`${line}\r\n`);
  }

  /** TLS from here on; the certificate that was shown, whether it is good or not. */
  async secure(): Promise<Shown> {
    const { serverName, ca, roots = [] } = this.#options;
    this.#lines.all.close();
    const secured = tlsConnect({
      socket: this.#socket,
      servername: serverName,
      ca: [ca, ...roots, ...rootCertificates],
      // What is wrong with it is what we are here to tell.
      rejectUnauthorized: false,
    });
    await settled(secured, "secureConnect");
    this.#socket = secured;
    this.#lines = linesOf(secured);
    return shownBy(secured, this.#options);
  }

  close(): void {
    this.#lines.all.close();
    this.#socket.destroy();
  }
}

interface Lines {
  readonly all: Interface;
  readonly reader: AsyncIterator<string>;
  /** Rejects when the connection ends. */
  readonly failed: Promise<never>;
}

function linesOf(socket: Socket): Lines {
  const all = createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY });
  const { promise: failed, reject } = Promise.withResolvers<never>();
  // Whoever waits for a line hears of it.
  failed.catch(() => {});
  socket.once("error", reject);
  socket.once("close", () => reject(coded("ECLOSED")));
  return { all, reader: all[Symbol.asyncIterator](), failed };
}

function shownBy(socket: TLSSocket, { ca, serverName }: TalkOptions): Shown {
  const shown = socket.getPeerX509Certificate();
  const root = new X509Certificate(ca);
  // One error is told of several; that of the name says nothing of the others.
  const error = socket.authorizationError as unknown as string | { code?: string } | undefined;
  const code = typeof error === "object" ? error?.code : error;
  if (shown === undefined) throw coded("ENOCERTIFICATE");
  return {
    names: (shown.subjectAltName ?? "").split(", ").map((name) => name.replace(/^\w+( \w+)?:/, "")),
    notBefore: new Date(shown.validFrom),
    notAfter: new Date(shown.validTo),
    fits: shown.checkHost(serverName) !== undefined,
    distrust:
      code === undefined || code === null || code === "ERR_TLS_CERT_ALTNAME_INVALID"
        ? undefined
        : String(code),
    own: shown.checkIssued(root),
  };
}

function settled(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.once("close", () => reject(coded("ECLOSED")));
  });
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}
