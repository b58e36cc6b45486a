import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { controlName, type HostAccess, keyCommand, nameOf, sshFiles } from "../../../tools/remote/access.ts";
import { explainSsh } from "../../../tools/remote/ssh-faults.ts";

const access: HostAccess = {
  ...{ address: "mx.example.org", port: 22, user: "root", hostKey: "ssh-ed25519 AAAA" },
};

describe("ssh", () => {
  it("is told to ask nothing, and to accept the pinned key and no other", () => {
    const { config = "", known_hosts: known } = sshFiles({ ...access, identity: "~/my keys/mx" }, "c-1");
    for (const line of [
      "BatchMode yes",
      "StrictHostKeyChecking yes",
      "UserKnownHostsFile known_hosts",
      "GlobalKnownHostsFile none",
      "ForwardAgent no",
      'IdentityFile "~/my keys/mx"',
      "IdentitiesOnly yes",
    ])
      assert.ok(config.includes(`  ${line}\n`), line);
    assert.equal(known, "semail-host ssh-ed25519 AAAA\n");
    assert.doesNotMatch(sshFiles(access, "c-1").config ?? "", /Identit/);
  });

  it("has its host named as people do", () => {
    assert.equal(nameOf(access), "root@mx.example.org");
    assert.equal(nameOf({ ...access, address: "2001:db8::1", port: 2222 }), "root@[2001:db8::1]:2222");
    assert.equal(keyCommand({ ...access, port: 2222 }), "ssh-keyscan -t ed25519 -p 2222 mx.example.org");
  });

  it("shares the connection of a login, however that comes, and no other's", () => {
    const login = { ...access, identity: "/keys/mx" };
    const turned = Object.fromEntries(Object.entries(login).reverse()) as unknown as HostAccess;
    assert.equal(controlName(turned), controlName(login));
    assert.equal(controlName({ ...access, identity: undefined }), controlName(access));
    const others: readonly Partial<HostAccess>[] = [
      { address: "mx.example.net" },
      { port: 2222 },
      { user: "admin" },
      { hostKey: "ssh-ed25519 BBBB" },
      { identity: "/keys/other" },
      { identity: undefined },
    ];
    const names = [login, ...others.map((other) => ({ ...login, ...other }))].map(controlName);
    assert.equal(new Set(names).size, names.length);
  });

  const table: readonly (readonly [said: string, cause: RegExp, remedy: RegExp])[] = [
    [
      "No ED25519 host key is known\nHost key verification failed.",
      /another host key/,
      /`ssh-keyscan -t ed25519 mx/,
    ],
    [
      "Unable to negotiate: no matching host key type found. Their offer: ssh-rsa",
      /another host key/,
      /keyscan/,
    ],
    [
      "no such identity: /k: No such file or directory\nroot@mx: Permission denied (publickey).",
      /can't be read: \/k/,
      /identity/,
    ],
    ['Load key "/k": Permission denied\nPermission denied (publickey).', /can't be read: \/k/, /identity/],
    [
      "@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nPermission denied (publickey).",
      /others may read/,
      /chmod 600/,
    ],
    [
      "root@mx: Permission denied (publickey,password).",
      /doesn't let us in \(it takes: publickey,password\)/,
      /authorized_keys/,
    ],
    ["bind [127.0.0.1]:3890: Address already in use", /Port 3890 of this machine/, /ports\.ldap/],
    [
      "ssh: Could not resolve hostname mx.example.org: Name or service not known",
      /name is not known: mx\.example\.org/,
      /ssh\.address/,
    ],
    ["ssh: connect to host mx port 22: Connection refused", /Connection refused/, /sshd runs/],
    ["ssh: connect to host mx port 22: Connection timed out", /timed out/, /firewall/],
    ["kex_exchange_identification: read: reset", /failed\./, /reset\nTry it by hand/],
    ["", /failed without a word/, /Try it by hand/],
  ];
  for (const [said, cause, remedy] of table)
    it(`that says ${JSON.stringify(said.slice(0, 50))} is explained`, () => {
      const trouble = explainSsh(access, said);
      assert.match(trouble.cause, cause);
      assert.match(trouble.remedy, remedy);
    });
});
