/** The gRPC server: Pulumi's resource provider protocol over the resources. */
import grpc from "@grpc/grpc-js";
import rpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import { configMethods } from "./server-config.ts";
import { resourceMethods } from "./server-resources.ts";
import { Session, type SessionOptions } from "./session.ts";

/** A server that answers. */
export interface RunningServer {
  readonly port: number;
  /** Aborts what is going on. */
  cancel(): void;
  stop(): Promise<void>;
}

/** Large, because a message carries all the properties of a resource. */
const MESSAGE_LIMIT = 400 * 1024 * 1024;

/** Starts the provider on a free port of this machine. */
export async function startServer(options: SessionOptions): Promise<RunningServer> {
  const session = new Session(options);
  const server = new grpc.Server({
    "grpc.max_receive_message_length": MESSAGE_LIMIT,
    "grpc.max_send_message_length": MESSAGE_LIMIT,
  });
  server.addService(rpc.ResourceProviderService, { ...configMethods(session), ...resourceMethods(session) });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    cancel: () => session.cancel(),
    stop: async () => {
      session.close();
      server.forceShutdown();
    },
  };
}
