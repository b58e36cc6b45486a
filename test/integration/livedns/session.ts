/** A LiveDNS-compatible service for one test file, and its DNS and API. */
import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { after, before } from "node:test";
import * as crud from "@pulumi/gandi/crud.ts";
import { buildLivedns, type Livedns, startLivedns } from "./container.ts";

export const zone = "semail.test";

export interface ApiOptions {
  readonly token?: string;
  readonly body?: unknown;
  readonly accept?: string;
}

/** What tests do with a service. */
export class LivednsSite {
  readonly service: Livedns;
  /** Made anew after a restart: the service's port for DNS is another one then. */
  resolver: Resolver;

  constructor(service: Livedns) {
    this.service = service;
    this.resolver = resolverAt(service.dns);
  }

  auth() {
    return { apiUrl: this.service.apiUrl, token: this.service.token };
  }

  /** Checks and creates, as the engine does. */
  async make(props: { [key: string]: unknown }) {
    const { inputs, failures } = await crud.check({}, { zone, auth: this.auth(), ...props });
    assert.deepEqual(failures, []);
    return { inputs, ...(await crud.create(inputs)) };
  }

  async api(method: string, path: string, options: ApiOptions = {}) {
    const response = await fetch(this.service.apiUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${options.token ?? this.service.token}`,
        "content-type": "application/json",
        ...(options.accept ? { accept: options.accept } : {}),
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : undefined;
    return { status: response.status, headers: response.headers, text, json };
  }

  async restart(): Promise<void> {
    await this.service.restart();
    this.resolver = resolverAt(this.service.dns);
  }
}

function resolverAt(server: string): Resolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([server]);
  return resolver;
}

/** Starts one before the file's tests, with that zone and `other.test`, and removes it behind them. */
export function livednsSite(): () => LivednsSite {
  let site: LivednsSite;
  before(async () => {
    const zones = { LIVEDNS_ZONES: `${zone} other.test`, LIVEDNS_NS_ADDRESS: "10.9.8.7" };
    site = new LivednsSite(await startLivedns(await buildLivedns(), zones));
  });
  after(() => site?.service.remove());
  return () => site;
}
