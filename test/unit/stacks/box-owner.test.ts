import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { boxOwner } from "../../../stacks/box-owner.ts";

/** An engine with alice's box, which runs under another id, and none of bob's. */
async function setUp(t: TestContext) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const path = (request.url ?? "").replace(/^\/v[\d.]+/, "").replace(/\?.*/, "");
    request.resume();
    await once(request, "end");
    asked.push(`${request.method} ${path}`);
    const json = (status: number, body: unknown) => response.writeHead(status).end(JSON.stringify(body));
    if (path === "/containers/json")
      return json(200, [{ Names: ["/semail-t-box-alice"], Labels: { "io.semail.user": "1" } }]);
    if (path === "/containers/create") return json(201, { Id: "c1" });
    if (path.endsWith("/wait")) return json(200, { StatusCode: 0 });
    if (path.endsWith("/logs")) return response.writeHead(200).end();
    return response.writeHead(204).end();
  }).listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const engine = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const of = (uid: string) => ({
    ...{
      uid,
      box: `semail-t-box-${uid}`,
      image: "sha256:1",
      user: 7,
      volume: `semail-t-mail-${uid}`,
      engine,
    },
  });
  return { asked, of };
}

const HANDED = ["POST /containers/create", "POST /containers/c1/start", "POST /containers/c1/wait"];

describe("mail that is given to the user of a box", () => {
  it("is everybody's in an update for all, their boxes stopped before", async (t) => {
    const { asked, of } = await setUp(t);
    const owner = boxOwner("semail-t", undefined);
    await owner(of("alice"));
    const STOPPED = "POST /containers/semail-t-box-alice/stop";
    const steps = [STOPPED, ...HANDED];
    assert.deepEqual(
      asked.filter((each) => steps.includes(each)),
      steps,
    );
  });

  it("is theirs alone in an update for one person: nothing would start another's box again", async (t) => {
    const { asked, of } = await setUp(t);
    const owner = boxOwner("semail-t", "bob");
    await owner(of("alice"));
    assert.equal(asked.length, 0);
    await owner(of("bob"));
    for (const each of HANDED) assert.ok(asked.includes(each), each);
    assert.ok(!asked.some((each) => each.endsWith("/stop")));
  });
});
