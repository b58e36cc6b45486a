import type * as pulumi from "@pulumi/pulumi";

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

/**
 * A dynamic provider whose code stays in the project. Pulumi serialises the provider into every resource's state:
 * this closure only names the file that does the work, so neither code nor secrets land there, and `destroy`
 * runs today's code. `file` is relative to the project's folder; its path is therefore part of the state.
 * Make one provider per class: Pulumi caches the serialised form by instance.
 */
export function shim(file: string): pulumi.dynamic.ResourceProvider {
  // Captures `file` and globals only; an imported function would be serialised with all that it reaches.
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
