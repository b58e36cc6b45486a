/** Images built by the engine's classic builder. */
import { createHash } from "node:crypto";
import type { ImageArgs } from "@pulumi/docker";
import type { Unwrap } from "@pulumi/pulumi";
import type Docker from "dockerode";
import { contextArchive, contextHash, dockerfileOf } from "../build-context.ts";
import type { Failure } from "../check.ts";
import { UserError, unlessMissing } from "../errors.ts";
import { inputsAsOutputs } from "../outputs.ts";
import { follow, type Outcome } from "../progress.ts";
import { CONTEXT_LABEL, type Context, type Resource } from "../resource.ts";
import { flag, list, map, object, type Prop, type Schema, text, unsupported } from "../schema.ts";
import { hasUnknown, isRecord, type Props } from "../values.ts";

const update = { change: "update" } as const;

const build = {
  context: text(update),
  dockerfile: text(update),
  args: map(update),
  target: text(update),
  platform: text(update),
  network: text(update),
  addHosts: list(update),
  builderVersion: text({
    ...update,
    validate: (value: string) =>
      value === "BuilderV1"
        ? undefined
        : `only "BuilderV1" is served without the official docker plugin, not ${value}`,
  }),
  cacheFrom: unsupported,
  // Not the program's: the check adds it, so that a changed file shows as a change.
  contextDigest: text(update),
};

const inputs = {
  imageName: text({ required: true, ...update }),
  build: object(build, update),
  buildOnPreview: flag(update),
  skipPush: flag(update),
  registry: unsupported,
} satisfies Record<keyof ImageArgs, Prop>;

const schema: Schema = {
  token: "docker:index/image:Image",
  inputs,
  computed: ["baseImageName", "context", "dockerfile", "registryServer", "repoDigest"],
  volatile: ["baseImageName", "context", "dockerfile", "repoDigest"],
  named: false,
};

type ImageProps = Unwrap<ImageArgs> & { build?: { contextDigest?: string } };

/** Images, `docker:index/image:Image`. */
export const image: Resource = {
  schema,
  describe: (props) => `image ${props.imageName}`,
  check,
  create: async (context, props) => ({ id: String(props.imageName), outputs: await make(context, props) }),
  update: (context, _state, props) => make(context, props),
  // As with the official plugin, images stay: other stacks and running containers may use them.
  delete: async () => {},
  read: async ({ docker }, state) => {
    const name = String(state.outputs.imageName ?? state.id);
    const found = await unlessMissing(docker.getImage(name).inspect());
    if (found === undefined) return undefined;
    if (state.outputs.imageName === undefined) {
      return {
        id: name,
        inputs: { imageName: name, skipPush: true },
        outputs: { imageName: name, repoDigest: found.Id },
      };
    }
    return { ...state, outputs: { ...state.outputs, repoDigest: found.Id } };
  },
};

async function check(props: Props): Promise<{ inputs: Props; failures: Failure[] }> {
  const push: Failure[] =
    props.skipPush === true || hasUnknown(props.skipPush)
      ? []
      : [
          {
            property: "skipPush",
            reason: '"skipPush" must be true: the air-gapped docker plugin pushes nothing',
          },
        ];
  const { context = ".", dockerfile } = isRecord(props.build) ? props.build : {};
  if (typeof context !== "string" || hasUnknown([context, dockerfile]))
    return { inputs: props, failures: push };
  try {
    const contextDigest = await contextHash({ context, dockerfile: dockerfile as string | undefined });
    return {
      inputs: { ...props, build: { ...(props.build as Props | undefined), contextDigest } },
      failures: push,
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { inputs: props, failures: [...push, { property: "build", reason: error.message }] };
  }
}

/** Builds the image, unless the engine has it from the same files and arguments. */
async function make(context: Context, inputs: Props): Promise<Props> {
  const props = inputs as unknown as ImageProps;
  const digest = contentDigest(props);
  const found = await unlessMissing(context.docker.getImage(props.imageName).inspect());
  if (found?.Config.Labels?.[CONTEXT_LABEL] === digest) {
    context.log.status(`${props.imageName} is already on the engine, built from the same files`);
    return outputs(inputs, found.Id);
  }
  context.log.status(`building ${props.imageName}`);
  const outcome = await follow(await startBuild(context, props, digest), context.log);
  if (outcome.error !== undefined) throw new UserError(buildFailure(props, outcome, outcome.error));
  const built = await context.docker.getImage(props.imageName).inspect();
  return outputs(inputs, built.Id);
}

async function startBuild({ docker, signal }: Context, props: ImageProps, digest: string): Promise<never> {
  const source = sourceOf(props);
  const { args, target, platform, network, addHosts } = props.build ?? {};
  const options: Docker.ImageBuildOptions = {
    t: props.imageName,
    dockerfile: dockerfileOf(source).name,
    version: "1",
    rm: true,
    forcerm: true,
    labels: { [CONTEXT_LABEL]: digest },
    abortSignal: signal,
    ...(args === undefined ? {} : { buildargs: args }),
    ...(target === undefined ? {} : { target }),
    ...(platform === undefined ? {} : { platform }),
    ...(network === undefined ? {} : { networkmode: network }),
    ...(addHosts === undefined ? {} : { extrahosts: JSON.stringify(addHosts) }),
  };
  return (await docker.buildImage(contextArchive(source), options)) as never;
}

function sourceOf({ build }: ImageProps): { context: string; dockerfile?: string | undefined } {
  return { context: build?.context ?? ".", dockerfile: build?.dockerfile };
}

/** All that the image's content depends on, in one hash. */
function contentDigest({ build }: ImageProps): string {
  const { contextDigest, args = {}, target, platform } = build ?? {};
  const sorted = Object.entries(args).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([contextDigest, sorted, target, platform]))
    .digest("hex");
}

function buildFailure(props: ImageProps, outcome: Outcome, error: string): string {
  const at = outcome.step === undefined ? "" : ` at step ${outcome.step}`;
  if (outcome.from !== undefined && /^Step \S+ : FROM/i.test(`Step ${outcome.step}`)) {
    return (
      `can't build image ${props.imageName}${at}: the base image ${outcome.from} is not on this engine and can't be pulled (${error}). ` +
      `Pull it, or load it from a file (\`docker load\`), or name another base image that is there.`
    );
  }
  return [
    `can't build image ${props.imageName}${at}: ${error}`,
    ...outcome.tail.map((line) => `  ${line}`),
  ].join("\n");
}

function outputs(inputs: Props, imageId: string): Props {
  const source = sourceOf(inputs as unknown as ImageProps);
  return {
    ...inputsAsOutputs(schema, inputs),
    baseImageName: inputs.imageName,
    context: source.context,
    dockerfile: dockerfileOf(source).name,
    registryServer: "",
    repoDigest: imageId,
  };
}
