import type { Envelope } from "../smtp/types.ts";
import type { Body, ClientConnection, ConnectOptions, DeliveryReport } from "./types.ts";

/** Connects, greets, secures and authenticates. Rejects with ConnectFailed. */
export function connect(_options: ConnectOptions): Promise<ClientConnection> {
  throw new Error("not yet");
}

/** Connects, sends one message and closes. Rejects only for our own faults (a body stream that fails). */
export function deliver(_options: ConnectOptions, _envelope: Envelope, _body: Body): Promise<DeliveryReport> {
  throw new Error("not yet");
}
