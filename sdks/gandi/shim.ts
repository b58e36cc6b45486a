import type { dynamic } from "@pulumi/pulumi";

type Props = { [key: string]: unknown };

interface Crud {
  check: (olds: Props, news: Props) => Promise<dynamic.CheckResult>;
  diff: (id: string, olds: Props, news: Props) => Promise<dynamic.DiffResult>;
  create: (inputs: Props) => Promise<dynamic.CreateResult>;
  read: (id: string, props: Props) => Promise<dynamic.ReadResult>;
  update: (id: string, olds: Props, news: Props) => Promise<dynamic.UpdateResult>;
  remove: (id: string, props: Props) => Promise<void>;
}

/** Works only with what it is given and globals: its own text is what Pulumi runs. */
function provider(module: string): dynamic.ResourceProvider {
  const load = async (): Promise<Crud> => {
    const { createRequire } = process.getBuiltinModule("node:module");
    const { pathToFileURL } = process.getBuiltinModule("node:url");
    return import(pathToFileURL(createRequire(`${process.cwd()}/`).resolve(module)).href);
  };
  return {
    check: async (olds: Props, news: Props) => (await load()).check(olds, news),
    diff: async (id: string, olds: Props, news: Props) => (await load()).diff(id, olds, news),
    create: async (inputs: Props) => (await load()).create(inputs),
    read: async (id: string, props: Props) => (await load()).read(id, props),
    update: async (id: string, olds: Props, news: Props) => (await load()).update(id, olds, news),
    delete: async (id: string, props: Props) => (await load()).remove(id, props),
  };
}

/**
 * A dynamic provider that imports its operations from a module of this package when one runs, as Pulumi keeps it in the
 * state of every resource: this one holds the module's name and nothing else, no code, no secret.
 *
 * The module is resolved from the project's folder. There this package must be a link (an npm workspace or a `file:`
 * dependency): resolution follows the link out of node_modules, inside which Node runs no TypeScript.
 */
export function shim(module: string): string {
  return `exports.handler = () => (${provider})(${JSON.stringify(module)});`;
}
