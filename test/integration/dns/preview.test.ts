/** The real program in a real preview, beside a zone as LiveDNS would list it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { after, before, it } from "node:test";
import { makeProject, type TestProject } from "../../support/project.ts";

const TOKEN = "0123456789abcdef";
/** What the zone holds. */
let sets: object[] = [];
const held = (rrset_name: string, rrset_type: string, ...rrset_values: string[]) => ({
  ...{ rrset_name, rrset_type, rrset_values },
  rrset_ttl: 300,
});
let asked: string[] = [];
let api: Server;
let project: TestProject;

before(async () => {
  api = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const known = request.headers.authorization === `Bearer ${TOKEN}`;
    response.writeHead(known ? 200 : 401, { "content-type": "application/json" });
    response.end(
      JSON.stringify(
        known ? sets : { code: 401, message: "who?", object: "HTTPUnauthorized", cause: "Unauthorized" },
      ),
    );
  });
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
  const address = api.address();
  assert.ok(address && typeof address === "object");
  project = await makeProject({
    domain: "example.test",
    dns: { provider: "gandi", apiUrl: `http://127.0.0.1:${address.port}/v5/livedns` },
  });
});
after(async () => {
  api.closeAllConnections();
  api.close();
  await project.dispose();
});

const previewed = () => project.stack.preview().then(() => "", String);

it("a preview fails with every wrong record of the zone at once, after one call to the API", async () => {
  process.env.GANDI_PERSONAL_ACCESS_TOKEN = TOKEN;
  sets = [held("mx", "CNAME", "www"), held("@", "TXT", '"v=spf1 include:x.example ~all"', '"v=spf1 -all"')];
  asked = [];
  const text = await previewed();
  assert.match(text, /mx\.example\.test A: the zone has a CNAME of this name/);
  assert.match(text, /example\.test MX: mx\.example\.test is a CNAME/);
  assert.match(text, /example\.test TXT: there are 2 SPF records/);
  assert.match(text, /- v=spf1 include:x\.example ~all/);
  assert.match(text, /\+ v=spf1 a:smtp\.example\.test -all/);
  assert.match(text, /nothing was changed/);
  assert.deepEqual(asked, ["GET /v5/livedns/domains/example.test/records?page=1&per_page=500"]);
});

it("a token that LiveDNS refuses is told, with the remedy and without the token", async () => {
  process.env.GANDI_PERSONAL_ACCESS_TOKEN = "another-token-123";
  const text = await previewed();
  assert.match(text, /domain example\.test: LiveDNS refused the token/);
  assert.doesNotMatch(text, /another-token-123/);
});
