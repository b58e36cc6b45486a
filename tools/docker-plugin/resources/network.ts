/** Networks. */
import type { NetworkArgs } from "@pulumi/docker";
import type { Unwrap } from "@pulumi/pulumi";
import type Docker from "dockerode";
import { difference } from "../diff.ts";
import { engineText, statusOf, UserError, unlessMissing } from "../errors.ts";
import { inputsAsOutputs } from "../outputs.ts";
import { type Context, labelList, labelMap, type Resource, URN_LABEL } from "../resource.ts";
import { flag, labels, map, type Prop, type Schema, setOf, text } from "../schema.ts";
import { type Props, withoutUndefined } from "../values.ts";

const inputs = {
  name: text(),
  driver: text({ default: "bridge" }),
  internal: flag(),
  attachable: flag(),
  ingress: flag(),
  ipv6: flag(),
  ipamDriver: text({ default: "default" }),
  ipamOptions: map(),
  ipamConfigs: setOf(
    { subnet: text(), ipRange: text(), gateway: text(), auxAddress: map() },
    { computed: true },
  ),
  options: map(),
  labels,
} satisfies Record<keyof NetworkArgs, Prop>;

const schema: Schema = {
  token: "docker:index/network:Network",
  inputs,
  computed: ["scope", "ipamConfigs", "options"],
  named: true,
};

type NetworkProps = Unwrap<NetworkArgs> & { name: string };

/** Networks, `docker:index/network:Network`. */
export const network: Resource = {
  schema,
  describe: (props) => `network ${props.name}`,
  create,
  update: async ({ docker }, state, props) => outputs(props, await docker.getNetwork(state.id).inspect()),
  read: async ({ docker }, state) => {
    const found = await inspect(docker, state.id);
    if (found === undefined) return undefined;
    const read = "name" in state.inputs ? state.inputs : imported(found);
    return { id: found.Id, inputs: read, outputs: outputs(read, found) };
  },
  delete: ({ docker }, state) => remove(docker, state.id, String(state.outputs.name ?? state.id)),
};

function inspect(docker: Docker, id: string): Promise<Docker.NetworkInspectInfo | undefined> {
  return unlessMissing(docker.getNetwork(id).inspect() as Promise<Docker.NetworkInspectInfo>);
}

async function create(context: Context, inputs: Props): Promise<{ id: string; outputs: Props }> {
  const props = inputs as unknown as NetworkProps;
  const { docker } = context;
  const found = await inspect(docker, props.name);
  // A name may also be the beginning of another network's id.
  const left = found?.Name === props.name ? await leftover(context, inputs, found) : undefined;
  if (left !== undefined) return { id: left.Id, outputs: outputs(inputs, left) };
  const made = await docker.createNetwork({
    ...createOptions(props, context.urn),
    abortSignal: context.signal,
  });
  return { id: made.id, outputs: outputs(inputs, await docker.getNetwork(made.id).inspect()) };
}

/** The network of that name if it is this resource's own from an interrupted run and still right. */
async function leftover(
  { docker, urn, log }: Context,
  inputs: Props,
  found: Docker.NetworkInspectInfo,
): Promise<Docker.NetworkInspectInfo | undefined> {
  if (found.Labels?.[URN_LABEL] !== urn) {
    throw new UserError(
      `can't create network ${found.Name}: the engine has one of that name which is not this stack's. ` +
        `Remove it (\`docker network rm ${found.Name}\`), or choose another project, stack or network name.`,
    );
  }
  if (difference(schema, imported(found), inputs).changes.length === 0) {
    log.info(`the network ${found.Name} of an interrupted run is used again`);
    return found;
  }
  await remove(docker, found.Id, found.Name);
  return undefined;
}

async function remove(docker: Docker, id: string, name: string): Promise<void> {
  try {
    await unlessMissing(docker.getNetwork(id).remove());
  } catch (error) {
    if (!/active endpoints/.test(engineText(error)) || statusOf(error) === undefined) throw error;
    const attached = Object.values((await inspect(docker, id))?.Containers ?? {}).map((each) => each.Name);
    throw new UserError(
      `can't remove network ${name}: still attached: ${attached.join(", ")}. Remove or disconnect them ` +
        `(\`docker network disconnect -f ${name} NAME\`), then run again.`,
    );
  }
}

/** What to create. */
export function createOptions(props: NetworkProps, urn: string): Docker.NetworkCreateOptions {
  const ipam = props.ipamConfigs?.map(({ subnet, ipRange, gateway, auxAddress }) =>
    withoutUndefined({ Subnet: subnet, IPRange: ipRange, Gateway: gateway, AuxiliaryAddresses: auxAddress }),
  );
  return {
    Name: props.name,
    CheckDuplicate: true,
    Driver: props.driver ?? "bridge",
    Internal: props.internal ?? false,
    Attachable: props.attachable ?? false,
    Ingress: props.ingress ?? false,
    EnableIPv6: props.ipv6 ?? false,
    Options: props.options ?? {},
    Labels: { ...labelMap(props.labels), [URN_LABEL]: urn },
    IPAM: {
      Driver: props.ipamDriver ?? "default",
      ...(props.ipamOptions === undefined ? {} : { Options: props.ipamOptions }),
      ...(ipam === undefined ? {} : { Config: ipam as Record<string, string>[] }),
    } as Docker.NetworkCreateOptions["IPAM"],
  };
}

function outputs(inputs: Props, found: Docker.NetworkInspectInfo): Props {
  return {
    ...inputsAsOutputs(schema, inputs),
    name: found.Name,
    driver: found.Driver,
    internal: found.Internal,
    scope: found.Scope,
    options: found.Options ?? {},
    ipamConfigs: ipamConfigs(found),
  };
}

function ipamConfigs(found: Docker.NetworkInspectInfo): Props[] {
  return (found.IPAM?.Config ?? []).map((each: Record<string, unknown>) =>
    withoutUndefined({
      subnet: each.Subnet,
      gateway: each.Gateway,
      ipRange: each.IPRange,
      auxAddress: each.AuxiliaryAddresses,
    }),
  );
}

/** The network's properties as a program would write them. */
function imported(found: Docker.NetworkInspectInfo): Props {
  const own = labelList(found.Labels);
  const set = (value: boolean | undefined): true | undefined => (value === true ? true : undefined);
  return withoutUndefined({
    name: found.Name,
    driver: found.Driver === "bridge" ? undefined : found.Driver,
    internal: set(found.Internal),
    attachable: set(found.Attachable),
    ingress: set(found.Ingress),
    ipv6: set(found.EnableIPv6),
    options: Object.keys(found.Options ?? {}).length === 0 ? undefined : found.Options,
    ipamConfigs: ipamConfigs(found),
    labels: own.length === 0 ? undefined : own,
  });
}
