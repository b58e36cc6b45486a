/** The part of the protocol that is about resources. */

import type { IResourceProviderServer } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import pb from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { type Failure, failures, named } from "./check.ts";
import { type Difference, difference } from "./diff.ts";
import { explain, UserError } from "./errors.ts";
import { previewOfCreate, previewOfUpdate } from "./outputs.ts";
import type { Context, Resource } from "./resource.ts";
import { resources } from "./resources/index.ts";
import { unary } from "./rpc.ts";
import type { Session } from "./session.ts";
import { fromStruct, type Props, toStruct } from "./values.ts";

type Methods = Pick<IResourceProviderServer, "check" | "diff" | "create" | "read" | "update" | "delete">;

/** The methods about resources. */
export function resourceMethods(session: Session): Methods {
  return { check: unary(check), diff: unary(diff), ...changes(session), read: reading(session) };
}

async function check(request: pb.CheckRequest): Promise<pb.CheckResponse> {
  const { resource, name } = addressed(request.getUrn());
  const news = fromStruct(request.getNews());
  const naming = {
    resourceName: name,
    olds: fromStruct(request.getOlds()),
    randomSeed: request.getRandomseed_asU8(),
  };
  const inputs = resource.schema.named ? named(news, naming) : news;
  const faults = failures(resource.schema, inputs);
  const checked = await resource.check?.(inputs);
  const response = new pb.CheckResponse();
  response.setInputs(toStruct(checked?.inputs ?? inputs));
  response.setFailuresList([...faults, ...(checked?.failures ?? [])].map(failureMessage));
  return response;
}

function failureMessage({ property, reason }: Failure): pb.CheckFailure {
  const failure = new pb.CheckFailure();
  failure.setProperty(property);
  failure.setReason(reason);
  return failure;
}

async function diff(request: pb.DiffRequest): Promise<pb.DiffResponse> {
  const { resource } = addressed(request.getUrn());
  const olds = fromStruct(request.hasOldInputs() ? request.getOldInputs() : request.getOlds());
  return diffMessage(difference(resource.schema, olds, fromStruct(request.getNews())));
}

const KINDS = {
  add: [pb.PropertyDiff.Kind.ADD, pb.PropertyDiff.Kind.ADD_REPLACE],
  delete: [pb.PropertyDiff.Kind.DELETE, pb.PropertyDiff.Kind.DELETE_REPLACE],
  update: [pb.PropertyDiff.Kind.UPDATE, pb.PropertyDiff.Kind.UPDATE_REPLACE],
} as const;

function diffMessage({ changes, replaces, deleteBeforeReplace }: Difference): pb.DiffResponse {
  const response = new pb.DiffResponse();
  const { DIFF_NONE, DIFF_SOME } = pb.DiffResponse.DiffChanges;
  response.setChanges(changes.length === 0 ? DIFF_NONE : DIFF_SOME);
  response.setReplacesList([...replaces]);
  response.setDiffsList([...new Set(changes.map(({ path }) => path.split(/[.[]/, 1)[0] ?? path))]);
  response.setDeletebeforereplace(deleteBeforeReplace);
  response.setHasdetaileddiff(true);
  for (const { path, kind, change } of changes) {
    const property = new pb.PropertyDiff();
    property.setKind(KINDS[kind][change === "replace" ? 1 : 0]);
    property.setInputdiff(true);
    response.getDetaileddiffMap().set(path, property);
  }
  return response;
}

function changes(session: Session): Pick<Methods, "create" | "update" | "delete"> {
  return {
    create: unary(async (request) => {
      const { resource } = addressed(request.getUrn());
      const inputs = fromStruct(request.getProperties());
      const response = new pb.CreateResponse();
      if (request.getPreview()) {
        response.setProperties(toStruct(previewOfCreate(resource.schema, inputs)));
        return response;
      }
      const made = await attempt(session, request, `create ${resource.describe(inputs)}`, (context) =>
        resource.create(context, inputs),
      );
      response.setId(made.id);
      response.setProperties(toStruct(made.outputs));
      return response;
    }),
    update: unary(async (request) => {
      const { resource } = addressed(request.getUrn());
      const [inputs, outputs] = [fromStruct(request.getNews()), fromStruct(request.getOlds())];
      const response = new pb.UpdateResponse();
      if (request.getPreview()) {
        response.setProperties(toStruct(previewOfUpdate(resource.schema, outputs, inputs)));
        return response;
      }
      const state = { id: request.getId(), inputs: fromStruct(request.getOldInputs()), outputs };
      const updated = await attempt(session, request, `update ${resource.describe(inputs)}`, (context) =>
        resource.update(context, state, inputs),
      );
      response.setProperties(toStruct(updated));
      return response;
    }),
    delete: unary(async (request) => {
      const { resource } = addressed(request.getUrn());
      const outputs = fromStruct(request.getProperties());
      const state = { id: request.getId(), inputs: fromStruct(request.getOldInputs()), outputs };
      await attempt(
        session,
        request,
        `remove ${resource.describe(describable(outputs, state.id))}`,
        (context) => resource.delete(context, state),
      );
      return new empty.Empty();
    }),
  };
}

function reading(session: Session): Methods["read"] {
  return unary(async (request) => {
    const { resource } = addressed(request.getUrn());
    const outputs = fromStruct(request.getProperties());
    const state = { id: request.getId(), inputs: fromStruct(request.getInputs()), outputs };
    const found = await attempt(
      session,
      request,
      `read ${resource.describe(describable(outputs, state.id))}`,
      (context) => resource.read(context, state),
    );
    const response = new pb.ReadResponse();
    if (found === undefined) return response;
    response.setId(found.id);
    response.setProperties(toStruct(found.outputs));
    response.setInputs(toStruct(found.inputs));
    return response;
  });
}

/** A resource that is imported has no properties yet, only its id. */
function describable(outputs: Props, id: string): Props {
  return { name: id, imageName: id, ...outputs };
}

interface Timed {
  getUrn(): string;
  getTimeout(): number;
}

async function attempt<T>(
  session: Session,
  request: Timed,
  action: string,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const signal = session.signal(request.getTimeout());
  try {
    const urn = request.getUrn();
    return await work({ urn, docker: session.docker, log: session.log.for(urn), signal });
  } catch (error) {
    if (signal.aborted) throw new UserError(`can't ${action}: ${abortReason(signal)}`);
    throw new UserError(explain(error, { action, host: session.host }));
  }
}

function abortReason(signal: AbortSignal): string {
  const reason: unknown = signal.reason;
  if (reason instanceof UserError) return reason.message;
  return "it took longer than the resource's customTimeouts allow";
}

function addressed(urn: string): { resource: Resource; name: string } {
  const [, , type = "", ...rest] = urn.split("::");
  const token = type.slice(type.lastIndexOf("$") + 1);
  const resource = resources.get(token);
  if (resource === undefined) {
    const served = [...resources.keys()].join(", ");
    throw new UserError(
      `the air-gapped docker plugin does not serve ${token}, only ${served}; use the official docker plugin`,
    );
  }
  return { resource, name: rest.join("::") };
}
