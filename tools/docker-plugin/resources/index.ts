/** Every kind of resource, by its type token. */
import type { Resource } from "../resource.ts";
import { container } from "./container.ts";
import { image } from "./image.ts";
import { network } from "./network.ts";
import { remoteImage } from "./remote-image.ts";
import { volume } from "./volume.ts";

/** The resources by token. */
export const resources: ReadonlyMap<string, Resource> = new Map(
  [container, image, network, remoteImage, volume].map((resource) => [resource.schema.token, resource]),
);
