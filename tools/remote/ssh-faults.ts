/** What ssh says when it gives up, and what that means for who runs the command. Pure. */
import { type HostAccess, keyCommand, nameOf } from "./access.ts";

/** What went wrong and what to do about it. */
export interface Trouble {
  readonly cause: string;
  readonly remedy: string;
}

interface Meaning {
  readonly words: RegExp;
  readonly trouble: (access: HostAccess, found: string) => Trouble;
}

/** The first that fits counts. */
const MEANINGS: readonly Meaning[] = [
  {
    words: /host key verification failed|no matching host key type/i,
    trouble: (access) => ({
      cause: `${nameOf(access)} shows another host key than the one in the config.`,
      remedy:
        `See what answers now: \`${keyCommand(access)}\`. Compare it with /etc/ssh/ssh_host_*_key.pub on the machine itself\n` +
        "(its console, not ssh). If the machine was set up anew, put its key under ssh.hostKey of semail:host.\n" +
        "If they differ, somebody is in between: don't go on.",
    }),
  },
  {
    words: /(?:no such identity: |Load key )"?([^"\n:]+)"?: (?:No such file or directory|Permission denied)/,
    trouble: (access, file) => ({
      cause: `The key for ${nameOf(access)} can't be read: ${file}.`,
      remedy: "Correct ssh.identity of semail:host, or make the key: `ssh-keygen -t ed25519 -f FILE`.",
    }),
  },
  {
    words: /UNPROTECTED PRIVATE KEY FILE|bad permissions/i,
    trouble: ({ identity }) => ({
      cause: "ssh refuses a private key that others may read.",
      remedy: `\`chmod 600 ${identity ?? "FILE"}\`, then run this again.`,
    }),
  },
  {
    words: /Permission denied \(([^)]*)\)/,
    trouble: (access, methods) => ({
      cause: `${nameOf(access)} doesn't let us in (it takes: ${methods}).`,
      remedy:
        `Put your public key into ~${access.user}/.ssh/authorized_keys there, load a key with a passphrase into the agent (\`ssh-add\`),\n` +
        "or name another key in ssh.identity of semail:host.",
    }),
  },
  {
    words: /bind \[127\.0\.0\.1\]:(\d+): Address already in use|cannot listen to port: (\d+)/,
    trouble: (_access, port) => ({
      cause: `Port ${port} of this machine is taken; the directory of the host is reached through it.`,
      remedy: "Stop what listens there, or set another port under `ports.ldap` in the stack's config.",
    }),
  },
  {
    words: /Could not resolve hostname ([^:\n]+)/,
    trouble: (_access, name) => ({
      cause: `The host's name is not known: ${name}.`,
      remedy: "Correct ssh.address of semail:host, or the name's record.",
    }),
  },
  {
    words: /(Connection refused|No route to host|Network is unreachable|timed out)/i,
    trouble: (access, why) => ({
      cause: `No ssh server answers at ${nameOf(access)}: ${why}.`,
      remedy:
        "Check that the machine is up, that sshd runs and listens at that port, and that no firewall is in between.",
    }),
  },
  {
    words: /(?:too long for Unix domain socket|ControlPath too long|path too long)/i,
    trouble: () => ({
      cause: "The path of the checkout is too long for a socket in it.",
      remedy: "Move the checkout to a shorter path.",
    }),
  },
];

/** What a connection that never was, or that broke, means: `said` is what ssh wrote. */
export function explainSsh(access: HostAccess, said: string): Trouble {
  for (const { words, trouble } of MEANINGS) {
    const found = words.exec(said);
    if (found) return trouble(access, found.slice(1).find((part) => part !== undefined) ?? "");
  }
  const last = said.trim().split("\n").slice(-3).join("\n");
  return {
    cause: `The connection to ${nameOf(access)} failed${last ? "" : " without a word"}.`,
    remedy: `${last ? `${last}\n` : ""}Try it by hand: \`ssh -p ${access.port} ${access.user}@${access.address}\`.`,
  };
}
