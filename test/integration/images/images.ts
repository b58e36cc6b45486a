/** How each image is run, as the comment at the top of its Dockerfile says. */
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { Handle, Lab, RunOptions } from "../../support/docker.ts";
import { FRONT_CA, openDoor } from "../../support/front.ts";

export const SUFFIX = "dc=semail,dc=test";
export const PEOPLE = `ou=people,${SUFFIX}`;
export const SERVICES = `ou=services,${SUFFIX}`;
export const ADMIN_PASSWORD = "admin-password-for-tests";
export const SERVICE_PASSWORD = "service-password-for-tests";
export const BOX_SEED = "seed-for-tests-0123456789abcdef";

export type ImageName = "directory" | "box" | "access" | "resolver" | "guard";
type Options = Partial<RunOptions>;

export const MOUNT = "rw,noexec,nosuid,nodev";

const USERS: Readonly<Record<ImageName, number>> = {
  box: 5000,
  directory: 5001,
  access: 5002,
  resolver: 5003,
  guard: 0,
};

/** Where the image keeps its data: a fresh volume unless the test gives one. */
export const DATA: Readonly<Partial<Record<ImageName, string>>> = {
  directory: "/var/lib/ldap",
  box: "/srv/mail",
};

/** What the image needs to start; `access` also needs a certificate. */
export const RUN: Readonly<Record<ImageName, Options>> = {
  directory: {
    memoryMb: 96,
    env: { SLAPD_SUFFIX: SUFFIX, SLAPD_DOMAIN: "semail.test" },
    settings: { "admin-password": `${ADMIN_PASSWORD}\n` },
    publish: ["389/tcp"],
  },
  box: {
    memoryMb: 64,
    env: {
      BOX_USER: "alice",
      BOX_DOMAIN: "semail.test",
      BOX_QUOTA_BYTES: "100000",
      BOX_FOLDERS: "30",
      BOX_SECRET_SHA256: sha256(boxPassword("alice")),
      BOX_FRONT_CA: FRONT_CA,
    },
    publish: ["24/tcp", "26/tcp", "143/tcp", "4190/tcp"],
  },
  access: {
    memoryMb: 128,
    env: {
      LDAP_URI: "ldap://directory:389",
      LDAP_BIND_DN: `cn=access,${SERVICES}`,
      LDAP_PEOPLE_DN: PEOPLE,
    },
    publish: ["143/tcp", "993/tcp", "4190/tcp"],
  },
  resolver: {
    memoryMb: 96,
    env: { RESOLVER_ALLOW: "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16" },
    publish: ["53/udp", "53/tcp"],
  },
  // Without the host's network, where it would change the firewall.
  guard: {
    memoryMb: 32,
    env: {
      GUARD_BRIDGE: "sm-0a1b2c3d4e",
      GUARD_NETWORK: "10.99.64.0/20",
      GUARD_FRONT: "10.99.64.25 10.99.64.87",
      GUARD_PORTS: "24 143 4190",
    },
  },
};

/** Starts a container of the product's `image`; `more` is laid over its usual options. */
export async function runImage(lab: Lab, image: ImageName, more: Options = {}): Promise<Handle> {
  const usual = RUN[image];
  const user = more.user ?? USERS[image];
  const data = DATA[image];
  return lab.run({
    ...usual,
    image: more.image ?? (await ensure(lab, image)),
    user,
    hardened: true,
    health: true,
    ...(data === undefined ? {} : { volumes: { [data]: await lab.volume() } }),
    ...more,
    tmpfs: {
      "/run": `${MOUNT},size=8m,uid=${user},gid=${user},mode=0750`,
      "/tmp": `${MOUNT},size=16m,mode=1777`,
      ...more.tmpfs,
    },
    env: { ...usual.env, ...more.env },
  });
}

/** Starts it and waits until it is healthy. */
export async function healthy(lab: Lab, image: ImageName, more: Options = {}): Promise<Handle> {
  const handle = await runImage(lab, image, more);
  await handle.waitHealthy();
  return handle;
}

/** Gives what is on a box's volume to another user, as an update does; the exit code. */
export async function handOver(lab: Lab, volume: string, user: number): Promise<number> {
  const done = await lab.run({
    ...{ image: await boxImage(lab), user: 0, hardened: true, volumes: { "/srv/mail": volume } },
    ...{ entrypoint: ["/usr/local/bin/hand-over"], cmd: [String(user)] },
    further: { NetworkMode: "none", CapAdd: ["CHOWN", "DAC_READ_SEARCH"] },
  });
  return done.wait();
}

/** The tag of the box, for images on top of it. */
export const boxImage = (lab: Lab): Promise<string> => ensure(lab, "box");

function ensure(lab: Lab, image: ImageName): Promise<string> {
  return lab.ensureImage(
    image,
    fileURLToPath(new URL(`../../../mailserver/images/${image}`, import.meta.url)),
  );
}

/** A loopback port that leads to the box's LMTP as to a front service, in clear text. */
export async function lmtpPort(box: Handle): Promise<number> {
  return openDoor({ host: "127.0.0.1", port: await box.port("24/tcp") });
}

/** The password with which access logs in to the box of `uid`. */
export function boxPassword(uid: string): string {
  return sha256(BOX_SEED + uid);
}

export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
