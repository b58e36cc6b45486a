import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openLab } from "../../support/docker.ts";
import { ACCOUNT_KEY, type Entry, NAMES, openSite, type Site, TOKEN, untilLogged, ZONE } from "./site.ts";

const lab = openLab();
after(() => lab.cleanup());

const is =
  (event: string) =>
  (entry: Entry): boolean =>
    entry.event === event;
const namesOf = (pem: string) =>
  (new X509Certificate(pem).subjectAltName ?? "").split(", ").map((name) => name.replace(/^DNS:/, ""));

describe("an authority that issues", () => {
  let site: Site;
  before(async () => {
    site = await openSite(lab);
    await site.dns.put(ZONE, "_acme-challenge.mx", "TXT", ['"of somebody else"']);
  });

  it("gives the certificate for every name, for the key that the TLSA record tells of", async () => {
    const certifier = await site.start();
    // Healthy: a service that starts now finds something to serve.
    await certifier.waitHealthy();
    assert.ok((await site.served()).certificate.length > 0);
    const issued = await untilLogged(lab, certifier, is("certificate.issued"));
    assert.equal(issued.reason, "first");
    const { certificate, key } = await site.served();
    const leaf = new X509Certificate(certificate);
    assert.deepEqual(namesOf(certificate).toSorted(), NAMES.toSorted());
    assert.equal(key, site.own.key);
    assert.ok(leaf.publicKey.equals(new X509Certificate(site.own.certificate).publicKey));
    // The chain leads to the root that Pebble made up.
    const issuer = new X509Certificate(
      certificate.slice(certificate.indexOf("-----END CERTIFICATE-----") + 26),
    );
    assert.ok(leaf.verify(issuer.publicKey));
    assert.ok(issuer.verify(new X509Certificate(await site.roots()).publicKey));
    // Before it was asked, the stack's own was served.
    const events = (await certifier.logs())
      .split("\n")
      .flatMap((line) => (line ? [JSON.parse(line).event] : []));
    assert.deepEqual(events.filter((event) => event.startsWith("certificate.")).slice(0, 3), [
      "certificate.own",
      "certificate.ordered",
      "certificate.issued",
    ]);
    await certifier.remove();
  });

  it("leaves the zone as it was", async () => {
    assert.deepEqual(await site.texts("_acme-challenge.mx"), ["of somebody else"]);
    for (const name of ["_acme-challenge", "_acme-challenge.smtp", "_acme-challenge.mta-sts"])
      assert.deepEqual(await site.texts(name), [], name);
  });

  it("is not asked again by a restart", async () => {
    const certifier = await site.start();
    const kept = await untilLogged(lab, certifier, is("certificate.kept"));
    assert.ok(Date.parse(String(kept.orderAt)) > Date.now());
    assert.doesNotMatch(await certifier.logs(), /certificate\.(own|ordered)/);
    const metrics = await certifier.exec([
      "bash",
      "-c",
      "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3",
    ]);
    assert.match(
      metrics.stdout,
      /^semail_certificate_expires_seconds\{file="\/certificates\/current\/tls.crt"\} 1\d{9}$/m,
    );
    assert.match(metrics.stdout, /^semail_certificate_issued_seconds 1\d{9}/m);
    assert.match(metrics.stdout, /^semail_certificate_failed_seconds 0$/m);
    await certifier.remove();
  });

  it("is asked for a name that is new, and the certificate before is served until then", async () => {
    const { certificate: before } = await site.served();
    const more = `autoconfig.${ZONE}`;
    const certifier = await site.start({ names: [...NAMES, more] });
    const issued = await untilLogged(lab, certifier, is("certificate.issued"));
    assert.equal(issued.reason, "names");
    assert.doesNotMatch(await certifier.logs(), /certificate\.own/);
    const { certificate } = await site.served();
    assert.notEqual(certificate, before);
    assert.ok(namesOf(certificate).includes(more));
    await certifier.remove();
  });

  it("a certifier that was killed amid an order takes its records away when it is back", async () => {
    const certifier = await site.start({ names: [...NAMES, `autodiscover.${ZONE}`] });
    await untilLogged(lab, certifier, is("certificate.ordered"));
    for (;;) if ((await site.texts("_acme-challenge.autodiscover")).length > 0) break;
    await lab.docker.getContainer(certifier.id).kill({ signal: "SIGKILL" });
    assert.equal((await site.texts("_acme-challenge.autodiscover")).length, 1);
    await certifier.remove();
    const next = await site.start();
    await untilLogged(lab, next, is("certificate.kept"));
    assert.deepEqual(await site.texts("_acme-challenge.autodiscover"), []);
    assert.deepEqual(await site.texts("_acme-challenge.mx"), ["of somebody else"]);
    await next.remove();
  });

  it("says nothing secret", async () => {
    const certifier = await site.start({ token: "another-token-0123456789abcdef" });
    await untilLogged(lab, certifier, is("certificate.kept"));
    const { Config: config } = await lab.docker.getContainer(certifier.id).inspect();
    const said = `${await certifier.logs()}${JSON.stringify(config)}`;
    for (const secret of [TOKEN, "another-token", "PRIVATE KEY"]) assert.ok(!said.includes(secret));
    await certifier.remove();
  });
});

describe("an authority that takes known accounts alone", () => {
  it("issues to an account that is bound to one that it knows", async () => {
    const site = await openSite(lab, { accounts: { "kid-1": ACCOUNT_KEY } });
    const certifier = await site.start({ eab: { keyId: "kid-1", keyFile: "/settings/eab.key" } });
    await untilLogged(lab, certifier, is("certificate.issued"));
    const { certificate } = await site.served();
    assert.deepEqual(namesOf(certificate).toSorted(), NAMES.toSorted());
    assert.ok(!(await certifier.logs()).includes(ACCOUNT_KEY));
  });
});

interface Failure {
  readonly site?: Parameters<typeof openSite>[1];
  readonly settings?: Parameters<Site["start"]>[0];
  readonly code: readonly string[];
  readonly reason: RegExp;
  readonly remedy: RegExp;
}

const FAILURES: Readonly<Record<string, Failure>> = {
  "a token that LiveDNS refuses": {
    settings: { token: "wrong-token-0123456789abcdef" },
    code: ["records"],
    reason: /_acme-challenge\S* TXT can't be changed \(401/,
    remedy: /semail:gandiToken/,
  },
  "a name that the authority won't issue for": {
    site: { blocked: [`smtp.${ZONE}`] },
    // Of more names than two this Pebble dies, and says nothing.
    settings: { names: [`mx.${ZONE}`, `smtp.${ZONE}`] },
    code: ["rejectedIdentifier"],
    reason: /smtp\.semail\.test/,
    remedy: /another one/,
  },
  "an authority that asks other name servers": {
    site: { authorityDns: "127.0.0.1:9" },
    code: ["dns", "unauthorized"],
    reason: /the authority says of (?:\S+\.)?semail\.test/,
    remedy: /delegated to the name servers/,
  },
  "an account that the authority doesn't know": {
    site: { accounts: { "kid-1": ACCOUNT_KEY } },
    code: ["externalAccountRequired"],
    reason: /external ?account ?binding/i,
    remedy: /certificates\.eabKeyId and the secret semail:eabKey/,
  },
  "an account that the authority knows by another key": {
    site: { accounts: { "kid-1": ACCOUNT_KEY.toLowerCase() } },
    settings: { eab: { keyId: "kid-1", keyFile: "/settings/eab.key" } },
    code: ["unauthorized", "malformed", "refused"],
    reason: /\S/,
    remedy: /\S/,
  },
  "an authority that nobody knows": {
    settings: { roots: [] },
    code: ["unreachable"],
    reason: /https:\/\/pebble:14000\/dir: \w+/,
    remedy: /semail:certificates\.roots/,
  },
};

describe("what fails is told with its remedy, tried again, and the stack's own certificate is served", () => {
  for (const [what, { site: options, settings, ...wanted }] of Object.entries(FAILURES)) {
    it(what, async () => {
      const site = await openSite(lab, options);
      const certifier = await site.start(settings);
      const failed = await untilLogged(
        lab,
        certifier,
        (entry) => wanted.code.includes(String(entry.code)) && Number(entry.failures) > 1,
      );
      assert.equal(failed.event, "certificate.failed");
      assert.match(String(failed.reason), wanted.reason);
      assert.match(String(failed.remedy), wanted.remedy);
      assert.equal((await site.served()).certificate, site.own.certificate);
      // The next try may have begun; of each that failed nothing stays.
      const deadline = Date.now() + 20_000;
      while ((await site.texts("_acme-challenge.mx")).length > 0 && Date.now() < deadline) await sleep(50);
      assert.ok(Date.now() < deadline, "a record stayed");
      await certifier.waitHealthy();
    });
  }
});
