/** Guard on a host whose bridges hand their frames to the rules of its firewall, and on one whose don't. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { openLab } from "../../support/docker.ts";
import { runImage } from "./images.ts";

const lab = openLab();
after(() => lab.cleanup());

const SWITCH = "net.bridge.bridge-nf-call-iptables";
const OPEN =
  /^guard: bridges pass the firewall by while net\.bridge\.bridge-nf-call-iptables is not 1 .*sysctl/;

/** In a network namespace of its own, which it takes for a host's with an engine. */
const guardWhere = (handedOver: "0" | "1", before = "true") =>
  runImage(lab, "guard", {
    health: false,
    entrypoint: ["/bin/bash", "-c"],
    cmd: [`${before} && iptables-nft -N DOCKER-USER && exec entrypoint`],
    further: { CapAdd: ["NET_ADMIN", "NET_RAW"], Sysctls: { [SWITCH]: handedOver } },
  });

describe("guard's rules", () => {
  it("are well where the bridge hands frames to them", async () => {
    const guard = await guardWhere("1");
    const { stdout } = await guard.exec([
      ...["timeout", "20", "bash", "-c"],
      "until healthcheck; do sleep 0.2; done && echo well",
    ]);
    assert.match(stdout, /^well$/m);
    assert.equal(await guard.logs(), "");
  });

  it("are in their place and not well where it does not, which the check and the log tell", async () => {
    const guard = await guardWhere("0");
    const { stdout } = await guard.exec([
      ...["timeout", "20", "bash", "-c"],
      "until iptables-nft -C SEMAIL-0a1b2c3d4e -j DROP 2>/dev/null; do sleep 0.2; done && echo there",
    ]);
    assert.equal(stdout, "there\n");
    const { exitCode, stderr } = await guard.exec(["healthcheck"]);
    assert.equal(exitCode, 1);
    assert.match(stderr, OPEN);
    assert.match(await guard.logs(), OPEN);
  });

  it("are the bridge's own, too, whatever was left of them before", async () => {
    const table = "bridge semail-0a1b2c3d4e";
    const left = `nft 'add table ${table}; add chain ${table} boxes; add rule ${table} boxes accept'`;
    const guard = await guardWhere("0", left);
    const { stdout } = await guard.exec([
      ...["timeout", "20", "bash", "-c"],
      `until nft list table ${table} | grep jump; do sleep 0.2; done && nft list chain ${table} boxes`,
    ]);
    assert.deepEqual(
      stdout.split("\n").map((line) => line.trim()),
      [
        "ip saddr 10.99.64.0/20 jump boxes",
        ...["table bridge semail-0a1b2c3d4e {", "chain boxes {"],
        "ip saddr { 10.99.64.25, 10.99.64.87 } tcp dport { 24, 143, 4190 } accept",
        "ip daddr { 10.99.64.25, 10.99.64.87 } tcp flags & (syn | ack) != syn accept",
        ...["drop", "}", "}", ""],
      ],
    );
  });
});
