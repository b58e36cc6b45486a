import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { openLab } from "../../support/docker.ts";
import { selfSigned } from "./certificate.ts";
import { BOX_SEED, healthy, type ImageName, runImage, SERVICE_PASSWORD } from "./images.ts";

const lab = openLab();
after(() => lab.cleanup());

const tls = await selfSigned("access.test");
const accessSettings = {
  "ldap-password": SERVICE_PASSWORD,
  "box-seed": BOX_SEED,
  "tls.crt": tls.certificate,
  "tls.key": tls.key,
};
const more = (image: ImageName) => (image === "access" ? { settings: accessSettings } : {});

describe("every image runs with no rights at all", () => {
  for (const image of ["directory", "box", "access", "resolver"] as const) {
    it(`${image} gets healthy and stops at once`, async () => {
      const container = await healthy(lab, image, more(image));
      const { stdout } = await container.exec([
        "sh",
        "-c",
        "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/1/status; touch /etc/x 2>&1; tr '\\0' ' ' </proc/1/cmdline",
      ]);
      assert.match(stdout, /^500[0-3]\n/);
      assert.match(stdout, /CapBnd:\s+0+\n/);
      assert.match(stdout, /CapEff:\s+0+\n/);
      assert.match(stdout, /NoNewPrivs:\s+1\n/);
      assert.match(stdout, /Read-only file system/);
      for (const secret of [SERVICE_PASSWORD, BOX_SEED]) assert.ok(!stdout.includes(secret));
      const asked = performance.now();
      await container.stop();
      const took = performance.now() - asked;
      assert.ok(took < 3_000, `stopping took ${Math.round(took)} ms`);
      assert.notEqual(await container.wait(), 137, "it was killed");
      const logs = await container.logs();
      for (const secret of [SERVICE_PASSWORD, BOX_SEED]) assert.ok(!logs.includes(secret));
    });
  }
});

const cases: [ImageName, string, Record<string, string>, RegExp][] = [
  ["directory", "a suffix that is no DN", { SLAPD_SUFFIX: "semail.test" }, /SLAPD_SUFFIX must be/],
  ["directory", "no domain", { SLAPD_DOMAIN: "" }, /SLAPD_DOMAIN must be/],
  ["box", "a user that breaks out of the configuration", { BOX_USER: "a\n}" }, /BOX_USER must be/],
  ["box", "a quota that is no number", { BOX_QUOTA_BYTES: "1G" }, /BOX_QUOTA_BYTES must be/],
  ["box", "folders without a number", { BOX_FOLDERS: "many" }, /BOX_FOLDERS must be/],
  ["box", "a secret that is no digest", { BOX_SECRET_SHA256: "secret" }, /BOX_SECRET_SHA256 must be/],
  ["box", "no authority of the front services", { BOX_FRONT_CA: "" }, /BOX_FRONT_CA must be/],
  ["guard", "a network that is not a stack's", { GUARD_BRIDGE: "eth0" }, /GUARD_BRIDGE must be/],
  ["guard", "a network with a rule behind it", { GUARD_NETWORK: "10.0.0.0/8 drop" }, /GUARD_NETWORK must be/],
  ["guard", "an address with a rule behind it", { GUARD_FRONT: "10.0.0.1 -j ACCEPT" }, /GUARD_FRONT must be/],
  ["guard", "no port", { GUARD_PORTS: "" }, /GUARD_PORTS must be/],
  ["access", "no URI", { LDAP_URI: "directory" }, /LDAP_URI must be/],
  [
    "access",
    "a login guard that is no URL",
    { LOGIN_GUARD_URL: "smtp-out:10026" },
    /LOGIN_GUARD_URL must be/,
  ],
  [
    "access",
    "a login guard with a line end",
    { LOGIN_GUARD_URL: "http://smtp-out:10026/\nssl = no" },
    /LOGIN_GUARD_URL must be/,
  ],
  [
    "access",
    "a login guard for which there is no secret",
    { LOGIN_GUARD_URL: "http://smtp-out:10026/" },
    /\/settings\/login-guard-secret is missing or unreadable/,
  ],
  ["access", "a DN with a line end", { LDAP_BIND_DN: "cn=a\nssl = no" }, /LDAP_BIND_DN must be/],
  ["resolver", "nobody may ask", { RESOLVER_ALLOW: "" }, /RESOLVER_ALLOW must/],
  ["resolver", "a network that is none", { RESOLVER_ALLOW: "everyone" }, /'everyone', which is not/],
  ["resolver", "a stub without a server", { RESOLVER_STUBS: "test=" }, /'test=', which is not/],
];

describe("a wrong environment ends with one line that names it", () => {
  for (const [image, what, env, wanted] of cases) {
    it(`${image}: ${what}`, async () => {
      const container = await runImage(lab, image, { ...more(image), env, health: false });
      assert.equal(await container.wait(), 64);
      const lines = (await container.logs()).trimEnd().split("\n");
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.match(lines[0] ?? "", new RegExp(`^${image}: .*${wanted.source}`));
    });
  }

  it("guard: the engine keeps no firewall, where it would have to open one", async () => {
    const container = await runImage(lab, "guard", { health: false });
    assert.equal(await container.wait(), 69);
    assert.match(
      await container.logs(),
      /^guard: the engine keeps no firewall here .*: start it without iptables=false\n$/,
    );
  });

  it("access: a settings file is missing", async () => {
    const { "box-seed": _, ...settings } = accessSettings;
    const container = await runImage(lab, "access", { settings, health: false });
    assert.equal(await container.wait(), 64);
    assert.match(await container.logs(), /^access: \/settings\/box-seed is missing or unreadable\n$/);
  });
});
