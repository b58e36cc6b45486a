/** The resources that the program declares, as it declares them. */
import * as pulumi from "@pulumi/pulumi";
import type { Named } from "./mailbox-resources.ts";

export interface Declared extends Named {
  readonly resource: pulumi.Resource;
}

/** Follows the program from here on: the list grows as it goes. */
export function followDeclared(): readonly Declared[] {
  const declared: Declared[] = [];
  pulumi.runtime.registerStackTransformation(({ resource, type, name }) => {
    declared.push({ resource, type, name });
    return undefined;
  });
  return declared;
}

/** `value`, once all of them are there: never where the update fails before. */
export function onceMade<T>(declared: readonly Declared[], value: T): pulumi.Output<T> {
  return pulumi.all(declared.map(({ resource }) => resource.urn)).apply(() => value) as pulumi.Output<T>;
}
