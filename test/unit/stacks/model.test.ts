import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isAddress, isDomain, isForward } from "../../../stacks/address.ts";
import { parseConfig } from "../../../stacks/check-config.ts";
import { buildModel, type MailModel, suffixOf } from "../../../stacks/model.ts";
import { parseSize } from "../../../stacks/size.ts";

function model(raw: Record<string, unknown>, stack = "dev"): MailModel {
  const { config, problems } = parseConfig({
    domain: "example.org",
    users: { alice: { name: "Alice" } },
    ...raw,
  });
  assert.ok(config, JSON.stringify(problems));
  return buildModel(config, { project: "semail", stack });
}

const person = (raw: Record<string, unknown>, uid: string, top: Record<string, unknown> = {}) =>
  model({ users: raw, ...top }).people.find((entry) => entry.uid === uid);

describe("the model", () => {
  it("gives a person the address of their uid, and the first one the roles' addresses", () => {
    const users = { alice: { name: "Alice" }, bob: { name: "Bob" } };
    assert.deepEqual(person(users, "alice")?.addresses, [
      "alice@example.org",
      "postmaster@example.org",
      "abuse@example.org",
    ]);
    assert.deepEqual(person(users, "bob")?.addresses, ["bob@example.org"]);
    assert.deepEqual(person(users, "bob", { postmaster: "bob" })?.addresses.length, 3);
  });

  it("takes the first by alphabet for the roles, as Pulumi hands them over, whatever their order in the file", () => {
    const users = { zoe: { name: "Zoe" }, alice: { name: "Alice" }, 7: { name: "Seven" } };
    assert.equal(person(users, "7")?.addresses.length, 3);
    const { 7: _, ...rest } = users;
    assert.equal(person(rest, "alice")?.addresses.length, 3);
    assert.equal(person(rest, "zoe")?.addresses.length, 1);
  });

  it("has the dev name server answer for a reserved top domain, but never for all of a real one", () => {
    const stubs = (domain: string, provider = "dev") =>
      Object.keys(model({ domain, dns: { provider } }).stubs);
    assert.deepEqual(stubs("semail.test"), ["test"]);
    assert.deepEqual(stubs("mail.example"), ["example"]);
    assert.deepEqual(stubs("semail.email"), ["semail.email"]);
    assert.deepEqual(stubs("mail.semail.email"), ["mail.semail.email"]);
    assert.deepEqual(stubs("semail.test", "gandi"), []);
  });

  it("sends mail to its own network of services only where foreign sites are made up on it", () => {
    const allowed = (provider: string) =>
      model({ network: "10.70.0.0/16", dns: { provider }, smtpOut: { allowTargets: ["192.168.7.0/24"] } })
        .smtpOut.allowTargets;
    assert.deepEqual(allowed("dev"), ["192.168.7.0/24", "10.70.0.0/24"]);
    assert.deepEqual(allowed("gandi"), ["192.168.7.0/24"]);
    assert.deepEqual(allowed("none"), ["192.168.7.0/24"]);
  });

  it("gives no address to who has no mailbox, and the roles' to the first who has", () => {
    const users = {
      alice: { name: "Alice", state: "deleted", deletedOn: "2026-01-31" },
      bert: { name: "Bert", state: "none" },
      carol: { name: "Carol" },
    };
    const addresses = model({ users }).people.map((one) => [one.uid, one.address, one.addresses.length]);
    assert.deepEqual(addresses, [
      ["alice", undefined, 0],
      ["bert", undefined, 0],
      ["carol", "carol@example.org", 3],
    ]);
  });

  it("knows a day without quotes, which Pulumi hands over as a time", () => {
    const alice = { name: "Alice", state: "deleted", deletedOn: "2026-01-31 00:00:00 +0000 UTC" };
    const { config, problems } = parseConfig({ domain: "example.org", users: { alice } });
    assert.equal(config?.users.alice?.deletedOn, "2026-01-31", JSON.stringify(problems));
  });

  it("leaves a role's address to who claims it", () => {
    const users = { alice: { name: "Alice" }, bob: { name: "Bob", aliases: ["abuse@example.org"] } };
    assert.deepEqual(person(users, "alice")?.addresses, ["alice@example.org", "postmaster@example.org"]);
    assert.deepEqual(person(users, "bob")?.addresses, ["bob@example.org", "abuse@example.org"]);
  });

  it("takes the first address as the main one, and keeps the uid out when addresses are given", () => {
    const alice = person({ alice: { name: "A", addresses: ["a.martin@example.org"] } }, "alice");
    assert.equal(alice?.address, "a.martin@example.org");
    assert.ok(!alice?.addresses.includes("alice@example.org"));
  });

  it("counts quota in bytes and memory in whole MiB, with the stack's defaults", () => {
    const alice = person({ alice: { name: "A", quota: "1.5GB" } }, "alice", { defaults: { memory: "40MB" } });
    assert.equal(alice?.quotaBytes, 1.5 * 2 ** 30);
    assert.equal(alice?.memoryMb, 40);
  });

  it("is frozen all the way down", () => {
    const { people, network } = model({});
    assert.ok(Object.isFrozen(network) && Object.isFrozen(people) && Object.isFrozen(people[0]?.addresses));
  });

  it("names and places two stacks apart", () => {
    const [dev, prod] = [model({}, "dev"), model({}, "prod")];
    assert.equal(dev.prefix, "semail-dev");
    assert.notEqual(dev.prefix, prod.prefix);
    assert.notEqual(dev.network.front, prod.network.front);
  });

  it("points the records at the containers, or at the host's address when it has one", () => {
    const addresses = (raw: Record<string, unknown>) =>
      new Set(
        model(raw)
          .records.filter((record) => record.type === "A")
          .flatMap((record) => record.values),
      );
    assert.equal(addresses({}).size, 3);
    assert.deepEqual([...addresses({ host: { address: "192.0.2.25" } })], ["192.0.2.25"]);
  });

  it("has one MX, one SPF record per name, and a DMARC policy", () => {
    const { records } = model({});
    assert.deepEqual(records.find((record) => record.type === "MX")?.values, ["10 mx.example.org."]);
    const names = records
      .filter((record) => record.values[0]?.startsWith("v=spf1"))
      .map((record) => record.name);
    assert.deepEqual(names.sort(), ["@", "smtp"]);
    assert.equal(records.filter((record) => record.name === "_dmarc").length, 1);
  });
});

describe("values", () => {
  const table = <T>(name: string, read: (text: string) => T, rows: readonly (readonly [string, T])[]) => {
    for (const [text, wanted] of rows)
      it(`${name} ${JSON.stringify(text)} → ${wanted}`, () => assert.equal(read(text), wanted));
  };
  table("size", parseSize, [
    ["1KB", 1024],
    ["1.5 GB", 1_610_612_736],
    ["2gb", 2_147_483_648],
    ["1", undefined],
    ["-1MB", undefined],
    ["1MBx", undefined],
    ["", undefined],
  ]);
  table("address", isAddress, [
    ["alice@example.org", true],
    ["a.b-c_d@example.org", true],
    ["a..b@example.org", false],
    [".a@example.org", false],
    ["a@", false],
    ["@example.org", false],
    ["a@b@example.org", false],
    ["a b@example.org", false],
    [`${"a".repeat(65)}@example.org`, false],
    ["a@-example.org", false],
    ["a@example", false],
    ["a\n@example.org", false],
    ["a+b@example.org", false],
  ]);
  table("forward", isForward, [
    ["alice@example.org", true],
    ["a+b@example.org", true],
    ["+@example.org", true],
    ["a+.b@example.org", true],
    ["a+b..c@example.org", false],
    [`${"+".repeat(65)}@example.org`, false],
    ["a+b@example", false],
    ["a+b@[192.0.2.1]", false],
    ['"a b"@example.org', false],
    ["a+b", false],
  ]);
  table("domain", isDomain, [
    ["example.org", true],
    ["xn--bcher-kva.example", true],
    ["example", false],
    ["exa_mple.org", false],
    ["example..org", false],
    [`${"a".repeat(64)}.org`, false],
  ]);
  table("suffix", suffixOf, [["mail.example.org", "dc=mail,dc=example,dc=org"]]);
});
