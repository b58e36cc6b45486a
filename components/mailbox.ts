import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { type EngineContainer, serviceContainer } from "./container.ts";
import type { Directory } from "./directory.ts";
import type { Guard } from "./guard.ts";
import type { Keys } from "./keys.ts";
import type { MailHost } from "./mail-host.ts";
import type { ImageRef } from "./mail-images.ts";
import { DiskLimit } from "./providers/disk-limit/resource.ts";
import { childDn } from "./providers/ldap-entry/dn.ts";
import { LdapEntry } from "./providers/ldap-entry/resource.ts";
import { TYPES } from "./types.ts";
import { type DataPolicy, dataVolume } from "./volume.ts";

/** What belongs to whom from now on. */
export interface Handing {
  /** Whose box it is. */
  readonly uid: string;
  /** Name of the box's container. */
  readonly box: string;
  readonly image: string;
  readonly user: number;
  readonly volume: string;
  /** Where the volume is; undefined for this machine's engine. */
  readonly engine: string | undefined;
}

/** Gives the mail on a volume to a user id; settles when all of it is theirs. */
export type BoxOwner = (handing: Handing) => Promise<void>;

/** What the host's file system is to let the user of a box have. */
export interface BoxDisk {
  /** Whose image can set it. */
  readonly guard: Guard;
  readonly bytes: number;
  /** Files and folders. */
  readonly files: number;
  /** Whether it is an error that it can't. */
  readonly required: boolean;
}

export interface MailboxArgs {
  host: MailHost;
  image: ImageRef;
  directory: Directory;
  keys: Keys;
  domain: string;
  uid: string;
  /** The person's full name. */
  fullName: string;
  /** Without a mailbox, they have an entry alone. */
  active: boolean;
  /** Of the mailbox, beside others that the uid had. */
  mailboxId: string;
  /** Main address, of who has a mailbox. */
  address: string | undefined;
  /** Every address that arrives here, the main one among them. */
  addresses: readonly string[];
  /** Address that gets a copy of all mail. */
  forward: string | undefined;
  quotaBytes: number;
  memoryMb: number;
  cpus: number;
  /** User id of the box, and owner of the mail. */
  boxUser: number;
  /** Processes of the box at most. */
  processes: number | undefined;
  /** Folders of the mailbox at most. */
  folders: number;
  /** Undefined: nobody limits it. */
  disk: BoxDisk | undefined;
  /** Gives the mail to that user before the box is made. */
  owner: BoxOwner | undefined;
  /** Name of the box on the boxes' network. */
  boxHost: string;
  policy: DataPolicy;
}

export interface MailVolumeArgs {
  host: MailHost;
  mailboxId: string;
  policy: DataPolicy;
  /** Pulumi deletes no volume that is in use: a config that forgets a person doesn't get past a preview. */
  inUse: boolean;
}

/** The volume with a mailbox's mail. */
export function mailVolume(
  { host, mailboxId, policy, inUse }: MailVolumeArgs,
  opts: { parent: pulumi.ComponentResource },
): docker.Volume {
  return dataVolume(
    `person-${mailboxId}-mail`,
    {
      ...{ host, name: `mail-${mailboxId}`, kind: "mail" },
      policy: { ...policy, protect: policy.protect && inUse },
    },
    opts,
  );
}

/** A person: their entry in the directory and, with a mailbox, their mail volume and the container that serves it. */
export class Mailbox extends pulumi.ComponentResource {
  readonly volume: docker.Volume | undefined;
  readonly box: EngineContainer | undefined;
  readonly limit: DiskLimit | undefined;
  readonly entry: LdapEntry;

  constructor(name: string, args: MailboxArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPES.mailbox, name, {}, opts);
    this.volume = args.active ? mailVolume({ ...args, inUse: true }, { parent: this }) : undefined;
    const handed = this.volume && handOver(args, this.volume);
    this.limit = handed && this.diskLimit(name, args, handed);
    this.box = this.volume && this.server(name, args, { volume: this.volume, ready: handed });
    this.entry = this.person(name, args);
    this.registerOutputs({ address: args.address });
  }

  /**
   * Of the user, and so of all that the box may write to: nothing in it can be anybody else's. Set when the mail that was
   * there is theirs: the kernel would not give them more than they may have.
   */
  private diskLimit(name: string, { disk, boxUser, host }: MailboxArgs, volume: pulumi.Output<string>) {
    if (disk === undefined) return undefined;
    const { guard, bytes, files, required } = disk;
    return new DiskLimit(
      `${name}-disk`,
      {
        ...{ volume, guard: guard.containerName },
        engine: host.engine.apply((engine) => engine ?? ""),
        ...{ user: boxUser, bytes, files, required },
      },
      { parent: this, dependsOn: [guard.container] },
    );
  }

  private server(
    name: string,
    args: MailboxArgs,
    mail: { volume: docker.Volume; ready: pulumi.Output<string> | undefined },
  ): EngineContainer {
    return serviceContainer(
      `${name}-box`,
      {
        host: args.host,
        name: args.boxHost,
        kind: "box",
        image: args.image,
        user: args.boxUser,
        processes: args.processes,
        memoryMb: args.memoryMb,
        cpus: args.cpus,
        networks: [{ network: args.host.boxes, alias: args.boxHost }],
        envs: [
          `BOX_USER=${args.uid}`,
          `BOX_DOMAIN=${args.domain}`,
          `BOX_QUOTA_BYTES=${args.quotaBytes}`,
          `BOX_FOLDERS=${args.folders}`,
          pulumi.interpolate`BOX_SECRET_SHA256=${args.keys.boxPasswordHash(args.uid)}`,
          pulumi.interpolate`BOX_FRONT_CA=${args.keys.frontCa}`,
        ],
        // It asks for no name, and shall tell nothing by asking: the engine would pass questions on.
        resolvers: ["127.0.0.1"],
        // Large messages pass through the volume: what is in a tmpfs counts as the box's memory.
        tmpfs: { tmp: "4m" },
        volumes: [{ ...mail, path: "/srv/mail" }],
        // A check starts a process, and there may be a thousand boxes on a host.
        healthEvery: 300,
      },
      { parent: this, dependsOn: this.limit ? [this.limit] : [] },
    );
  }

  /**
   * The entry comes after the box, and goes before it: an address that is found has a box to go to. It also goes before
   * the directory's container, without which nobody can take it out.
   */
  private person(name: string, args: MailboxArgs): LdapEntry {
    const { directory } = args;
    return new LdapEntry(
      `${name}-entry`,
      {
        connection: directory.connection,
        dn: childDn("uid", args.uid, directory.peopleDn),
        attributes: {
          uid: [args.uid],
          cn: [args.fullName],
          sn: [args.fullName.split(/\s+/).at(-1) ?? args.fullName],
          ...mailAttributes(args),
        },
        // An address that moves from one person to another in one diff, or from one who goes.
        exclusive: ["mailLocalAddress"],
        // Another person's, who had the uid before, is neither theirs nor known to them.
        password: args.keys.initialPassword(args),
        ...(args.mailboxId === args.uid ? {} : { holder: args.mailboxId }),
        // An update killed between the directory's answer and the state leaves an entry that the next one takes over.
        adopt: true,
      },
      {
        parent: this,
        dependsOn: [directory.container, ...(this.box ? [this.box] : [])],
        deletedWith: directory.volume,
      },
    );
  }
}

/** Name of the volume, known once the mail on it is its user's. A preview gives nothing to anybody, and knows it at once. */
function handOver(
  { owner, host, image, uid, boxHost, boxUser }: MailboxArgs,
  volume: docker.Volume,
): pulumi.Output<string> {
  if (owner === undefined || pulumi.runtime.isDryRun()) return volume.name;
  const box = `${host.prefix}-${boxHost}`;
  return pulumi.all([volume.name, image.id, host.engine]).apply(async ([name, id, engine]) => {
    await owner({ uid, box, image: id, user: boxUser, volume: name, engine });
    return name;
  });
}

/** What makes an entry one that mail goes to. Empty says that there must be none: what was set by hand is drift. */
function mailAttributes({ active, address, addresses, boxHost, forward }: MailboxArgs) {
  return {
    // smtp-in, smtp-out and access know nobody but recipients.
    objectClass: active ? ["inetOrgPerson", "inetLocalMailRecipient"] : ["inetOrgPerson"],
    mail: active && address !== undefined ? [address] : [],
    mailLocalAddress: active ? [...addresses] : [],
    mailHost: active ? [boxHost] : [],
    mailRoutingAddress: active && forward !== undefined ? [forward] : [],
  };
}
