/** The operations of a Record; loaded by the shim when one runs. Knows nothing of Pulumi. */
import { connect, type Deps, type RecordSet } from "./client.ts";
import { compare, differs, type Inputs, subjectOf, validate } from "./diff.ts";
import { ApiError, explain } from "./errors.ts";
import { sameValues, toWire } from "./rdata.ts";
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

const holds = (existing: RecordSet | undefined, inputs: Inputs) =>
  existing !== undefined &&
  !differs({ ttl: existing.rrset_ttl, values: existing.rrset_values }, { ...inputs });

/** Makes the record set, or with adoptExisting takes an existing one over. */
export async function create(props: Props, deps?: Deps) {
  const inputs = inputsOf(props);
  await explained(inputs, async () => {
    const client = connect(inputs.auth, deps);
    if (inputs.adoptExisting) return client.replace(inputs, bodyOf(inputs));
    // Asked first, because LiveDNS answers 200 rather than 409 to a POST that repeats what it has.
    if (await client.has(inputs)) throw new ApiError(409, "the record set exists", 1);
    try {
      await client.create(inputs, bodyOf(inputs));
    } catch (error) {
      // A first attempt whose answer was lost may have made what the second one then met.
      const ours = error instanceof ApiError && error.status === 409 && error.attempts > 1;
      if (!ours || !holds(await client.record(inputs), inputs)) throw error;
    }
  });
  return { id: `${inputs.zone}/${inputs.name}/${inputs.type}`, outs: { ...inputs } };
}

/** Reads what LiveDNS has. No id: it is gone. Any failure to find that out is an error. */
export async function read(id: string, props: Props, deps?: Deps) {
  const inputs = inputsOf(props);
  const existing = await explained(inputs, () => connect(inputs.auth, deps).record(inputs));
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
    const client = connect(inputs.auth, deps);
    if (differs(olds, { ...inputs })) await client.replace(inputs, bodyOf(inputs));
    else await client.record(inputs);
  });
  return { outs: { ...inputs } };
}

/** Removes the record set, if it is there. */
export async function remove(_id: string, props: Props, deps?: Deps) {
  const inputs = inputsOf(props);
  await explained(inputs, () => connect(inputs.auth, deps).remove(inputs));
}
