/** Images that come from elsewhere: on the engine already, or pulled. */
import type { RemoteImageArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { engineText, statusOf, UserError, unlessMissing } from "../errors.ts";
import { inputsAsOutputs } from "../outputs.ts";
import { follow } from "../progress.ts";
import type { Context, Resource, State } from "../resource.ts";
import { flag, map, type Prop, type Schema, set, text, unsupported } from "../schema.ts";
import type { Props } from "../values.ts";

const inputs = {
  name: text({ required: true }),
  platform: text(),
  forceRemove: flag({ change: "update" }),
  keepLocally: flag({ change: "update" }),
  pullTriggers: set(),
  triggers: map(),
  build: unsupported,
} satisfies Record<keyof RemoteImageArgs, Prop>;

const schema: Schema = {
  token: "docker:index/remoteImage:RemoteImage",
  inputs,
  computed: ["imageId", "repoDigest"],
  named: false,
};

/** Images from elsewhere, `docker:index/remoteImage:RemoteImage`. */
export const remoteImage: Resource = {
  schema,
  describe: (props) => `image ${props.name}`,
  create: async (context, props) => {
    const name = String(props.name);
    const found =
      (await unlessMissing(context.docker.getImage(name).inspect())) ?? (await pulled(context, props));
    return { id: found.Id + name, outputs: outputs(props, found) };
  },
  update: async ({ docker }, _state, props) =>
    outputs(props, await docker.getImage(String(props.name)).inspect()),
  read: async ({ docker }, state) => {
    const name = String(state.outputs.name ?? state.id.replace(/^sha256:[0-9a-f]{64}/, ""));
    const found = await unlessMissing(docker.getImage(name).inspect());
    if (found === undefined) return undefined;
    const read = "name" in state.inputs ? state.inputs : { name };
    return { id: found.Id + name, inputs: read, outputs: outputs(read, found) };
  },
  delete: async ({ docker }, state) => {
    if (state.outputs.keepLocally !== true) await remove(docker, state);
  },
};

async function pulled({ docker, log, signal }: Context, props: Props): Promise<Docker.ImageInspectInfo> {
  const name = String(props.name);
  const missing = (why: string): UserError =>
    new UserError(
      `the image ${name} is not on this engine and can't be pulled (${why}). ` +
        "Pull it where there is a network and load it here (`docker save`, `docker load`), or name one that is there.",
    );
  log.status(`pulling ${name}`);
  try {
    const options = props.platform === undefined ? {} : { platform: String(props.platform) };
    const stream = await docker.pull(withTag(name), { ...options, abortSignal: signal });
    const { error } = await follow(stream as never, log);
    if (error !== undefined) throw missing(error);
  } catch (error) {
    throw statusOf(error) === undefined ? error : missing(engineText(error));
  }
  return docker.getImage(name).inspect();
}

/** Without a tag the engine would pull every tag there is. */
function withTag(name: string): string {
  return /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
}

async function remove(docker: Docker, state: State): Promise<void> {
  const name = String(state.outputs.name);
  try {
    await unlessMissing(docker.getImage(name).remove({ force: state.outputs.forceRemove === true }));
  } catch (error) {
    if (statusOf(error) !== 409) throw error;
    throw new UserError(
      `can't remove image ${name}: ${engineText(error)}. Remove what uses it, or set keepLocally to leave it there.`,
    );
  }
}

function outputs(props: Props, found: Docker.ImageInspectInfo): Props {
  return { ...inputsAsOutputs(schema, props), imageId: found.Id, repoDigest: found.RepoDigests?.[0] ?? "" };
}
