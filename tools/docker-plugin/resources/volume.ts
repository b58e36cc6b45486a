/** Volumes. */
import type { VolumeArgs } from "@pulumi/docker";
import type { Unwrap } from "@pulumi/pulumi";
import type Docker from "dockerode";
import { engineText, statusOf, UserError, unlessMissing } from "../errors.ts";
import { inputsAsOutputs } from "../outputs.ts";
import { type Context, labelList, labelMap, type Resource, URN_LABEL } from "../resource.ts";
import { labels, map, type Prop, type Schema, text, unsupported } from "../schema.ts";
import { type Props, withoutUndefined } from "../values.ts";

const inputs = {
  name: text(),
  driver: text({ default: "local" }),
  driverOpts: map(),
  labels,
  cluster: unsupported,
} satisfies Record<keyof VolumeArgs, Prop>;

const schema: Schema = { token: "docker:index/volume:Volume", inputs, computed: ["mountpoint"], named: true };

type VolumeProps = Unwrap<VolumeArgs> & { name: string };

/** Volumes, `docker:index/volume:Volume`. */
export const volume: Resource = {
  schema,
  describe: (props) => `volume ${props.name}`,
  create,
  update: async ({ docker }, state, props) => outputs(props, await docker.getVolume(state.id).inspect()),
  read: async ({ docker }, state) => {
    const found = await unlessMissing(docker.getVolume(state.id).inspect());
    if (found === undefined) return undefined;
    const read = "name" in state.inputs ? state.inputs : imported(found);
    return { id: found.Name, inputs: read, outputs: outputs(read, found) };
  },
  delete: async ({ docker }, state) => {
    try {
      await unlessMissing(docker.getVolume(state.id).remove());
    } catch (error) {
      if (statusOf(error) !== 409) throw error;
      throw new UserError(
        `can't remove volume ${state.id}: ${engineText(error)}. Remove the containers that use it (\`docker ps -a --filter volume=${state.id}\`), then run again.`,
      );
    }
  },
};

async function create(context: Context, inputs: Props): Promise<{ id: string; outputs: Props }> {
  const props = inputs as unknown as VolumeProps;
  const { docker, urn } = context;
  // The engine answers a second creation with the first volume, whoever made it: its data would change hands.
  const found = await unlessMissing(docker.getVolume(props.name).inspect());
  if (found !== undefined && found.Labels?.[URN_LABEL] !== urn) {
    throw new UserError(
      `can't create volume ${props.name}: the engine has one of that name which is not this stack's. ` +
        `Take it over with \`pulumi import docker:index/volume:Volume\`, choose another name, or remove it (\`docker volume rm ${props.name}\` destroys its data).`,
    );
  }
  if (found !== undefined) {
    context.log.info(`the volume ${props.name} of an earlier run is there and is used again, with its data`);
    return { id: found.Name, outputs: outputs(inputs, found) };
  }
  await docker.createVolume({
    Name: props.name,
    Driver: props.driver ?? "local",
    DriverOpts: props.driverOpts ?? {},
    Labels: { ...labelMap(props.labels), [URN_LABEL]: urn },
    abortSignal: context.signal,
  });
  return { id: props.name, outputs: outputs(inputs, await docker.getVolume(props.name).inspect()) };
}

function outputs(inputs: Props, found: Docker.VolumeInspectInfo): Props {
  return {
    ...inputsAsOutputs(schema, inputs),
    name: found.Name,
    driver: found.Driver,
    mountpoint: found.Mountpoint,
  };
}

function imported(found: Docker.VolumeInspectInfo): Props {
  const own = labelList(found.Labels);
  return withoutUndefined({
    name: found.Name,
    driver: found.Driver === "local" ? undefined : found.Driver,
    driverOpts: found.Options ?? undefined,
    labels: own.length === 0 ? undefined : own,
  });
}
