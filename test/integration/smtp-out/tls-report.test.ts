/** Reports posted to an HTTPS server (RFC 8460 section 5.4), over real sockets. */
import assert from "node:assert/strict";
import type { RequestListener } from "node:http";
import { buffer } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { createTargetRule } from "../../../mailserver/courier/target.ts";
import { createPostReport } from "../../../mailserver/tls-report/post.ts";
import { fakeDns } from "../../support/fake-dns.ts";
import { type StsPlaces, type StsSite, startStsSite } from "../../support/sts-site.ts";

const NETWORK = "127.0.79";
const HOST = "mta-sts.one.test";
const REPORT = Buffer.from("a zipped report");

let site: StsSite;
let asked: string[];
before(async () => {
  site = await startStsSite(NETWORK);
});
after(() => site[Symbol.asyncDispose]());

const answering =
  (status: number, headers: Record<string, string> = {}): RequestListener =>
  async (request, response) => {
    const { method, url, headers: told } = request;
    asked.push(`${method} ${url} ${told.host} ${told["content-type"]} ${await buffer(request)}`);
    // Not ended: what it says beyond the status does not matter.
    response.writeHead(status, headers).flushHeaders();
  };

/** To the server at a place; `fine`, or the error. */
async function post(at: keyof StsPlaces, { open = true, signal = new AbortController().signal } = {}) {
  asked = [];
  const dns = fakeDns({ [HOST]: { a: [site.places[at]] } });
  const mayReach = createTargetRule(open ? [`${NETWORK}.0/24`] : []);
  return createPostReport({ dns, mayReach })(new URL(`https://${HOST}/tlsrpt?of=one`), REPORT, signal).then(
    () => "fine",
    String,
  );
}

describe("a report", () => {
  for (const status of [200, 201, 204]) {
    test(`is delivered when the server answers ${status}`, async () => {
      site.file = answering(status);
      assert.equal(await post("policy"), "fine");
      assert.deepEqual(asked, [`POST /tlsrpt?of=one ${HOST} application/tlsrpt+gzip ${REPORT}`]);
    });
  }

  for (const status of [302, 404, 500]) {
    test(`is not delivered when the server answers ${status}, and nobody else is asked`, async () => {
      site.file = answering(status, { location: `https://${HOST}/there` });
      assert.match(await post("policy"), new RegExp(`mta-sts\\.one\\.test answered ${status}`));
      assert.equal(asked.length, 1);
    });
  }

  test("goes to no server with a stranger's certificate", async () => {
    site.file = answering(200);
    assert.match(await post("strangePolicy"), /self-signed certificate|unable to verify/);
    assert.deepEqual(asked, []);
  });

  test("goes to no private address", async () => {
    site.file = answering(200);
    assert.match(await post("policy", { open: false }), /no address that may be asked/);
    assert.deepEqual(asked, []);
  });

  test("is not delivered where nobody listens", async () => {
    assert.match(await post("nowhere"), /ECONNREFUSED/);
  });

  test("is given up when the daemon ends", async () => {
    const stop = new AbortController();
    site.file = () => stop.abort();
    assert.match(await post("policy", { signal: stop.signal }), /AbortError/);
  });
});
