import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { explain, UserError } from "../../../tools/docker-plugin/errors.ts";
import { SshError } from "../../../tools/docker-plugin/ssh.ts";

const doing = { action: 'create container "box"', host: "unix:///var/run/docker.sock" };

function fromEngine(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${message} `), {
    statusCode,
    json: { message },
  });
}
function fromSystem(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

const rows: [string, Error, RegExp[]][] = [
  [
    "no socket",
    fromSystem("ENOENT", "connect ENOENT /var/run/docker.sock"),
    [/no Docker engine answers at unix:\/\/\/var\/run\/docker.sock/, /Start it/],
  ],
  ["a closed port", fromSystem("ECONNREFUSED", ""), [/no Docker engine answers/, /docker:host/]],
  [
    "an unknown host",
    fromSystem("ENOTFOUND", "getaddrinfo ENOTFOUND nowhere"),
    [/no Docker engine answers.*ENOTFOUND/],
  ],
  [
    "no permission",
    fromSystem("EACCES", "connect EACCES /var/run/docker.sock"),
    [/refuses this user/, /group `docker`/],
  ],
  ["an engine that stops", fromSystem("ECONNRESET", "socket hang up"), [/broke off/, /run again/]],
  [
    "ssh refused",
    new SshError("root@host: Permission denied (publickey)."),
    [/by ssh: root@host: Permission denied \(publickey\)/, /without a question/],
  ],
  [
    "a published port",
    fromEngine(
      500,
      "driver failed programming external connectivity on endpoint box: Bind for 127.0.0.1:2525 failed: port is already allocated",
    ),
    [/port 127\.0\.0\.1:2525 is taken/, /choose another port/],
  ],
  [
    "a port of another program",
    fromEngine(500, "Error starting userland proxy: listen tcp4 127.0.0.1:25: bind: address already in use"),
    [/port 127\.0\.0\.1:25 is taken/, /ss -lntup/],
  ],
  [
    "a full disk",
    fromEngine(500, "write /var/lib/docker/tmp/x: no space left on device"),
    [/disk of the Docker host is full/, /docker system df/],
  ],
  [
    "an overlapping subnet",
    fromEngine(403, "Pool overlaps with other one on this address space"),
    [/overlaps/, /another subnet/],
  ],
  [
    "an image not built",
    fromEngine(404, "No such image: semail/box:1"),
    [/image semail\/box:1 is not on this engine/, /--refresh/],
  ],
  [
    "a network gone",
    fromEngine(404, "network semail-front not found"),
    [/network semail-front is gone/, /--refresh/],
  ],
  [
    "a read-only root",
    fromEngine(400, "container rootfs is marked read-only"),
    [/read-only file system/, /volume/],
  ],
  ["anything else", fromEngine(400, "invalid mode: x"), [/^can't create container "box": invalid mode: x$/]],
];

describe("an error of the engine", () => {
  for (const [what, error, patterns] of rows) {
    it(`tells cause and remedy: ${what}`, () => {
      const text = explain(error, doing);
      for (const pattern of patterns) assert.match(text, pattern);
      assert.ok(text.startsWith('can\'t create container "box": '));
      assert.doesNotMatch(text, /HTTP code|\n/);
    });
  }
  it("is left alone when it is written for people already", () => {
    assert.equal(explain(new UserError("do this"), doing), "do this");
  });
});
