/**
 * Writes the file by which `pulumi import --file` takes records over that are in a zone already:
 *
 *     node sdks/gandi/import.ts mx=example.org/@/MX spf=example.org/@/TXT > records.json
 *     pulumi import --file records.json
 *
 * Each is the name of the resource, and the record's zone, name and type. Pulumi itself can't import a dynamic resource
 * by its id: it asks the provider without saying which one it is. The token is read from GANDI_PERSONAL_ACCESS_TOKEN, and
 * is not in the file.
 */
import { pathToFileURL } from "node:url";
import { read } from "./crud.ts";
import { RECORD_TYPE } from "./diff.ts";
import type { Deps } from "./http.ts";
import { provider } from "./record.ts";

/** The file's content. Throws when an argument is malformed, or a zone has no such record. */
export async function importFile(args: readonly string[], deps?: Deps): Promise<object> {
  const resources = await Promise.all(
    args.map(async (arg) => {
      const [, name, id] = /^([^=]+)=(.+)$/.exec(arg) ?? [];
      if (name === undefined || id === undefined)
        throw new Error(`"${arg}" is not of the form NAME=ZONE/RECORD/TYPE, as in mx=example.org/@/MX`);
      const found = await read(id, {}, deps);
      if (found.props === undefined) throw new Error(`LiveDNS has no record ${id}`);
      const state = { ...found.props, __provider: provider };
      return { type: RECORD_TYPE, name, id: found.id, inputs: state, outputs: state };
    }),
  );
  return { resources };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    console.log(JSON.stringify(await importFile(process.argv.slice(2)), null, 2));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
