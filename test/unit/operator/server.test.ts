import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";
import { silentLog } from "../../../mailserver/net/log.ts";
import { OperatorError, operatorClient } from "../../../mailserver/operator/client.ts";
import { listen, routes } from "../../../operator/server.ts";
import { create, setUp } from "./support.ts";

describe("the operator's socket", () => {
  async function served(t: TestContext) {
    const all = await setUp(t);
    const socket = join(all.folder, "s");
    const app = routes(all.operator, { log: silentLog, ending: all.ending.signal });
    const server = await listen(app, socket);
    t.after(() => {
      all.ending.abort();
      return server.close();
    });
    return { ...all, socket, app, client: operatorClient({ socket }) };
  }

  it("serves the protocol's client from the first question to the last event", async (t) => {
    const { client, operator, played } = await served(t);
    assert.equal((await client.person("bob")).state, "none");
    // That it fails is for the update to say.
    await client.prepare();
    assert.equal(played.prepared, 1);
    assert.deepEqual(await client.address("bob", "bob@example.org"), { free: true, reason: null });
    assert.deepEqual(await client.address("carol", "bob@example.org"), { free: false, reason: "taken" });
    const states: string[] = [];
    for await (const view of client.events(await client.submit(create))) states.push(view.state);
    assert.equal(states.at(-1), "done");
    assert.equal((await client.person("bob")).state, "active");
    assert.equal(await client.log("bob"), "log of bob");
    assert.deepEqual(await client.usage("bob"), { used: 1_024, limit: null });
    await operator.idle();
  });

  const wrong: {
    name: string;
    ask: [method: string, path: string, body?: string];
    status: number;
    code: string;
  }[] = [
    { name: "no JSON", ask: ["POST", "/requests", "{"], status: 400, code: "malformed" },
    {
      name: "a config",
      ask: ["POST", "/requests", '{"kind":"update","uid":"bob","quota":"1TB"}'],
      status: 400,
      code: "malformed",
    },
    {
      name: "16 KB and a byte",
      ask: ["POST", "/requests", `"${"x".repeat(16_383)}"`],
      status: 400,
      code: "malformed",
    },
    { name: "nobody", ask: ["GET", "/people/mallory"], status: 404, code: "unknown-person" },
    { name: "a path for a uid", ask: ["GET", "/people/..%2Fetc"], status: 404, code: "unknown-person" },
    { name: "no request's id", ask: ["GET", "/requests/..%2F1"], status: 404, code: "unknown-request" },
    {
      name: "events of no request",
      ask: ["GET", `/requests/${"0".repeat(32)}/events`],
      status: 404,
      code: "unknown-request",
    },
    { name: "another resource", ask: ["DELETE", "/people/bob"], status: 404, code: "malformed" },
  ];
  for (const { name, ask, status, code } of wrong) {
    it(`answers ${status} ${code} to ${name}`, async (t) => {
      const { app } = await served(t);
      const [method, path, body] = ask;
      const response = await app.request(path, { method, ...(body === undefined ? {} : { body }) });
      assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [status, code]);
    });
  }

  it("takes the place of one that was killed, and not of one that lives", async (t) => {
    const { socket, app } = await served(t);
    await assert.rejects(listen(app, socket), /another operator listens/);
    await writeFile(`${socket}2`, "");
    await (await listen(app, `${socket}2`)).close();
  });

  it("hands a refusal over as it is", async (t) => {
    const { client } = await served(t);
    await assert.rejects(
      client.submit({ kind: "delete", uid: "bob" }),
      (error) => error instanceof OperatorError && error.status === 409 && error.fault.code === "wrong-state",
    );
  });
});
