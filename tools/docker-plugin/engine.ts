/** The connection to the Docker engine. Nothing is sent before the first request. */
import { readFileSync } from "node:fs";
import type { Agent } from "node:http";
import { join } from "node:path";
import Docker from "dockerode";
import { UserError } from "./errors.ts";
import { type ProviderConfig, parseHost } from "./host.ts";
import { sshAgent } from "./ssh.ts";

/** The client for the engine that the provider is configured for. */
export function connect(config: ProviderConfig): Docker {
  const address = parseHost(config.host);
  if (typeof address === "string") throw new UserError(address);
  // dockerode reads DOCKER_HOST on its own; everything it might take from there is set here.
  const own: Docker.DockerOptions = { host: undefined, port: undefined, protocol: "http", timeout: 0 };
  switch (address.kind) {
    case "unix":
      return new Docker({ ...own, socketPath: address.path });
    case "tcp":
      return new Docker({ ...own, host: address.host, port: address.port, ...tls(config) });
    case "ssh": {
      const agent = sshAgent({ ...address, options: config.sshOpts });
      const options: Docker.DockerOptions & { agent: Agent } = {
        ...own,
        host: "docker.invalid",
        port: 80,
        agent,
      };
      return new Docker(options);
    }
  }
}

function tls(config: ProviderConfig): Docker.DockerOptions {
  const file = (name: string): string | undefined =>
    config.certPath === undefined ? undefined : readFileSync(join(config.certPath, name), "utf8");
  const ca = config.ca ?? file("ca.pem");
  const cert = config.cert ?? file("cert.pem");
  const key = config.key ?? file("key.pem");
  return ca === undefined || cert === undefined || key === undefined
    ? {}
    : { ca, cert, key, protocol: "https" };
}
