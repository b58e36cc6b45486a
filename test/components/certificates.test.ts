import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import {
  byType,
  declare,
  isSecret,
  machine,
  named,
  outputs,
  PRIVATE_KEY,
  plain,
  registered,
  running,
  settingsOf,
} from "./declared-stack.ts";

describe("a certificate that was renewed", () => {
  const everything = async (number: number) => {
    await declare({ domain: "example.test", users: { alice: { name: "Alice" } } }, { serial: number });
    return new Map(registered.map(({ name, inputs }) => [name, JSON.stringify(inputs)]));
  };

  it("makes nothing new of the services but what holds it", async () => {
    const [old, renewed] = [await everything(1), await everything(2)];
    const changed = [...renewed].filter(([name, inputs]) => old.get(name) !== inputs).map(([name]) => name);
    assert.deepEqual(changed.sort(), [
      "mail-access-live-files",
      "mail-smtp-in-live-files",
      "mail-smtp-out-live-files",
    ]);
    assert.equal(renewed.size, old.size);
    assert.match(renewed.get("mail-smtp-in-live-files") ?? "", /tls\.crt.*tls\.key/);
  });
});

describe("a stack whose certificate a public authority issues", () => {
  const ACME = { kind: "acme", agreed: true, directory: "https://acme.test/dir" };
  before(async () => {
    await declare(
      {
        domain: "example.test",
        domains: ["example.net", "old.example"],
        leaving: ["old.example"],
        dns: { provider: "dev", signed: true, ttl: 3_600 },
        certificates: ACME,
        portal: { enabled: true },
      },
      { operatorPlace: machine },
    );
  });

  it("tells the certifier what for, by whom and how it is proven", () => {
    const settings = settingsOf("certifier-server");
    const web = ["mta-sts", "autoconfig", "autodiscover"];
    assert.deepEqual(settings.names, [
      ...["mx", "smtp", "imap"].map((name) => `${name}.example.test`),
      "example.test",
      ...["example.test", "example.net"].flatMap((zone) => web.map((name) => `${name}.${zone}`)),
    ]);
    // They may be proven no more, and the others must not hang on them.
    assert.deepEqual(
      settings.leaving,
      web.map((name) => `${name}.old.example`),
    );
    assert.ok((settings.zones as string[]).includes("old.example"));
    assert.equal(settings.directory, ACME.directory);
    assert.deepEqual(settings.contact, ["postmaster@example.test"]);
    // What others remember of the TLSA record from before is forgotten by then.
    assert.equal(settings.holdMs, (3_600 + 900) * 1_000);
    assert.match(JSON.stringify(settings.records), /"apiUrl":"http:\/\/10\.\d+\.0\.54:8080\/v5\/livedns"/);
  });

  it("hands the certifier its secrets as files, and nobody else the account's key", () => {
    const holding = (file: string) =>
      byType("container:Container").flatMap(({ name, inputs }) => {
        const uploads = plain<{ file: string }[]>(inputs.uploads ?? []);
        return uploads.some((upload) => upload.file === `/settings/${file}`) ? [name] : [];
      });
    assert.deepEqual(holding("account.key"), ["certifier-server-settings-files"]);
    assert.deepEqual(holding("dns-token"), ["certifier-server-settings-files"]);
    assert.deepEqual(holding("tls.key"), ["certifier-server-live-files"]);
    const { envs } = named("certifier-server").inputs;
    assert.match(JSON.stringify(envs), /^\["SETTINGS_VERSION=[0-9a-f]+"\]$/);
  });

  it("has every service read its volume, and the certifier alone write it", () => {
    const mounts = Object.fromEntries(
      running().flatMap(({ name, inputs }) =>
        ((inputs.volumes ?? []) as { containerPath: string; readOnly?: boolean }[]).flatMap((volume) =>
          volume.containerPath === "/certificates" ? [[name, volume.readOnly === true]] : [],
        ),
      ),
    );
    assert.deepEqual(mounts, {
      "certifier-server": false,
      "mail-smtp-in": true,
      "mail-smtp-out": true,
      "mail-access": true,
      "portal-server": true,
    });
    for (const name of ["mail-smtp-in", "mail-smtp-out", "portal-server"]) {
      const { certificateFile } = settingsOf(name).tls as { certificateFile: string };
      assert.equal(certificateFile, "/certificates/current/tls.crt", name);
    }
    assert.match(JSON.stringify(named("mail-access").inputs.envs), /"TLS_FOLDER=\/certificates\/current"/);
  });

  it("keeps one key, which the stack's own certificate and the TLSA record are of", () => {
    const { privateKeyPem: key } = outputs("KeyPair", {});
    assert.equal(plain(named("keys-tls").inputs.keyPem), key);
    assert.deepEqual(
      (named("_25._tcp.mx.example.test-TLSA").inputs.values as string[]).map((value) => value.slice(0, 5)),
      ["2 1 1", "3 1 1"],
    );
  });
});

describe("a stack with a certificate of somebody else's", () => {
  it("has every service read it, the key travelling as a secret, and none of the stack's own", async () => {
    const files = { kind: "files", certificateFile: "/tls/chain.pem", keyFile: "/tls/key.pem" };
    const pair = { certificate: "-----BEGIN CERTIFICATE-----\nbought\n", key: PRIVATE_KEY.toString() };
    const summary = await declare({ domain: "example.test", certificates: files, users: {} }, { pair });
    assert.equal(summary.certificates.kind, "files");
    for (const name of ["mail-smtp-in", "mail-smtp-out", "mail-access"]) {
      const { uploads } = named(`${name}-live-files`).inputs;
      assert.ok(isSecret(uploads), "the files travel as a secret");
      const contents = plain<{ content: unknown }[]>(uploads).map(({ content }) => plain<string>(content));
      assert.deepEqual(contents, [pair.certificate, pair.key]);
    }
  });
});
