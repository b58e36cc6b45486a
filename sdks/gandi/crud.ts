/** The operations of a Record; loaded by the shim when one runs. Knows nothing of Pulumi. */
import { connect, type RecordSet } from "./client.ts";
import { compare, differs, type Inputs, subjectOf, validate } from "./diff.ts";
import { ApiError, explain, printable } from "./errors.ts";
import { type Deps, world } from "./http.ts";
import { canonical, sameValues, toWire } from "./rdata.ts";
import { toText } from "./txt.ts";

type Props = { [key: string]: unknown };

/** Validates, and writes names in one spelling. */
export async function check(_olds: Props, news: Props) {
  return validate(news);
}

/** Says what an update would do. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

// The engine hands over what check let pass; of an older state it may lack defaults.
const inputsOf = (props: Props) => validate(props).inputs as unknown as Inputs;

const bodyOf = ({ ttl, type, values }: Inputs): RecordSet => ({
  rrset_ttl: ttl,
  rrset_values: values.map((value) => toWire(value, type)),
});

/** Runs an operation; what it throws names the record, the cause and the remedy. */
async function explained<T>(inputs: Inputs, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw explain(error, subjectOf({ ...inputs }), inputs.zone);
  }
}

/** The parts of `zone/name/type`. */
function keyOf(id: string) {
  const [zone, name, type, ...more] = id.split("/");
  if (!zone || !name || !type || more.length > 0)
    throw new Error(`"${id}" is no id of a record: write zone/name/type, as in example.org/@/MX`);
  return { zone, name, type };
}

const holds = (existing: RecordSet | undefined, inputs: Inputs) =>
  existing !== undefined &&
  !differs({ ttl: existing.rrset_ttl, values: existing.rrset_values }, { ...inputs });

/** A client for a change, before which the zone is kept as it is. */
async function opened({ auth, snapshot, zone }: Inputs, deps: Deps | undefined) {
  const client = connect(auth, deps);
  if (snapshot) await client.snapshot(zone);
  return client;
}

/** Makes the record set, or with adoptExisting takes an existing one over. */
export async function create(props: Props, deps?: Deps) {
  const inputs = inputsOf(props);
  await explained(inputs, async () => {
    const client = await opened(inputs, deps);
    if (inputs.adoptExisting) return client.replace(inputs, bodyOf(inputs));
    try {
      await client.create(inputs, bodyOf(inputs));
    } catch (error) {
      // A first attempt whose answer was lost may have made what the second one then met.
      const ours = error instanceof ApiError && error.status === 409 && error.attempts > 1;
      if (!ours || !holds(await client.listed(inputs), inputs)) throw error;
    }
  });
  return { id: `${inputs.zone}/${inputs.name}/${inputs.type}`, outs: outsOf(inputs) };
}

/**
 * Reads what LiveDNS has. No id: it is gone. Any failure to find that out is an error. Of a record set that the state
 * doesn't know yet, the id says which it is.
 */
export async function read(id: string, props: Props, deps?: Deps) {
  const inputs = inputsOf(props.zone === undefined ? { ...props, ...keyOf(id), values: [] } : props);
  const existing = await explained(inputs, () => connect(inputs.auth, deps).listed(inputs));
  if (existing === undefined) return {};
  const { type, zone } = inputs;
  // The same values in another spelling or order are no drift.
  const same = sameValues(existing.rrset_values, inputs.values, type, zone);
  const found = type === "TXT" || type === "SPF" ? existing.rrset_values.map(toText) : existing.rrset_values;
  return { id, props: { ...inputs, ttl: existing.rrset_ttl, values: same ? inputs.values : found } };
}

/** Overwrites ttl and values, if they are to change. New credentials are tried before they are recorded. */
export async function update(_id: string, olds: Props, news: Props, deps?: Deps) {
  const inputs = inputsOf(news);
  await explained(inputs, async () => {
    if (differs(olds, { ...inputs })) await (await opened(inputs, deps)).replace(inputs, bodyOf(inputs));
    else await connect(inputs.auth, deps).listed(inputs);
  });
  return { outs: outsOf(inputs) };
}

/** A refresh puts what it finds in the place of `values`; `declared` stays what the program asked for. */
const outsOf = (inputs: Inputs) => ({ ...inputs, declared: inputs.values });

/**
 * Removes its own values, and the record set with the last of them. What others entered meanwhile stays: several services
 * may have their values in one set (RFC 8659 section 4: each CAA record lets one more authority issue), and who moved the
 * domain's mail or a host elsewhere by hand doesn't lose it by taking the old stack down.
 */
export async function remove(_id: string, props: Props, deps: Deps = world) {
  const inputs = inputsOf(props);
  const declared = Array.isArray(props.declared) ? props.declared.map(String) : inputs.values;
  const say = (text: string) => deps.say(`${subjectOf({ ...inputs })}: ${text}`);
  await explained(inputs, async () => {
    try {
      await removeOwn({ ...inputs, values: declared }, deps, say);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
      // Who took the domain elsewhere can still take the old stack down.
      say(`LiveDNS has no zone ${inputs.zone} that this token can see: nothing was removed`);
    }
  });
}

async function removeOwn(inputs: Inputs, deps: Deps, say: Deps["say"]): Promise<void> {
  const client = connect(inputs.auth, deps);
  const listed = await client.earlier(inputs);
  const plain = listed !== undefined && without(listed.rrset_values, inputs).length === 0;
  // One listing serves all who go; what it doesn't have so may have been made, or changed, since.
  const held = plain ? listed : await client.record(inputs);
  if (held === undefined) return;
  const others = without(held.rrset_values, inputs);
  if (others.length === 0) return (await opened(inputs, deps)).remove(inputs);
  say(`what others entered stays: ${printable(others.map(toText).join("; "))}`);
  if (others.length === held.rrset_values.length) return;
  await (await opened(inputs, deps)).replace(inputs, { rrset_ttl: held.rrset_ttl, rrset_values: others });
}

/** Those that are not the resource's own. */
function without(values: readonly string[], { values: own, type, zone }: Inputs): string[] {
  const ours = new Set(own.map((value) => canonical(value, type, zone)));
  return values.filter((value) => !ours.has(canonical(value, type, zone)));
}
