/** Containers. */
import type Docker from "dockerode";
import type { Failure } from "../check.ts";
import { type ContainerProps, createOptions, furtherNetworks, updateOptions } from "../container-options.ts";
import { containerSchema } from "../container-schema.ts";
import { computedOutputs, importedInputs, isDown, portsWithExternal, withDrift } from "../container-state.ts";
import { engineText, statusOf, UserError, unlessMissing } from "../errors.ts";
import { inputsAsOutputs } from "../outputs.ts";
import { waitUntilUp } from "../readiness.ts";
import { type Context, type Resource, type State, URN_LABEL } from "../resource.ts";
import { uploadArchive, uploadFailures, uploadGroups } from "../uploads.ts";
import { type Props, withoutUndefined } from "../values.ts";

/** Containers, `docker:index/container:Container`. */
export const container: Resource = {
  schema: containerSchema,
  describe: (props) => `container ${props.name}`,
  check,
  create,
  read,
  update,
  delete: ({ docker, log }, state) => {
    log.status("stopping and removing the container");
    return remove(docker, state.id, state.outputs);
  },
};

async function check(inputs: Props): Promise<{ inputs: Props; failures: Failure[] }> {
  const { uploads } = inputs;
  if (!Array.isArray(uploads) || !uploads.every((each) => typeof each === "object"))
    return { inputs, failures: [] };
  return { inputs, failures: uploadFailures(uploads) };
}

async function create(context: Context, inputs: Props): Promise<{ id: string; outputs: Props }> {
  const props = inputs as unknown as ContainerProps;
  const id = await make(context, props);
  try {
    await equip(context, id, props);
    return { id, outputs: outputs(inputs, await start(context, id, props)) };
  } catch (error) {
    // Nothing half-made stays behind: the next run begins from the beginning.
    await remove(context.docker, id, { removeVolumes: true }).catch(() => {});
    throw error;
  }
}

async function make(context: Context, props: ContainerProps): Promise<string> {
  const options = { ...createOptions(props, context.urn), abortSignal: context.signal };
  try {
    return (await context.docker.createContainer(options)).id;
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    await clearLeftover(context, props.name, error);
    return (await context.docker.createContainer(options)).id;
  }
}

/** Removes the container that has the name if an interrupted run of this resource left it. */
async function clearLeftover({ docker, urn, log }: Context, name: string, conflict: unknown): Promise<void> {
  const found = await unlessMissing(docker.getContainer(name).inspect());
  if (found === undefined) throw conflict;
  if (found.Config.Labels?.[URN_LABEL] !== urn) {
    throw new UserError(
      `can't create container ${name}: the engine has one of that name which is not this stack's. ` +
        `Remove it (\`docker rm -f ${name}\`), take it over with \`pulumi import docker:index/container:Container\`, or choose another name.`,
    );
  }
  log.info(`the container ${name} of an interrupted run is replaced`);
  await remove(docker, found.Id, { removeVolumes: true });
}

async function equip({ docker, log, signal }: Context, id: string, props: ContainerProps): Promise<void> {
  for (const { name, endpoint } of furtherNetworks(props)) {
    await docker.getNetwork(name).connect({ Container: id, EndpointConfig: endpoint });
  }
  for (const group of uploadGroups(props)) {
    log.status(`copying ${group.uploads.length} files to ${group.path}`);
    await docker
      .getContainer(id)
      .putArchive(await uploadArchive(group), { path: group.path, abortSignal: signal });
  }
}

async function start(
  context: Context,
  id: string,
  props: ContainerProps,
): Promise<Docker.ContainerInspectInfo> {
  const handle = context.docker.getContainer(id);
  if (props.start === false) return handle.inspect();
  await handle.start({ abortSignal: context.signal });
  await waitUntilUp(context, id, props);
  // Addresses are told only of a container that runs, so ask again.
  return handle.inspect();
}

async function read({ docker }: Context, state: State): Promise<State | undefined> {
  const info = await unlessMissing(docker.getContainer(state.id).inspect());
  if (info === undefined) return undefined;
  if ("image" in state.inputs) {
    const inputs = withDrift(state.inputs, info);
    return { id: info.Id, inputs, outputs: outputs(inputs, info) };
  }
  const inputs = importedInputs(info, await unlessMissing(docker.getImage(info.Image).inspect()));
  return { id: info.Id, inputs, outputs: outputs(inputs, info) };
}

async function update(context: Context, state: State, inputs: Props): Promise<Props> {
  const props = inputs as unknown as ContainerProps;
  const handle = context.docker.getContainer(state.id);
  await handle.update({ ...updateOptions(props), abortSignal: context.signal });
  const info = await handle.inspect();
  const wanted = (props.mustRun ?? true) && (props.start ?? true);
  return outputs(inputs, isDown(info) && wanted ? await start(context, state.id, props) : info);
}

async function remove(docker: Docker, id: string, outputs: Props): Promise<void> {
  const handle = docker.getContainer(id);
  const grace = outputs.destroyGraceSeconds;
  if (typeof grace === "number" && grace > 0) await ended(handle.stop({ t: grace }));
  await ended(handle.remove({ force: true, v: outputs.removeVolumes !== false }));
  // The engine may still be at it, on its own account or another client's.
  await ended(handle.wait({ condition: "removed" }));
}

/** Waits for a request that may find its work done: not running (304), gone (404), or going (409). */
async function ended(request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const going = statusOf(error) === 409 && /already in progress/.test(engineText(error));
    if (!going && statusOf(error) !== 304 && statusOf(error) !== 404) throw error;
  }
}

function outputs(inputs: Props, info: Docker.ContainerInspectInfo): Props {
  const { ports } = inputs as unknown as ContainerProps;
  return withoutUndefined({
    ...inputsAsOutputs(containerSchema, inputs),
    ...computedOutputs(info),
    ports: portsWithExternal(ports, info),
  });
}
