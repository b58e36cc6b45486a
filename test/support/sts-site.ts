/** A domain with an MTA-STS policy: hosts for the policy and the mail, right and wrong ones, and who sends to them. */
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { issueAuthority, issueCertificate } from "../../components/providers/certificate/issue.ts";
import { createStsPolicies } from "../../mailserver/courier/mta-sts.ts";
import { createSecurity } from "../../mailserver/courier/security.ts";
import { createSmtpCourier } from "../../mailserver/courier/smtp.ts";
import type { StsStore } from "../../mailserver/courier/sts-store.ts";
import { createTargetRule } from "../../mailserver/courier/target.ts";
import { silentLog } from "../../mailserver/net/log.ts";
import { ConnectionPool } from "../../mailserver/net/pool.ts";
import type { Clock } from "../../mailserver/queue/clock.ts";
import { makeAddress } from "../../mailserver/smtp/address.ts";
import { fakeDns, type Zone } from "./fake-dns.ts";
import { makeIdentity } from "./identity.ts";
import { type Peer, startPeer } from "./peer.ts";

/** Where the hosts of the domain may be. */
export interface StsPlaces {
  /** Policy hosts whose certificate is right, and a stranger's; and an address where none is. */
  readonly policy: string;
  readonly strangePolicy: string;
  readonly nowhere: string;
  /** Mail hosts alike, and one without TLS. */
  readonly mail: string;
  readonly strange: string;
  readonly clear: string;
}

export interface StsSite extends AsyncDisposable {
  readonly places: StsPlaces;
  /** What the policy hosts answer. */
  file: RequestListener;
  /** Sends a message to `bob@one.test` whenever it is called, by what `zone` gives then. */
  sender(options: {
    readonly zone: () => Zone;
    readonly store: StsStore;
    readonly clock: Pick<Clock, "now" | "elapsed">;
  }): () => Promise<Sent>;
}

/** What became of a message. */
export interface Sent {
  /** `delivered ESMTPS`, or the kind of failure and its status. */
  readonly came: string;
  /** The host's or our words. */
  readonly said: string;
  /** What the domain would be told in a report (RFC 8460): policy and result of each session. */
  readonly noted: readonly string[];
}

/** A policy file. `maxAge` in seconds. */
export const policyFile =
  (mode: string, mx: string, { maxAge = 86_400, more = "" } = {}): RequestListener =>
  (_request, response) => {
    response.setHeader("Content-Type", "text/plain");
    response.end(`version: STSv1\nmode: ${mode}\nmx: ${mx}\nmax_age: ${maxAge}\n${more}`);
  };

/** The zone of `one.test`: the id of its policy, and where its hosts are. */
export function stsZone(at: {
  readonly id: string;
  readonly policyAt: string;
  readonly mailAt: string;
}): Zone {
  return {
    "one.test": { mx: [[10, "mx.one.test"]] },
    "mx.one.test": { a: [at.mailAt] },
    "_mta-sts.one.test": { txt: [`v=STSv1; id=${at.id};`] },
    "mta-sts.one.test": { a: [at.policyAt] },
  };
}

/** `network`: the first three numbers of an IPv4 network of loopback that nobody else uses. */
export async function startStsSite(network: string): Promise<StsSite> {
  const stack = new AsyncDisposableStack();
  const at = (last: number): string => `${network}.${last}`;
  const places: StsPlaces = {
    ...{ policy: at(3), strangePolicy: at(4), nowhere: at(8) },
    ...{ mail: at(5), strange: at(6), clear: at(7) },
  };
  const trusted = getCACertificates("default");
  const now = new Date();
  const ca = await issueAuthority("Everybody's authority", 2, now);
  const names = ["mta-sts.one.test", "mx.one.test"];
  const issued = await issueCertificate(ca, { dnsNames: names, ipAddresses: [], days: 1, now });
  const right = { certificate: issued.certificatePem, key: issued.privateKeyPem };
  const strange = await makeIdentity("mx.one.test");
  setDefaultCACertificates([...trusted, ca.certificatePem]);
  stack.defer(() => setDefaultCACertificates(trusted));
  const answer: RequestListener = (request, response) => site.file(request, response);
  for (const [host, { certificate: cert, key }] of [
    [places.policy, right],
    [places.strangePolicy, strange],
  ] as const) {
    const server = createServer({ cert, key }, answer);
    await once(server.listen(443, host), "listening");
    stack.defer(() => {
      server.closeAllConnections();
      server.close();
    });
  }
  const first = stack.use(await startPeer({ host: places.mail, tls: right }));
  const { port } = first;
  const peers: readonly Peer[] = [
    first,
    stack.use(await startPeer({ host: places.strange, port, tls: strange })),
    stack.use(await startPeer({ host: places.clear, port })),
  ];
  const site: StsSite = {
    places,
    file: policyFile("none", "x"),
    sender: (options) => makeSender({ ...options, port, peers, network }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
  return site;
}

type SenderOptions = Parameters<StsSite["sender"]>[0] & {
  readonly port: number;
  readonly peers: readonly Peer[];
  readonly network: string;
};

function makeSender({ zone, store, clock, port, peers, network }: SenderOptions): () => Promise<Sent> {
  const now = (name: keyof ReturnType<typeof fakeDns>) => (asked: string) => fakeDns(zone())[name](asked);
  const dns = {
    ...{ resolveMx: now("resolveMx"), resolve4: now("resolve4"), resolve6: now("resolve6") },
    ...{ resolveTlsa: now("resolveTlsa"), resolveTxt: now("resolveTxt") },
  } as ReturnType<typeof fakeDns>;
  const common = { dns, log: silentLog, mayReach: createTargetRule([`${network}.0/24`]) };
  const sts = createStsPolicies({ ...common, store, clock });
  return async () => {
    const connections = new ConnectionPool({ idleMs: 100, messages: 1 });
    const noted: string[] = [];
    const carry = createSmtpCourier({
      ...{ ...common, port, connections, random: Math.random, ownNames: [], hostname: "smtp.semail.test" },
      security: createSecurity({ dns, sts, port, exempt: [] }),
      noted: ({ policy, failure }) => void noted.push(`${policy.type} ${failure?.result ?? "ok"}`),
    });
    const before = peers.map(({ received }) => received.length);
    const recipients = [makeAddress("bob", "one.test")];
    const message = { from: null, recipients, body: Buffer.from("\r\n"), eightBit: false, smtputf8: false };
    const [result] = await carry("one.test", message, AbortSignal.timeout(60_000));
    await connections.close();
    const taken = peers.flatMap(({ received }, index) => received.slice(before[index]));
    const how = result?.kind === "delivered" ? taken[0]?.session.protocol : result?.reply.enhanced;
    return { came: `${result?.kind} ${how}`, said: result?.reply.lines.join(" ") ?? "", noted };
  };
}
