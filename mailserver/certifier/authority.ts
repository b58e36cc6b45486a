/** The authority that issues certificates: an ACME server (RFC 8555), asked through acme-client. */
import acme, { type Authorization, type Client, type Order } from "acme-client";
import { z } from "zod";
import { placeOf } from "./challenges.ts";
import {
  CertifierFault,
  Problem,
  problemFault,
  retryAfterMs,
  undecidedFault,
  unreachableFault,
} from "./fault.ts";
import { splitChain } from "./pair.ts";
import { certificateId, parseWindow, pollPause, type RenewalWindow } from "./renewal-info.ts";
import type { ChallengeRecord } from "./store.ts";
import type { Transport } from "./transport.ts";

export interface AuthorityOptions {
  readonly directory: string;
  /** PEM, ECDSA P-256. */
  readonly accountKey: string;
  /** Mail addresses. */
  readonly contact: readonly string[];
  /** RFC 8555 section 7.3.4; the key in base64url. */
  readonly eab: { readonly keyId: string; readonly key: string } | undefined;
  readonly zones: readonly string[];
  /** The one that acme-client has, too. */
  readonly transport: Transport;
  /** Publishes the records, and settles when the authority may look. */
  readonly prove: (records: readonly ChallengeRecord[]) => Promise<void>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds; only differences mean something. */
  readonly elapsed: () => number;
  readonly sleep: (ms: number) => Promise<unknown>;
}

export interface CertificateRequest {
  readonly names: readonly string[];
  /** PEM. */
  readonly key: string;
  /** PEM of the certificate that is renewed. */
  readonly replaces: string | undefined;
}

export interface Authority {
  /** The chain, in PEM. Rejects with CertifierFault. */
  obtain(request: CertificateRequest): Promise<string>;
  /** RFC 9773: undefined when the authority doesn't say. Rejects with CertifierFault. */
  renewalInfo(
    certificate: string,
  ): Promise<{ window: RenewalWindow | undefined; pollMs: number } | undefined>;
}

const Directory = z.object({ renewalInfo: z.url().optional() });
/** RFC 8555 leaves it to the server how long it takes; public ones need some seconds. */
const PATIENCE_MS = 180_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

export function createAuthority(options: AuthorityOptions): Authority {
  const { directory, eab, transport } = options;

  async function renewalBase(): Promise<string | undefined> {
    const { body } = await transport({ url: directory, method: "GET" });
    return Directory.safeParse(parseJson(body)).data?.renewalInfo;
  }

  return {
    async obtain(request) {
      // Anew each time: what it remembers of the account and the directory may be out of date.
      const client = new acme.Client({
        directoryUrl: directory,
        accountKey: options.accountKey,
        ...(eab === undefined ? {} : { externalAccountBinding: { kid: eab.keyId, hmacKey: eab.key } }),
      });
      try {
        await client.createAccount({
          termsOfServiceAgreed: true,
          contact: options.contact.map((address) => `mailto:${address}`),
        });
        const order = await placeOrder(client, request, (await renewalBase()) !== undefined);
        await authorize(client, order, options);
        return await fetchCertificate(client, order, request, options);
      } catch (error) {
        if (error instanceof CertifierFault || error instanceof RangeError) throw error;
        throw unreachableFault(directory, error instanceof Error ? error.message : String(error));
      }
    },

    async renewalInfo(certificate) {
      const base = await renewalBase();
      const id = certificateId(certificate);
      if (base === undefined || id === undefined) return undefined;
      const { body, headers } = await transport({ url: `${base.replace(/\/$/, "")}/${id}`, method: "GET" });
      const pollMs = pollPause(retryAfterMs(headers["retry-after"], options.now()));
      return { window: parseWindow(body), pollMs };
    },
  };
}

/** RFC 9773 section 5: says which certificate this one takes the place of, unless the authority won't hear of it. */
async function placeOrder(
  client: Client,
  { names, replaces }: CertificateRequest,
  knowsAri: boolean,
): Promise<Order> {
  const order = { identifiers: names.map((value) => ({ type: "dns", value })) };
  const id = knowsAri && replaces !== undefined ? certificateId(replaces) : undefined;
  if (id === undefined) return client.createOrder(order);
  try {
    return await client.createOrder({ ...order, replaces: id } as typeof order);
  } catch (error) {
    const refused = ["alreadyReplaced", "malformed", "conflict", "unauthorized", "serverInternal"];
    if (!(error instanceof CertifierFault && refused.includes(error.code))) throw error;
    return client.createOrder(order);
  }
}

type Challenge = Authorization["challenges"][number];

const challengeOf = ({ challenges }: Authorization): Challenge | undefined =>
  challenges.find(({ type }) => type === "dns-01");

/** Has the authority look, until it has decided about every name. */
export async function authorize(
  client: Client,
  order: Order,
  options: Pick<AuthorityOptions, "zones" | "prove" | "elapsed" | "sleep">,
): Promise<void> {
  const pending = (await client.getAuthorizations(order)).filter(({ status }) => status === "pending");
  if (pending.length === 0) return;
  const records = await Promise.all(
    pending.map(async (authorization): Promise<ChallengeRecord & { challenge: Challenge }> => {
      const challenge = challengeOf(authorization);
      const { value: host } = authorization.identifier;
      if (challenge === undefined)
        throw new CertifierFault({
          code: "noChallenge",
          message: `the authority proves ${host} in no way by DNS (dns-01)`,
          remedy: "Use another authority: semail:certificates.directory.",
        });
      const value = await client.getChallengeKeyAuthorization(challenge);
      return { ...placeOf(host, options.zones), value, challenge };
    }),
  );
  await options.prove(records.map(({ zone, name, value }) => ({ zone, name, value })));
  for (const { challenge } of records) await client.completeChallenge(challenge);
  let open: readonly Authorization[] = pending;
  const undecided = () =>
    undecidedFault(
      open.map(({ identifier }) => identifier.value),
      PATIENCE_MS / 1_000,
    );
  await poll({ ...options, undecided }, async () => {
    const all = await client.getAuthorizations(order);
    open = all.filter(({ status }) => status === "pending");
    const failed = all.find(({ status }) => status !== "pending" && status !== "valid");
    if (failed) throw authorizationFault(failed);
    return all.every(({ status }) => status === "valid") ? true : undefined;
  });
}

function authorizationFault(authorization: Authorization): CertifierFault {
  const { status, identifier } = authorization;
  const said = Problem.safeParse(challengeOf(authorization)?.error).data;
  const problem = said ?? { type: "unauthorized", detail: `it is ${status}` };
  return problemFault(problem, { name: identifier.value });
}

async function fetchCertificate(
  client: Client,
  order: Order,
  { names, key }: CertificateRequest,
  options: AuthorityOptions,
): Promise<string> {
  const [, csr] = await acme.crypto.createCsr({ altNames: [...names] }, key);
  await client.finalizeOrder(order, csr);
  const undecided = () =>
    unreachableFault(
      options.directory,
      `it did not come to a decision within ${PATIENCE_MS / 1_000} seconds`,
    );
  const done = await poll({ ...options, undecided }, async () => {
    const now = await client.getOrder(order);
    if (now.status === "invalid")
      throw problemFault(Problem.safeParse(now.error).data ?? { type: "invalid", detail: "" });
    return now.status === "valid" ? now : undefined;
  });
  const chain = splitChain(await client.getCertificate(done));
  if (chain.length === 0) throw unreachableFault(options.directory, "what it gave is no certificate");
  return `${chain.join("\n")}\n`;
}

/** Asks again and again until there is something. `undecided`: what there is to say when there was nothing for too long. */
async function poll<T>(
  {
    elapsed,
    sleep,
    undecided,
  }: Pick<AuthorityOptions, "elapsed" | "sleep"> & { readonly undecided: () => Error },
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = elapsed() + PATIENCE_MS;
  for (let pause = FIRST_PAUSE_MS; elapsed() < deadline; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(pause);
  }
  throw undecided();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
