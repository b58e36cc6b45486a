/** The part of the protocol that is about the provider itself. */
import type grpc from "@grpc/grpc-js";
import plugin from "@pulumi/pulumi/proto/plugin_pb.js";
import type { IResourceProviderServer } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { configFailures, decodeSettings, fromVariables } from "./host.ts";
import { packageSchema } from "./package-schema.ts";
import { notServed, unary } from "./rpc.ts";
import type { Session } from "./session.ts";
import { fromStruct } from "./values.ts";

type Methods = Pick<
  IResourceProviderServer,
  | "handshake"
  | "attach"
  | "getPluginInfo"
  | "getSchema"
  | "getMapping"
  | "getMappings"
  | "checkConfig"
  | "diffConfig"
  | "configure"
  | "cancel"
  | "parameterize"
  | "invoke"
  | "call"
  | "construct"
  | "list"
>;

/** The methods about the provider itself. */
export function configMethods(session: Session): Methods {
  return {
    handshake: unary(async (request) => {
      if (request.getEngineAddress() !== "") session.attach(request.getEngineAddress());
      return new pb.ProviderHandshakeResponse();
    }),
    attach: unary(async (request) => {
      session.attach(request.getAddress());
      return new empty.Empty();
    }),
    getPluginInfo: unary(async () => {
      const info = new plugin.PluginInfo();
      info.setVersion(session.version);
      return info;
    }),
    getSchema: unary(async () => {
      const response = new pb.GetSchemaResponse();
      response.setSchema(JSON.stringify(packageSchema(session.version)));
      return response;
    }),
    getMapping: unary(async () => new pb.GetMappingResponse()),
    getMappings: unary(async () => new pb.GetMappingsResponse()),
    ...settingMethods(session),
    cancel: unary(async () => {
      session.cancel();
      return new empty.Empty();
    }),
    parameterize: notServed("a parameter"),
    invoke: notServed("functions"),
    call: notServed("methods"),
    construct: notServed("components"),
    list: (call: grpc.ServerWritableStream<pb.ListRequest, pb.ListResponse>) => call.end(),
  };
}

function settingMethods(session: Session): Pick<Methods, "checkConfig" | "diffConfig" | "configure"> {
  return {
    checkConfig: unary(async (request) => {
      const response = new pb.CheckResponse();
      response.setInputs(request.getNews());
      const failures = configFailures(decodeSettings(fromStruct(request.getNews())));
      response.setFailuresList(
        failures.map(({ property, reason }) => {
          const failure = new pb.CheckFailure();
          failure.setProperty(property);
          failure.setReason(reason);
          return failure;
        }),
      );
      return response;
    }),
    diffConfig: unary(async (request) => {
      const same =
        JSON.stringify(fromStruct(request.getOlds())) === JSON.stringify(fromStruct(request.getNews()));
      const response = new pb.DiffResponse();
      response.setChanges(
        same ? pb.DiffResponse.DiffChanges.DIFF_NONE : pb.DiffResponse.DiffChanges.DIFF_SOME,
      );
      return response;
    }),
    configure: unary(async (request) => {
      const settings = request.hasArgs()
        ? fromStruct(request.getArgs())
        : fromVariables(request.getVariablesMap().toArray());
      session.configure(decodeSettings(settings));
      const response = new pb.ConfigureResponse();
      response.setSupportspreview(true);
      // Secrets come as plain values; the engine marks the outputs of the same names again.
      response.setAcceptsecrets(false);
      response.setAcceptresources(false);
      response.setAcceptoutputs(false);
      return response;
    }),
  };
}
