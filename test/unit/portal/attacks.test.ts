/** What a browser would never send: markup and line ends in every field, other forms, other people's names, guesses. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { FaultCode } from "../../../mailserver/operator/protocol.ts";
import { LANGUAGES, WORDS, type WordKey } from "../../../mailserver/portal/words.ts";
import { ORIGIN, person, testPortal } from "../../support/portal.ts";

const PASSWORD = "alice-password";
const LONGER = "a much longer one";
/** Every form, filled in as it is meant. */
const FORMS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "/sign-in": { login: "alice", password: PASSWORD },
  "/language": { language: "fr", back: "/mailbox" },
  "/new": { local: "free", domain: "example.org" },
  "/aliases/add": { local: "free", domain: "example.org" },
  "/aliases/remove": { address: "shop@example.org" },
  "/forward": { forward: "me@example.com" },
  "/password": { current: PASSWORD, next: LONGER, again: LONGER },
  "/delete": { address: "alice@example.org", password: PASSWORD },
};
const MARKUP = `"><script>alert(1)</script>`;
const INJECTIONS = {
  markup: MARKUP,
  "a header": `x\r\nSet-Cookie: x=1\r\n\r\n${MARKUP}`,
  "an LDAP filter": "*)(uid=*",
  "a DN": "alice,ou=people",
  "a path": "../people/bob",
  "an escaped path": "..%2Fpeople%2Fbob",
  "a NUL": "alice\0",
  "another's name in Unicode": "ａｌｉｃｅ",
  "a YAML document": "x\n    state: active\n    addresses: [bob@example.org]",
  "a config's key": "__proto__",
};
/** A mailbox with an alias, and somebody without one. */
const open = () =>
  testPortal([
    person("alice", { aliases: ["shop@example.org"] }),
    person("carol", { state: "none", addresses: [] }),
    person("bob"),
  ]);

function assertHarmless({
  text,
  headers,
  location,
}: Awaited<ReturnType<ReturnType<ReturnType<typeof open>["browser"]>["get"]>>): void {
  assert.doesNotMatch(text, /<script>/);
  assert.ok(headers.getSetCookie().every((line) => line.startsWith("__Host-")));
  assert.match(location ?? "/", /^\/(?!\/)[\w/?=-]*$/);
}

/** Sends the form as who it is meant for; nothing of it may go on to the operator. */
async function inject(path: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const portal = open();
  const uid = path === "/new" ? "carol" : "alice";
  const browser = portal.browser();
  if (path !== "/sign-in") await browser.signIn(uid);
  if (path === "/new") await browser.get("/new");
  const answer = await browser.post(path, { ...fields });
  assertHarmless(answer);
  const what = `${JSON.stringify(fields)} was answered ${answer.status}`;
  assert.ok([200, 303, 400, 403, 404].includes(answer.status), what);
  // Where mail is forwarded to is for the operator to judge; that it is asked as this person is all there is to see here.
  if (path === "/forward") for (const asked of portal.operator.submitted) assert.equal(asked.uid, uid);
  else assert.deepEqual(portal.operator.submitted, [], what);
}

describe("what is typed never becomes markup, a header, a filter or a path", () => {
  for (const [path, fields] of Object.entries(FORMS))
    for (const field of Object.keys(fields))
      test(`${field} of ${path}`, async () => {
        for (const value of Object.values(INJECTIONS)) await inject(path, { ...fields, [field]: value });
      });

  for (const [name, value] of Object.entries(INJECTIONS))
    test(`${name} in an address, in what the operator says, and in headers`, async () => {
      const browser = await open().browser().signIn("alice");
      for (const path of [
        "/address?local=LOCAL&domain=example.org",
        "/address?local=x&domain=LOCAL",
        "/progress/LOCAL",
        "/LOCAL",
      ])
        assertHarmless(await browser.get(path.replace("LOCAL", encodeURIComponent(value))));
      const told = testPortal([
        person("bob", { name: value, forward: value, addresses: [value], aliases: [value] }),
      ]);
      const bob = await told.browser().signIn("bob");
      for (const path of ["/mailbox", "/delete", "/log", "/phone.svg"]) assertHarmless(await bob.get(path));
      const newcomer = testPortal([
        person("carol", { name: value, state: "none", addresses: [], domains: [value] }),
      ]);
      const carol = newcomer.browser();
      await carol.signIn("carol");
      assertHarmless(await carol.get(`/new?domain=${encodeURIComponent(value)}`));
      const header = value.replaceAll(/[^\x20-\x7e]/g, "");
      assertHarmless(
        await browser.get("/mailbox", { "accept-language": header, "x-forwarded-host": header }),
      );
    });
});

describe("a form that is no form of ours", () => {
  const urlencoded = "application/x-www-form-urlencoded";
  const right = (csrf: string) => ({ csrf, forward: "a@b.example" });
  const bodies: [name: string, type: string | undefined, body: (csrf: string) => string, status: number][] = [
    ["as it should be", urlencoded, (csrf) => String(new URLSearchParams(right(csrf))), 303],
    [
      "with a field more",
      urlencoded,
      (csrf) => String(new URLSearchParams({ ...right(csrf), uid: "bob" })),
      400,
    ],
    [
      "with a field twice",
      urlencoded,
      (csrf) => `${new URLSearchParams(right(csrf))}&forward=c@d.example`,
      400,
    ],
    ["with a field as a list", urlencoded, (csrf) => `csrf=${csrf}&forward[]=a@b.example`, 400],
    ["with a field missing", urlencoded, (csrf) => `csrf=${csrf}`, 400],
    ["with a field too long", urlencoded, (csrf) => `csrf=${csrf}&forward=${"x".repeat(300)}`, 400],
    ["with nothing in it", urlencoded, () => "", 403],
    ["without the token", urlencoded, () => "forward=a@b.example", 403],
    ["that is too large", urlencoded, (csrf) => `csrf=${csrf}&forward=${"x".repeat(20_000)}`, 413],
    ["in bytes that are no text", urlencoded, (csrf) => `csrf=${csrf}&forward=%ff%fe%00`, 303],
    ["of JSON", "application/json", (csrf) => JSON.stringify(right(csrf)), 400],
    ["of plain text", "text/plain", (csrf) => `csrf=${csrf}&forward=a@b.example`, 400],
    ["without a type", undefined, (csrf) => `csrf=${csrf}&forward=a@b.example`, 400],
    [
      "in parts",
      "multipart/form-data; boundary=b",
      (csrf) =>
        `--b\r\ncontent-disposition: form-data; name="csrf"\r\n\r\n${csrf}\r\n--b\r\ncontent-disposition: form-data; name="forward"; filename="x"\r\n\r\na@b.example\r\n--b--\r\n`,
      400,
    ],
    ["in parts that never end", "multipart/form-data; boundary=b", () => "--b\r\ncontent-disp", 400],
  ];
  for (const [name, type, body, status] of bodies)
    test(name, async () => {
      const portal = open();
      const browser = await portal.browser().signIn("alice");
      const cookie = [...browser.cookies].map(([key, value]) => `${key}=${value}`).join("; ");
      const headers = {
        cookie,
        origin: ORIGIN,
        ...(type && { "content-type": type }),
        "accept-language": "fr",
      };
      const bytes = Buffer.from(body(browser.csrf));
      const answer = await portal.send("/forward", { method: "POST", headers, body: bytes });
      assert.equal(answer.status, status, await answer.clone().text());
      assert.equal(portal.operator.submitted.length, status === 303 ? 1 : 0);
      if (status !== 303) assert.match(await answer.text(), /<html lang="fr">.*Rien n’a été changé/s);
    });

  test("goes back to no server but ours", async () => {
    const browser = open().browser();
    for (const back of ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
      assert.equal((await browser.post("/language", { language: "fr", back })).location, "/");
  });
});

describe("guesses", () => {
  test("five wrong passwords lock the account at that client, the right one included", async () => {
    const browser = open().browser();
    for (let count = 0; count < 5; count += 1)
      assert.equal(
        (await browser.post("/sign-in", { login: "alice", password: `guess ${count}` })).status,
        403,
      );
    assert.equal((await browser.post("/sign-in", { login: "alice", password: PASSWORD })).status, 429);
    assert.equal((await browser.post("/sign-in", { login: "bob", password: "bob-password" })).status, 303);
  });

  test("side by side are counted as well", async () => {
    const portal = open();
    const guess = (n: number) =>
      portal.browser().post("/sign-in", { login: "alice", password: `guess ${n}` });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => guess(n)));
    assert.equal(answers.filter(({ status }) => status === 403).length, 5);
    assert.equal(answers.filter(({ status }) => status === 429).length, 15);
  });

  for (const [path, wrong] of [
    ["/password", { current: "guess", next: LONGER, again: LONGER }],
    ["/delete", { address: "alice@example.org", password: "guess" }],
  ] as const)
    test(`with a stolen session at ${path} are counted with those of the sign-in`, async () => {
      const portal = open();
      const browser = await portal.browser().signIn("alice");
      for (let count = 0; count < 5; count += 1) assert.equal((await browser.post(path, wrong)).status, 400);
      assert.match((await browser.post(path, { ...FORMS[path] })).text, /Too many wrong passwords/);
      assert.deepEqual(portal.operator.submitted, []);
      const again = await portal.browser().post("/sign-in", { login: "alice", password: PASSWORD });
      assert.equal(again.status, 429);
    });

  test("of one person by their many addresses, from many machines, are counted together", async () => {
    const portal = open();
    const guess = (n: number) => {
      const from = portal.from(`198.51.100.${n}`).browser();
      return from.post("/sign-in", { login: n % 2 ? "alice" : "alice@example.org", password: "guess" });
    };
    for (let n = 0; n < 50; n += 1) assert.equal((await guess(n)).status, 403);
    assert.deepEqual([(await guess(51)).status, (await guess(52)).status], [429, 429]);
  });

  test("tell nothing of who exists", async () => {
    const portal = open();
    const answers = [];
    for (const login of ["alice", "nobody", "alice@example.org", "*"])
      answers.push(await portal.browser().post("/sign-in", { login, password: "guess" }));
    assert.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  });
});

describe("what the operator refuses is said in the person's language", () => {
  const cases: [code: FaultCode, status: number, key: WordKey][] = [
    // Two asked for it at the same moment: it was free when it was looked at.
    ["address-taken", 409, "fault.address-taken"],
    ["wrong-state", 409, "fault.wrong-state"],
    ["alias-limit", 409, "fault.alias-limit"],
    ["alias-forwarded-to", 409, "fault.alias-forwarded-to"],
    ["approval-limit", 409, "fault.approval-limit"],
    ["request-limit", 409, "fault.request-limit"],
    ["forward-malformed", 400, "fault.forward-malformed"],
    ["forward-own", 409, "fault.forward-own"],
    ["forward-nobody", 409, "fault.forward-nobody"],
    ["busy-with-own-request", 409, "fault.busy"],
    ["undo-pending", 503, "fault.undo-pending"],
    ["needs-administrator", 409, "fault.administrator"],
    ["malformed", 400, "fault.input"],
    ["config-refused", 503, "fault.config"],
    ["config-unreadable", 503, "fault.config"],
    ["unknown-person", 404, "fault.unknown-person"],
    ["unavailable", 503, "fault.operator"],
  ];
  for (const [code, status, key] of cases)
    for (const language of LANGUAGES)
      test(`${code} in ${language}`, async () => {
        const portal = open();
        portal.operator.state.refuses = code;
        const carol = portal.browser();
        await carol.signIn("carol");
        await carol.get("/new");
        const answer = await carol.post("/new", { ...FORMS["/new"] }, { "accept-language": language });
        assert.equal(answer.status, status);
        assert.ok(answer.text.includes(WORDS[language][key].replaceAll("'", "&#39;")), answer.text);
      });
});
