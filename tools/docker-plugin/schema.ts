/** How the properties of a resource are described: one table drives validation, diff and preview. */

/** What a change of the property does to the resource. */
export type Change = "replace" | "update";

/** One property. */
export interface Prop {
  readonly kind: "string" | "number" | "boolean" | "list" | "map" | "object";
  readonly change: Change;
  /** A list whose order means nothing. */
  readonly set?: true;
  readonly required?: true;
  /** What leaving the property out means; a change between the two is none. */
  readonly default?: unknown;
  /** Leaving the property out leaves the choice to the engine, so what is there stays. */
  readonly computed?: true;
  /** The entries of a list, or the fields of an object. Without it a list or map holds strings. */
  readonly fields?: Readonly<Record<string, Prop>>;
  /** In the official plugin, but not here. */
  readonly unsupported?: true;
  /** Says what is wrong with a value of the right kind. */
  readonly validate?: (value: never) => string | undefined;
}

/** A resource type. */
export interface Schema {
  readonly token: string;
  readonly inputs: Readonly<Record<string, Prop>>;
  /** Outputs that exist only once the resource does. */
  readonly computed: readonly string[];
  /** Of those, the ones that any update changes. */
  readonly volatile?: readonly string[];
  /** The resource has a name of its own on the engine, made up when none is given. */
  readonly named: boolean;
}

type Options = Partial<Omit<Prop, "kind" | "fields" | "set">>;

const base = { change: "replace" } as const;

/** A string. */
export const text = (options: Options = {}): Prop => ({ ...base, kind: "string", ...options });
/** A number. */
export const number = (options: Options = {}): Prop => ({ ...base, kind: "number", ...options });
/** A flag; left out means false, unless another default is given. */
export const flag = (options: Options = {}): Prop => ({
  ...base,
  kind: "boolean",
  default: false,
  ...options,
});
/** Named strings. */
export const map = (options: Options = {}): Prop => ({ ...base, kind: "map", ...options });
/** Strings in order. */
export const list = (options: Options = {}): Prop => ({ ...base, kind: "list", ...options });
/** Strings whose order means nothing. */
export const set = (options: Options = {}): Prop => ({ ...base, kind: "list", set: true, ...options });
/** Objects whose order means nothing. */
export const setOf = (fields: Record<string, Prop>, options: Options = {}): Prop => ({
  ...base,
  kind: "list",
  set: true,
  fields,
  ...options,
});
/** One object. */
export const object = (fields: Record<string, Prop>, options: Options = {}): Prop => ({
  ...base,
  kind: "object",
  fields,
  ...options,
});
/** A property that only the official plugin serves. */
export const unsupported: Prop = { ...base, kind: "object", unsupported: true };

/** The labels of a container, network or volume. */
export const labels = setOf({ label: text({ required: true }), value: text({ required: true }) });
