/** The operations of LdapEntry; loaded by the shim when one runs. */
import { Attribute, Change, type Client, EqualityFilter, NoSuchObjectError } from "ldapts";
import type { Props } from "../shim.ts";
import { checkInputs } from "../validate.ts";
import { type Attributes, compare, Inputs, managed, modifications, shape } from "./diff.ts";
import { normaliseDn, parentDn } from "./dn.ts";
import { EntryGone, isRefusal, LDAP, withDirectory } from "./session.ts";

/** Validates, and fills in defaults. */
export async function check(_olds: Props, news: Props) {
  return checkInputs(shape, news);
}

/** Says what would change. */
export async function diff(_id: string, olds: Props, news: Props) {
  return compare(olds, news);
}

/** Adds the entry, or takes an existing one over when told. The id is the DN. */
export async function create(props: Props) {
  const inputs = Inputs.parse(props);
  await withDirectory(inputs.connection, inputs.dn, async (client) => {
    try {
      await claiming(client, inputs, () => client.add(inputs.dn, newAttributes(inputs)));
    } catch (error) {
      if (!isRefusal(error, LDAP.entryExists) || !inputs.adopt) throw error;
      await claiming(client, inputs, () => bring(client, inputs));
      if (inputs.managePassword) await setPassword(client, inputs);
    }
  });
  return { id: inputs.dn, outs: inputs };
}

/** The managed attributes as they are now; no id when the entry is gone. */
export async function read(id: string, props: Props) {
  const inputs = Inputs.parse(props);
  const entry = await withDirectory(inputs.connection, inputs.dn, (client) => find(client, inputs.dn));
  if (!entry) return {};
  return { id, props: { ...inputs, attributes: managed(inputs.attributes, entry) } };
}

/** Brings the entry to the wanted state by the smallest modify. */
export async function update(_id: string, olds: Props, news: Props) {
  const inputs = Inputs.parse(news);
  const before = Inputs.parse(olds);
  await withDirectory(inputs.connection, inputs.dn, async (client) => {
    await claiming(client, inputs, () => bring(client, inputs, before.attributes));
    if (inputs.managePassword && inputs.password !== before.password) await setPassword(client, inputs);
  });
  return { outs: inputs };
}

/** Deletes the entry; one that is gone already is fine. */
async function remove(_id: string, props: Props): Promise<void> {
  const { connection, dn } = Inputs.parse(props);
  await withDirectory(connection, dn, async (client) => {
    await client.del(dn).catch((error: unknown) => {
      if (!(error instanceof NoSuchObjectError)) throw error;
    });
  });
}

export { remove as delete };

function newAttributes({ attributes, password }: Inputs): Record<string, string[]> {
  const present = Object.entries(attributes).filter(([, values]) => values.length > 0);
  return { ...Object.fromEntries(present), ...(password === undefined ? {} : { userPassword: [password] }) };
}

/**
 * Writes; where another entry still holds an exclusive value, it is taken from it first. And once more when
 * another operation changed this entry between look and write, which taking a value from it does.
 */
async function claiming(client: Client, inputs: Inputs, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const raced = isRefusal(error, LDAP.noSuchAttribute, LDAP.attributeOrValueExists);
    const claimed = isRefusal(error, LDAP.constraintViolation) && (await claim(client, inputs));
    if (!raced && !claimed) throw error;
    await write();
  }
}

/** Takes the exclusive values from the entries beside this one. False when none of them had any. */
async function claim(client: Client, { dn, attributes, exclusive }: Inputs): Promise<boolean> {
  let found = false;
  for (const type of exclusive) {
    for (const value of attributes[type] ?? []) {
      const filter = new EqualityFilter({ attribute: type, value });
      const { searchEntries } = await client.search(parentDn(dn), {
        scope: "one",
        filter,
        attributes: ["1.1"],
      });
      for (const holder of searchEntries) {
        if (normaliseDn(holder.dn) === normaliseDn(dn)) continue;
        found = true;
        const modification = new Attribute({ type, values: [value] });
        await client
          .modify(holder.dn, new Change({ operation: "delete", modification }))
          .catch((error: unknown) => {
            if (!isRefusal(error, LDAP.noSuchAttribute, LDAP.noSuchObject)) throw error;
          });
      }
    }
  }
  return found;
}

/** Modifies by what the entry holds now, not by what the state remembers, so that drift can't break the update. */
async function bring(client: Client, inputs: Inputs, before: Attributes = {}): Promise<void> {
  const entry = await find(client, inputs.dn);
  if (!entry) throw new EntryGone("the entry is gone; run `pulumi refresh`, then update again");
  const changes = modifications(
    inputs.dn,
    managed({ ...before, ...inputs.attributes }, entry),
    inputs.attributes,
  );
  if (changes.length === 0) return;
  await client.modify(
    inputs.dn,
    changes.map(
      ({ operation, type, values }) =>
        new Change({ operation, modification: new Attribute({ type, values: [...values] }) }),
    ),
  );
}

async function setPassword(client: Client, { dn, password }: Inputs): Promise<void> {
  if (password === undefined) return;
  const modification = new Attribute({ type: "userPassword", values: [password] });
  await client.modify(dn, new Change({ operation: "replace", modification }));
}

async function find(client: Client, dn: string): Promise<Attributes | undefined> {
  try {
    const { searchEntries } = await client.search(dn, { scope: "base", attributes: ["*"] });
    return searchEntries[0] && asAttributes(searchEntries[0]);
  } catch (error) {
    if (error instanceof NoSuchObjectError) return undefined;
    throw error;
  }
}

function asAttributes(entry: Record<string, unknown>): Attributes {
  return Object.fromEntries(
    Object.entries(entry)
      .filter(([name]) => name !== "dn" && name.toLowerCase() !== "userpassword")
      .map(([name, value]) => [name, (Array.isArray(value) ? value : [value]).map(String)]),
  );
}
