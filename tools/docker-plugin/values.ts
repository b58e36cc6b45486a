/** Between the engine's property structs and plain values. */
import struct from "google-protobuf/google/protobuf/struct_pb.js";

/** A resource's properties as plain JSON. */
export type Props = Record<string, unknown>;

/** What the engine sends, in a preview, in place of a value that is not known yet. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** The key by which the engine marks special values, and the marks of a secret and of an output. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/** Whether the value, or anything inside it, is not known yet. */
export function hasUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  if (isRecord(value)) return Object.values(value).some(hasUnknown);
  return false;
}

/** Whether the value is an object with named properties. */
export function isRecord(value: unknown): value is Props {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The plain value inside: secrets and outputs unwrapped, nulls dropped. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((entry) => plain(entry) ?? null);
  if (!isRecord(value)) return value === null ? undefined : value;
  if (value[SIGNATURE] === SECRET) return plain(value.value);
  if (value[SIGNATURE] === OUTPUT) return "value" in value ? plain(value.value) : UNKNOWN;
  return withoutUndefined(
    Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)])),
  );
}

/** The same properties without those that are undefined, which a struct can't carry. */
export function withoutUndefined(props: Props): Props {
  return Object.fromEntries(
    Object.entries(props).filter(([, value]) => value !== undefined && value !== null),
  );
}

/** Reads the properties of a request. */
export function fromStruct(properties: struct.Struct | undefined): Props {
  return properties === undefined ? {} : (plain(properties.toJavaScript()) as Props);
}

/** Makes the properties of an answer. */
export function toStruct(props: Props): struct.Struct {
  return struct.Struct.fromJavaScript(plain(props) as Record<string, struct.JavaScriptValue>);
}
