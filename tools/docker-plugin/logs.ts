/** Messages to the person who runs the update, through the Pulumi engine. */
import grpc from "@grpc/grpc-js";
import engineRpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import enginePb from "@pulumi/pulumi/proto/engine_pb.js";

/** Where a resource says what it does. */
export interface ResourceLog {
  /** Shown beside the resource while it lasts, and forgotten. */
  status(message: string): void;
  /** Kept in the output of the update. */
  info(message: string): void;
  warn(message: string): void;
}

/** The engine's log. */
export interface EngineLog {
  for(urn: string): ResourceLog;
  close(): void;
}

/** A log that says nothing, for when no engine listens. */
export const silent: EngineLog = {
  for: () => ({ status: () => {}, info: () => {}, warn: () => {} }),
  close: () => {},
};

/** Connects to the log of the engine at the address. */
export function engineLog(address: string): EngineLog {
  const client = new engineRpc.EngineClient(address, grpc.credentials.createInsecure());
  const send = (urn: string, severity: enginePb.LogSeverity, message: string, ephemeral: boolean): void => {
    const request = new enginePb.LogRequest();
    request.setUrn(urn);
    request.setSeverity(severity);
    request.setMessage(message);
    request.setEphemeral(ephemeral);
    // A lost message must not fail the resource.
    client.log(request, () => {});
  };
  return {
    for: (urn) => ({
      status: (message) => send(urn, enginePb.LogSeverity.INFO, message, true),
      info: (message) => send(urn, enginePb.LogSeverity.INFO, message, false),
      warn: (message) => send(urn, enginePb.LogSeverity.WARNING, message, false),
    }),
    close: () => client.close(),
  };
}
