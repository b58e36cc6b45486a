import assert from "node:assert/strict";
import { test } from "node:test";
import { mobileAccount } from "../../../mailserver/portal/mail-program.ts";
import { testPortal } from "../../support/portal.ts";

test("a telephone reads the account from the picture, as the format's own example has it", () => {
  const servers = {
    imap: { host: "imap.domain.example", imaps: 993, starttls: 143 },
    smtp: { host: "smtp.domain.example", submissions: 465, starttls: 587 },
    sieve: 4190,
  };
  const jane = { uid: "user", name: "Jane Doe", addresses: ["user@domain.example"] };
  assert.deepEqual(JSON.parse(mobileAccount(jane, servers)), [
    1,
    [1, 1],
    [0, "imap.domain.example", 993, 3, 1, "user@domain.example"],
    [
      [
        [0, "smtp.domain.example", 465, 3, 1, "user@domain.example"],
        ["user@domain.example", "Jane Doe"],
      ],
    ],
  ]);
});

test("mail programs and other servers fetch what they need", async () => {
  const { send } = testPortal();
  for (const path of [
    "/.well-known/autoconfig/mail/config-v1.1.xml",
    "/mail/config-v1.1.xml?emailaddress=a@example.org",
  ])
    assert.match(await (await send(path)).text(), /<hostname>imap\.example\.org<\/hostname><port>993/);
  const policy = async (host: string) => {
    const response = await send("/.well-known/mta-sts.txt", {}, `https://${host}`);
    return response.status === 200 ? response.text() : response.status;
  };
  assert.equal(await policy("mta-sts.example.org"), "version: STSv1\r\n");
  assert.equal(await policy("MTA-STS.example.net"), "version: STSv1\r\nmode: none\r\n");
  assert.equal(await policy("mta-sts.example.org."), "version: STSv1\r\n");
  for (const host of ["mta-sts.evil.example", "example.org", "mta-sts.__proto__"])
    assert.equal(await policy(host), 404, host);
  const ask = (body: string) => send("/autodiscover/autodiscover.xml", { method: "POST", body });
  const right = await ask("<Request><EMailAddress>alice@example.org</EMailAddress></Request>");
  assert.match(await right.text(), /<LoginName>alice@example\.org<\/LoginName>/);
  assert.equal((await ask("<EMailAddress>alice@evil.example</EMailAddress>")).status, 404);
  assert.equal((await ask("x".repeat(20_000))).status, 413);
});
