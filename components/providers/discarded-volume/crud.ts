/** The operations of DiscardedVolume; loaded by the shim when one runs. */
import { connect } from "../../../tools/docker-plugin/engine.ts";
import { statusOf } from "../../../tools/docker-plugin/errors.ts";
import { providerConfig } from "../../../tools/docker-plugin/host.ts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { compare, Inputs, shape } from "./diff.ts";

/** Validates. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says whether another volume is to go. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Removes the volume; one that is gone already is as wanted. Throws, with the remedy, when something uses it. */
export async function create(props: Props) {
  const inputs = Inputs.parse(props);
  const { volume, engine } = inputs;
  const docker = connect(providerConfig({ host: engine }, process.env));
  try {
    await docker.getVolume(volume).remove();
  } catch (error) {
    if (statusOf(error) !== 404) throw new Error(cantBeRemoved(volume, error));
  }
  return { id: volume, outs: inputs };
}

function cantBeRemoved(volume: string, error: unknown): string {
  if (statusOf(error) === 409)
    return (
      `the volume ${volume}, whose mail was kept long enough, is in use: remove the containers that have it ` +
      `(\`docker ps -a --filter volume=${volume}\`), then run the update again`
    );
  return `the volume ${volume}, whose mail was kept long enough, can't be removed: ${error instanceof Error ? error.message : String(error)}`;
}
