/** A person's box behind directory and access, and a machine with mail programs, without a stack. */
import { join } from "node:path";
import { ImapFlow } from "imapflow";
import { Client } from "ldapts";
import type { Handle, Lab, RunOptions } from "../../support/docker.ts";
import { selfSigned } from "../images/certificate.ts";
import { deliver } from "../images/dialogue.ts";
import {
  ADMIN_PASSWORD,
  BOX_SEED,
  boxPassword,
  healthy,
  lmtpPort,
  PEOPLE,
  SERVICE_PASSWORD,
  SERVICES,
  SUFFIX,
  sha256,
} from "../images/images.ts";
import { person, service } from "../images/people.ts";

/** The name under which mail programs know `access`. */
export const HOST = "imap.semail.test";
export const PASSWORD = "password of alice";

export interface ReadingSite {
  readonly access: Handle;
  readonly directory: Handle;
  readonly box: Handle;
  /** The certificate of `access`, which is its own authority. */
  readonly ca: string;
  /** Delivers a message as the front services do. */
  send(message: string): Promise<void>;
  /** Logs in through `access`. */
  imap(more?: Partial<ConstructorParameters<typeof ImapFlow>[0]>): Promise<ImapFlow>;
  /** A machine of its own address, with the mail programs; trusts `ca` by /home/reader/ca.pem. */
  reader(): Promise<Handle>;
}

/**
 * Starts all of it for alice. `access` and `box` are laid over how those containers are usually run, `settings` are further
 * files of access.
 */
export async function openReading(
  lab: Lab,
  more: {
    access?: Partial<RunOptions>;
    box?: Partial<RunOptions>;
    settings?: Readonly<Record<string, string>>;
  } = {},
): Promise<ReadingSite> {
  const front = await lab.network();
  const boxes = await lab.network({ internal: true });
  const { certificate: ca, key } = await selfSigned(HOST);
  const directory = await healthy(lab, "directory", { networks: { [front]: ["directory"] } });
  await introduce(await directory.port("389/tcp"));
  const box = await healthy(lab, "box", {
    ...more.box,
    networks: { [front]: [], [boxes]: ["box-alice"] },
    env: {
      BOX_SECRET_SHA256: sha256(boxPassword("alice")),
      BOX_QUOTA_BYTES: "50000000",
      ...more.box?.env,
    },
  });
  const access = await healthy(lab, "access", {
    ...more.access,
    networks: { [front]: [HOST], [boxes]: ["access"] },
    env: { POP3: "yes", ...more.access?.env },
    settings: {
      "ldap-password": SERVICE_PASSWORD,
      "box-seed": `${BOX_SEED}\n`,
      "tls.crt": ca,
      "tls.key": key,
      ...more.settings,
    },
  });
  const image = await lab.ensureImage(
    "mail-clients",
    join(import.meta.dirname, "../../fixtures/images/mail-clients"),
  );
  return {
    ...{ access, directory, box, ca },
    async send(message) {
      const { data } = await deliver(await lmtpPort(box), { to: ["alice@semail.test"], message });
      if (!data[0]?.startsWith("250 ")) throw new Error(`not taken: ${data[0]}`);
    },
    async imap(more = {}) {
      const imap = new ImapFlow({
        ...{ host: "127.0.0.1", port: await access.port("993/tcp"), secure: true },
        ...{ tls: { ca, servername: HOST }, auth: { user: "alice", pass: PASSWORD }, logger: false },
        ...more,
      });
      await imap.connect();
      return imap;
    },
    async reader() {
      const reader = await lab.run({ image, networks: { [front]: [] } });
      await reader.exec(["tee", "/home/reader/ca.pem"], { input: ca });
      return reader;
    },
  };
}

async function introduce(port: number): Promise<void> {
  const client = new Client({ url: `ldap://127.0.0.1:${port}` });
  await client.bind(`cn=admin,${SUFFIX}`, ADMIN_PASSWORD);
  await client.add(`cn=access,${SERVICES}`, service("access"));
  await client.add(`uid=alice,${PEOPLE}`, person("alice"));
  await client.unbind();
}
