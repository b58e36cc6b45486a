/** A provider as the Pulumi engine sees it, and the things on the Docker engine that a test leaves nothing of. */
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import engineRpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import providerRpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import Docker from "dockerode";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { startServer } from "../../../tools/docker-plugin/server.ts";
import { fromStruct, type Props, toStruct } from "../../../tools/docker-plugin/values.ts";

/** The base image of all tests. */
export const BASE = "debian:trixie-slim";

/** A resource that the tests made, as the engine keeps it in its state. */
export interface Made {
  readonly urn: string;
  readonly id: string;
  readonly inputs: Props;
  readonly outputs: Props;
}

/** A provider with a client, and what it logged. */
export interface Lab {
  readonly docker: Docker;
  readonly log: string[];
  readonly port: number;
  /** A name that no other test has. */
  name(): string;
  urn(kind: string, name: string): string;
  configure(settings: Props): Promise<void>;
  check(
    urn: string,
    inputs: Props,
  ): Promise<{ inputs: Props; failures: { property: string; reason: string }[] }>;
  preview(urn: string, inputs: Props): Promise<Props>;
  create(urn: string, inputs: Props, timeout?: number): Promise<Made>;
  diff(made: Made, inputs: Props): Promise<pb.DiffResponse>;
  update(made: Made, inputs: Props): Promise<Made>;
  read(made: Made): Promise<Made | undefined>;
  delete(made: Made): Promise<void>;
  cancel(): Promise<void>;
  close(): Promise<void>;
}

const TOKENS: Readonly<Record<string, string>> = {
  container: "docker:index/container:Container",
  network: "docker:index/network:Network",
  volume: "docker:index/volume:Volume",
  image: "docker:index/image:Image",
  remoteImage: "docker:index/remoteImage:RemoteImage",
};

/** Starts a provider in this process, with a log of an engine of its own. */
export async function startLab(environment: NodeJS.ProcessEnv = {}): Promise<Lab> {
  const log: string[] = [];
  const engine = await startEngine(log);
  const server = await startServer({
    version: "5.2.0",
    environment,
    engineAddress: `127.0.0.1:${engine.port}`,
  });
  return labOf({
    port: server.port,
    log,
    stop: async () => {
      await server.stop();
      engine.stop();
    },
  });
}

/** A lab around a provider that runs already. */
export function labOf(running: { port: number; log: string[]; stop: () => Promise<void> }): Lab {
  const client = new providerRpc.ResourceProviderClient(
    `127.0.0.1:${running.port}`,
    grpc.credentials.createInsecure(),
  );
  const docker = new Docker({ socketPath: "/var/run/docker.sock", host: undefined });
  const prefix = `semail-t-${randomBytes(4).toString("hex")}`;
  let names = 0;
  return {
    docker,
    log: running.log,
    port: running.port,
    name: () => `${prefix}-${++names}`,
    urn: (kind, name) => `urn:pulumi:test::${prefix}::${TOKENS[kind] ?? kind}::${name}`,
    ...calls(client),
    cancel: async () => {
      await call(client, client.cancel, new empty.Empty());
    },
    close: async () => {
      await sweep(docker, prefix);
      client.close();
      await running.stop();
    },
  };
}

type Unary<Request, Response> = (
  request: Request,
  callback: (error: grpc.ServiceError | null, response: Response) => void,
) => grpc.ClientUnaryCall;

async function call<Request, Response>(
  client: providerRpc.ResourceProviderClient,
  method: Unary<Request, Response>,
  request: Request,
): Promise<Response> {
  try {
    return (await promisify(method.bind(client))(request)) as Response;
  } catch (error) {
    throw new Error((error as grpc.ServiceError).details);
  }
}

function calls(
  client: providerRpc.ResourceProviderClient,
): Pick<Lab, "configure" | "check" | "preview" | "create" | "diff" | "update" | "read" | "delete"> {
  return {
    configure: async (settings) => {
      const request = new pb.ConfigureRequest();
      request.setArgs(toStruct(settings));
      const response = await call<pb.ConfigureRequest, pb.ConfigureResponse>(
        client,
        client.configure,
        request,
      );
      if (response.getAcceptsecrets() || !response.getSupportspreview())
        throw new Error("wrong capabilities");
    },
    check: async (urn, inputs) => {
      const request = new pb.CheckRequest();
      request.setUrn(urn);
      request.setNews(toStruct(inputs));
      request.setRandomseed(randomBytes(8));
      const response = await call<pb.CheckRequest, pb.CheckResponse>(client, client.check, request);
      return {
        inputs: fromStruct(response.getInputs()),
        failures: response.getFailuresList().map((each) => each.toObject()),
      };
    },
    preview: async (urn, inputs) =>
      fromStruct((await creating(client, { urn, inputs, preview: true })).getProperties()),
    create: async (urn, inputs, timeout) => {
      const response = await creating(client, { urn, inputs, ...(timeout === undefined ? {} : { timeout }) });
      return { urn, id: response.getId(), inputs, outputs: fromStruct(response.getProperties()) };
    },
    diff: (made, inputs) => {
      const request = new pb.DiffRequest();
      request.setUrn(made.urn);
      request.setId(made.id);
      request.setOlds(toStruct(made.outputs));
      request.setOldInputs(toStruct(made.inputs));
      request.setNews(toStruct(inputs));
      return call(client, client.diff, request);
    },
    update: async (made, inputs) => {
      const request = new pb.UpdateRequest();
      request.setUrn(made.urn);
      request.setId(made.id);
      request.setOlds(toStruct(made.outputs));
      request.setOldInputs(toStruct(made.inputs));
      request.setNews(toStruct(inputs));
      const response = await call<pb.UpdateRequest, pb.UpdateResponse>(client, client.update, request);
      return { ...made, inputs, outputs: fromStruct(response.getProperties()) };
    },
    read: async (made) => {
      const request = new pb.ReadRequest();
      request.setUrn(made.urn);
      request.setId(made.id);
      request.setProperties(toStruct(made.outputs));
      request.setInputs(toStruct(made.inputs));
      const response = await call<pb.ReadRequest, pb.ReadResponse>(client, client.read, request);
      if (response.getId() === "") return undefined;
      const [inputs, outputs] = [fromStruct(response.getInputs()), fromStruct(response.getProperties())];
      return { ...made, id: response.getId(), inputs, outputs };
    },
    delete: async (made) => {
      const request = new pb.DeleteRequest();
      request.setUrn(made.urn);
      request.setId(made.id);
      request.setProperties(toStruct(made.outputs));
      await call(client, client.delete, request);
    },
  };
}

interface Creation {
  readonly urn: string;
  readonly inputs: Props;
  readonly preview?: boolean;
  readonly timeout?: number;
}

function creating(
  client: providerRpc.ResourceProviderClient,
  creation: Creation,
): Promise<pb.CreateResponse> {
  const request = new pb.CreateRequest();
  request.setUrn(creation.urn);
  request.setProperties(toStruct(creation.inputs));
  request.setPreview(creation.preview ?? false);
  request.setTimeout(creation.timeout ?? 0);
  return call(client, client.create, request);
}

async function startEngine(log: string[]): Promise<{ port: number; stop: () => void }> {
  const server = new grpc.Server();
  const record: grpc.handleUnaryCall<LogRequest, empty.Empty> = (request, callback) => {
    log.push(request.request.getMessage());
    callback(null, new empty.Empty());
  };
  server.addService({ log: engineRpc.EngineService.log }, { log: record });
  const bind = promisify(server.bindAsync.bind(server));
  return {
    port: await bind("127.0.0.1:0", grpc.ServerCredentials.createInsecure()),
    stop: () => server.forceShutdown(),
  };
}

/** Removes what the tests left, also after a failure: everything whose name begins so. */
async function sweep(docker: Docker, prefix: string): Promise<void> {
  const filters = { name: [prefix] };
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(Id).remove({ force: true, v: true });
  }
  for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove();
  for (const { Name } of (await docker.listVolumes({ filters })).Volumes ?? [])
    await docker.getVolume(Name).remove();
  const images = await docker.listImages({ filters: { reference: [`${prefix}-*`] } });
  for (const tag of images.flatMap(({ RepoTags }) => RepoTags ?? []))
    await docker.getImage(tag).remove({ force: true });
}
