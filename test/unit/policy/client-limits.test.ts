import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientLimits, type ClientQuota, networkOf } from "../../../mailserver/policy/client-limits.ts";
import { listedAt } from "../../../mailserver/policy/dnsbl.ts";

const OFF: ClientQuota = { connections: 0, connectionsPerMinute: 0, recipientsPerHour: 0, errorsPerHour: 0 };

/** Limits with a clock that a test moves. */
function limits(address: Partial<ClientQuota>, network: Partial<ClientQuota> = {}) {
  const time = { now: 0 };
  const made = new ClientLimits({
    ...{ address: { ...OFF, ...address }, network: { ...OFF, ...network } },
    now: () => time.now,
  });
  return { made, time };
}

describe("a client", () => {
  test("without limits may do everything", () => {
    const { made } = limits({});
    for (let count = 0; count < 1_000; count++) {
      assert.ok(made.enter("192.0.2.1"));
      assert.ok(made.recipient("192.0.2.1"));
      made.error("192.0.2.1");
    }
  });

  test("is limited in connections at the same time, and others are not", () => {
    const { made } = limits({ connections: 2 });
    assert.deepEqual(
      [1, 2, 3].map(() => made.enter("192.0.2.1")),
      [true, true, false],
    );
    assert.ok(made.enter("192.0.2.2"));
    made.leave("192.0.2.1");
    assert.ok(made.enter("192.0.2.1"));
  });

  test("is limited together with its network", () => {
    const { made } = limits({}, { connections: 2 });
    assert.ok(made.enter("192.0.2.1"));
    assert.ok(made.enter("192.0.2.2"));
    assert.ok(!made.enter("192.0.2.3"));
    assert.ok(made.enter("192.0.3.1"));
    assert.ok(made.enter("2001:db8::1"));
    assert.ok(made.enter("2001:db8:0:0:ffff::2"));
    assert.ok(!made.enter("2001:db8::3"));
    made.leave("2001:db8::1");
    assert.ok(made.enter("2001:db8::3"));
  });

  const windows: Readonly<Record<string, [Partial<ClientQuota>, number, (made: ClientLimits) => boolean]>> = {
    connectionsPerMinute: [{ connectionsPerMinute: 2 }, 60_000, (made) => made.enter("192.0.2.1")],
    recipientsPerHour: [{ recipientsPerHour: 2 }, 3_600_000, (made) => made.recipient("192.0.2.1")],
    errorsPerHour: [
      { errorsPerHour: 2 },
      3_600_000,
      (made) => {
        const allowed = made.enter("192.0.2.1");
        made.error("192.0.2.1");
        return allowed;
      },
    ],
  };
  for (const [name, [quota, ms, act]] of Object.entries(windows)) {
    test(`is limited by ${name}, until the time is over`, () => {
      const { made, time } = limits(quota);
      assert.deepEqual([act(made), act(made), act(made)], [true, true, false]);
      time.now = ms - 1;
      assert.equal(act(made), false);
      time.now = ms;
      assert.equal(act(made), true);
    });
  }
});

const networks: Readonly<Record<string, string>> = {
  "192.0.2.77": "192.0.2.0/24",
  "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
  "2001:db8::5": "2001:db8:0:0::/64",
  "::1": "0:0:0:0::/64",
  "fe80::1:2:3:4:5": "fe80:0:0:1::/64",
};
for (const [address, want] of Object.entries(networks)) {
  test(`${address} is in ${want}`, () => assert.equal(networkOf(address), want));
}

test("block lists are asked as RFC 5782 says", () => {
  assert.equal(listedAt("192.0.2.99", "bl.test").name, "99.2.0.192.bl.test");
  assert.equal(
    listedAt("2001:db8:1:2:3:4:567:89ab", "bl.test").name,
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test",
  );
  assert.ok(listedAt("::1", "bl.test").name.startsWith(`1.${"0.".repeat(31)}`));
  const { says } = listedAt("192.0.2.99", "bl.test");
  assert.deepEqual(
    [["127.0.0.2"], ["127.255.255.254"], ["192.0.2.1"], []].map((answer) => says(answer)),
    [true, false, false, false],
  );
});
