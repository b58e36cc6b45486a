/** One-file bundles of the daemons, for images that hold no package manager. */
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

/** Paths in the bundle are relative to this folder, so that the same sources give the same bytes anywhere. */
export const PROJECT = fileURLToPath(new URL("..", import.meta.url));

// CommonJS dependencies inside an ESM bundle still call `require` for Node's own modules, and ask where they are.
const BANNER = [
  `import { createRequire as __createRequire } from "node:module";`,
  `const require = __createRequire(import.meta.url);`,
  `const __filename = import.meta.filename, __dirname = import.meta.dirname;`,
].join("\n");

const BUILTIN = "builtin";
const LEFT_OUT = "left-out";
/**
 * An `import` of `node:http` reads each of its exports, and with them loads a whole HTTP client that no daemon uses: 13 MB
 * for each process and each thread. Asked for by name it does not.
 */
const lazyHttp: Plugin = {
  name: "lazy-http",
  setup: ({ onResolve, onLoad }) => {
    const namespace = BUILTIN;
    onResolve({ filter: /^(node:)?https?$/ }, ({ path }) => ({ path: path.replace("node:", ""), namespace }));
    onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule("node:${path}");`,
    }));
  },
};

/** zod's error texts in all the world's languages: the daemons' errors are in English, which is apart from these. */
const oneLanguage: Plugin = {
  name: "one-language",
  setup: ({ onLoad }) => {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({ contents: "export {};" }));
  },
};

/** The engine's client could reach one elsewhere by ssh, with machine code of its own. What runs in a container speaks to its host's. */
const noSsh: Plugin = {
  name: "no-ssh",
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^ssh2$/ }, ({ path }) => ({ path, namespace: LEFT_OUT }));
    onLoad({ filter: /./, namespace: LEFT_OUT }, () => ({ contents: "module.exports = {};" }));
  },
};

/** A bundle, and the files that are in it, relative to the project's folder. */
export interface Bundle {
  readonly code: Uint8Array;
  readonly inputs: readonly string[];
}

/** Bundles `entry` (relative to the project's folder) for Node 24. The same sources give the same bytes. */
export async function bundleDaemon(entry: string): Promise<Uint8Array> {
  return (await bundleWithInputs(entry)).code;
}

/** The same, and what it is made of. */
export async function bundleWithInputs(entry: string): Promise<Bundle> {
  const result = await build({
    absWorkingDir: PROJECT,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    target: "node24",
    plugins: [lazyHttp, oneLanguage, noSsh],
    banner: { js: BANNER },
    legalComments: "none",
    // The text stays in the memory of each process and thread: half as long, and one byte a character. Names stay, for
    // the traces of errors.
    minifyWhitespace: true,
    minifySyntax: true,
    charset: "ascii",
    logLevel: "silent",
  });
  const [file] = result.outputFiles;
  if (!file) throw new Error(`${entry} gave no bundle`);
  const inputs = Object.keys(result.metafile.inputs).filter(
    (path) => ![BUILTIN, LEFT_OUT].some((namespace) => path.startsWith(`${namespace}:`)),
  );
  return { code: file.contents, inputs };
}
