/** The server's TLS: one identity, whatever name the client asks for. */
import { constants, createPrivateKey, X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import type { TlsInfo } from "../smtp/types.ts";
import type { TlsIdentity } from "./types.ts";

/** RFC 8996 and RFC 8314 section 4.1: TLS 1.2 at least. */
export const MIN_VERSION = "TLSv1.2";

/** The context of a server. Throws when certificate and key don't fit. */
export function serverContext(identity: TlsIdentity): SecureContext {
  // OpenSSL makes a context of empty files too, with which every hand-shake fails.
  if (!new X509Certificate(identity.certificate).checkPrivateKey(createPrivateKey(identity.key))) {
    throw new Error("the key is not the certificate's");
  }
  return createSecureContext({
    cert: identity.certificate,
    key: identity.key,
    minVersion: MIN_VERSION,
    // Some senders fail on resumption on port 25, and mail gains nothing by it. (TLS 1.3 heeds only OpenSSL's
    // configuration here: images/node/openssl.cnf.)
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  });
}

/** How we show a box that we are a front service: TLS 1.3, so that our certificate is never seen on the way. */
export function doorContext({ certificate, key }: TlsIdentity): SecureContext {
  return createSecureContext({ cert: certificate, key, minVersion: "TLSv1.3" });
}

/** Version and cipher of a finished hand-shake. */
export function tlsInfo(socket: TLSSocket): TlsInfo {
  return { version: socket.getProtocol() ?? "unknown", cipher: socket.getCipher().name };
}

/**
 * The server's hand-shake on an open connection. There is no SNI callback on purpose: a name that we don't know
 * gets our certificate as well (RFC 7672 section 3.1: the MX host's). Rejects when it fails or takes too long.
 */
export function serverHandshake(raw: Socket, context: SecureContext, timeoutMs: number): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const secured = new TLSSocket(raw, { isServer: true, secureContext: context });
  const timer = setTimeout(() => secured.destroy(new Error("the TLS hand-shake took too long")), timeoutMs);
  const fail = (error?: Error): void => reject(error ?? new Error("closed during the TLS hand-shake"));
  const closed = (): void => fail();
  // The end of what the client says shows to readers alone, and nobody reads yet. Nothing is taken out by looking.
  const look = (): void => void secured.read(0);
  secured.once("error", fail).once("close", closed).once("end", closed).on("readable", look);
  secured.once("secure", () => {
    secured.off("error", fail).off("close", closed).off("end", closed).off("readable", look);
    resolve(secured);
  });
  return promise.finally(() => clearTimeout(timer));
}
