import * as pulumi from "@pulumi/pulumi";

/** Inputs or outputs of a dynamic resource, secrets unwrapped. */
export type Props = Record<string, unknown>;

/** What a `crud.ts` exports. What it leaves out has nothing to do outside the state. */
interface Crud {
  check: (olds: Props, news: Props) => Promise<pulumi.dynamic.CheckResult>;
  diff: (id: string, olds: Props, news: Props) => Promise<pulumi.dynamic.DiffResult>;
  create: (inputs: Props) => Promise<pulumi.dynamic.CreateResult>;
  read?: (id: string, props: Props) => Promise<pulumi.dynamic.ReadResult>;
  update?: (id: string, olds: Props, news: Props) => Promise<pulumi.dynamic.UpdateResult>;
  delete?: (id: string, props: Props) => Promise<void>;
}

/** Works only with what it is given and globals: its own text is what Pulumi runs. */
function provider(file: string): pulumi.dynamic.ResourceProvider {
  const load = (): Promise<Crud> =>
    import(process.getBuiltinModule("node:url").pathToFileURL(`${process.cwd()}/${file}`).href);
  return {
    check: async (olds: Props, news: Props) => (await load()).check(olds, news),
    diff: async (id: string, olds: Props, news: Props) => (await load()).diff(id, olds, news),
    create: async (inputs: Props) => (await load()).create(inputs),
    read: async (id: string, props: Props) => (await load()).read?.(id, props) ?? { id, props },
    update: async (id: string, olds: Props, news: Props) =>
      (await load()).update?.(id, olds, news) ?? { outs: news },
    delete: async (id: string, props: Props) => (await load()).delete?.(id, props),
  };
}

/**
 * A dynamic provider whose code stays in the project, as Pulumi keeps it in every resource's state: this one only names
 * the file that does the work, so neither code nor secrets land there, and `destroy` runs today's code. `file` is
 * relative to the project's folder; its path is therefore part of the state.
 */
export function shim(file: string): string {
  return `exports.handler = () => (${provider})(${JSON.stringify(file)});`;
}

/**
 * A resource of such a provider, as `pulumi.dynamic.Resource` would make it. That one serialises the provider by reading
 * it with TypeScript's compiler, a second of every run, into seven times as much for each resource of the state.
 */
export class ShimResource extends pulumi.CustomResource {
  constructor(
    provider: string,
    name: string,
    props: pulumi.Inputs,
    opts: pulumi.CustomResourceOptions | undefined,
    type: string,
  ) {
    super(`pulumi-nodejs:dynamic/semail:${type}`, name, { ...props, __provider: provider }, opts);
  }
}
