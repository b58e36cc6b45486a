/**
 * Preloaded into Pulumi's Node.js processes (see soonerStart): the SDK reads TypeScript and npm's dependency resolver
 * whenever it starts, to be able to serialise functions. That is two thirds of the time in which it starts, and this
 * project serialises none. Here they are read when something of theirs is used.
 */
const Module = require("node:module");
const { join } = require("node:path");

const SLOW = new Set(["@npmcli/arborist", "../../typescript-shim"]);
const USER = join("@pulumi", "pulumi", "runtime", "closure");

const load = Module._load;
Module._load = function loadSlowOnesLater(request, parent, ...rest) {
  const now = () => load.call(this, request, parent, ...rest);
  if (!SLOW.has(request) || !parent?.path?.endsWith(USER)) return now();
  let known;
  const get = (_, key) => {
    // What TypeScript compiled an `import` to asks for this first, and takes what says yes as it is.
    if (key === "__esModule") return true;
    known ??= now();
    return known[key];
  };
  return new Proxy({}, { get });
};
