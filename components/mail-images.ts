import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { MailHost } from "./mail-host.ts";
import { TYPES } from "./types.ts";

/** Images that containers are made from. */
export const SERVICE_IMAGES = [
  "directory",
  "box",
  "access",
  "guard",
  "resolver",
  "smtp-in",
  "smtp-out",
  "livedns",
  "operator",
  "portal",
  "backup",
  "backup-timer",
  "certifier",
] as const;
export type ServiceImage = (typeof SERVICE_IMAGES)[number];

/** What to build: a folder, and the tag that its content gives. */
export interface BuildPlan {
  /** `semail/<name>:<hash of the context>`: another content is another tag, so only what uses it is replaced. */
  readonly tag: string;
  /** Path of the build context, relative to the project's folder. */
  readonly context: string;
  readonly buildArgs: Readonly<Record<string, string>>;
  /** Name of the plan that this one builds on. */
  readonly on?: "base" | "node";
}

/** An image that is there already, by its tag. */
export interface Prebuilt {
  readonly tag: string;
}

/** An image to run. */
export interface ImageRef {
  /**
   * The engine's id of the image. A container is given this and not the tag, since the official docker plugin keeps
   * the id in its state and would take a tag for a change at every update.
   */
  readonly id: pulumi.Output<string>;
  readonly resource: pulumi.Resource;
}

export type ImagePlans = Readonly<Partial<Record<ServiceImage, BuildPlan | Prebuilt>>> & {
  readonly base?: BuildPlan;
  readonly node?: BuildPlan;
};

/** The container images of the stack, built on the host from the folders in `mailserver/images`. */
export class MailImages extends pulumi.ComponentResource {
  private readonly built = new Map<string, docker.Image>();
  private readonly plans: ImagePlans;
  private readonly host: MailHost;

  constructor(
    name: string,
    args: { host: MailHost; plans: ImagePlans },
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super(TYPES.mailImages, name, {}, opts);
    this.plans = args.plans;
    this.host = args.host;
    this.registerOutputs({});
  }

  /** The image of that name; it becomes part of the stack when it is asked for first. */
  image(name: ServiceImage): ImageRef {
    const plan = this.plans[name];
    if (!plan) throw new RangeError(`no plan for image ${name}`);
    if ("context" in plan) {
      const resource = this.build(name, plan);
      return { id: resource.repoDigest, resource };
    }
    const resource = new docker.RemoteImage(
      `image-${name}`,
      { name: plan.tag, keepLocally: true },
      { parent: this, provider: this.host.provider },
    );
    return { id: resource.imageId, resource };
  }

  private build(name: string, plan: BuildPlan): docker.Image {
    const known = this.built.get(name);
    if (known) return known;
    const base = plan.on && this.plans[plan.on];
    const image = new docker.Image(
      `image-${name}`,
      {
        imageName: plan.tag,
        skipPush: true,
        build: {
          context: plan.context,
          dockerfile: `${plan.context}/Dockerfile`,
          builderVersion: docker.BuilderVersion.BuilderV1,
          args: plan.buildArgs,
        },
      },
      {
        parent: this,
        provider: this.host.provider,
        dependsOn: plan.on && base ? [this.build(plan.on, base)] : [],
      },
    );
    this.built.set(name, image);
    return image;
  }
}
