import assert from "node:assert/strict";
import { it } from "node:test";
import { isEmpty, isRefused, report } from "../../../tools/preview/report.ts";
import { PreviewJson } from "../../../tools/preview/schema.ts";
import { recorded } from "./support.ts";

it("tells people who come, go and change, with their addresses", () => {
  assert.deepEqual(recorded("change").people, [
    { verb: "added", name: "carol", details: ["carol@semail.test"] },
    { verb: "changed", name: "alice", details: ["+sales@semail.test"] },
    { verb: "removed", name: "bob", details: ["bob@semail.test", "robert@semail.test"] },
  ]);
});

it("tells records with their values before and after", () => {
  const { records } = recorded("change");
  const dmarc = records.find(({ name }) => name === "_dmarc.semail.test TXT");
  const rua = "rua=mailto:postmaster@semail.test";
  assert.deepEqual(dmarc?.details, [`v=DMARC1; p=none; ${rua} → v=DMARC1; p=quarantine; ${rua}`]);
  assert.deepEqual(
    records.filter(({ verb }) => verb === "added").map(({ name }) => name),
    ["_mta-sts.semail.test TXT", "mta-sts.semail.test A"],
  );
});

it("says of a key that is yet to be made that it isn't known", () => {
  const dkim = recorded("create").records.find(({ name }) => name.includes("_domainkey"));
  assert.deepEqual(dkim?.details, ["known after the update"]);
});

it("tells a changed box with its person and a replaced service with the reason", () => {
  const { people, containers } = recorded("replace");
  assert.deepEqual(people, [
    { verb: "changed", name: "alice", details: ["box changed: memory, memorySwap"] },
  ]);
  assert.deepEqual(
    containers.map(({ verb, name }) => `${verb} ${name}`),
    ["replaced mail-smtp-in"],
  );
  assert.ok(containers[0]?.details.includes("envs"));
});

it("tells which data an end would take, and that it is protected", () => {
  const { losses } = recorded("destroy");
  assert.ok(losses.some(({ name, fate }) => name === "person-alice-mail" && fate === "refused"));
  assert.ok(losses.some(({ name, fate }) => name === "keys-dkim" && fate === "refused"));
  assert.ok(losses.every(({ name }) => !/-settings$/.test(name)));
});

it("tells a limit of a disk with its person, and not as somebody new", () => {
  const type = "pulumi-nodejs:dynamic/semail:DiskLimit";
  const urn = `urn:pulumi:s::p::semail:index:Mailbox$${type}::person-bob-disk`;
  const steps = [{ op: "update", urn, newState: { type }, oldState: { type }, diffReasons: ["bytes"] }];
  const { people, others } = report(PreviewJson.parse({ steps }));
  assert.deepEqual(people, [{ verb: "changed", name: "bob", details: ["limit of the disk changed: bytes"] }]);
  assert.deepEqual(others, []);
});

const volume = (op: string, state: object) => ({
  op,
  urn: "urn:pulumi:s::p::semail:index:Mailbox$docker:index/volume:Volume::person-bob-mail",
  oldState: { type: "docker:index/volume:Volume", ...state },
});
for (const [what, step, fate] of [
  ["protected data is refused", volume("delete", { protect: true, retainOnDelete: true }), "refused"],
  ["data of keepVolumes is kept", volume("delete", { retainOnDelete: true }), "kept"],
  ["other data is lost", volume("delete", {}), "lost"],
  ["replaced data is lost", volume("replace", {}), "lost"],
  ["changed data is none of it", volume("update", {}), undefined],
] as const) {
  it(`of what is deleted, ${what}`, () => {
    const { losses } = report(PreviewJson.parse({ steps: [step] }));
    assert.deepEqual(
      losses.map((loss) => loss.fate),
      fate === undefined ? [] : [fate],
    );
  });
}

it("tells mail that is thrown away as lost, although volumes are kept", () => {
  const discard = (id: string) => ({
    op: "create",
    urn: `urn:pulumi:s::p::pulumi-nodejs:dynamic/semail:DiscardedVolume::discarded-${id}`,
    newState: { type: "pulumi-nodejs:dynamic/semail:DiscardedVolume" },
  });
  const of = (id: string) =>
    report(PreviewJson.parse({ steps: [volume("delete", { retainOnDelete: true }), discard(id)] }));
  assert.deepEqual(of("bob").losses, [{ name: "person-bob-mail", fate: "lost" }]);
  assert.deepEqual(of("carol").losses, [{ name: "person-bob-mail", fate: "kept" }]);
  assert.deepEqual(of("bob").others, []);
});

it("tells a second mailbox of a uid with its person", () => {
  const step = {
    ...volume("create", {}),
    oldState: undefined,
    newState: { type: "docker:index/volume:Volume" },
  };
  const urn = step.urn.replace("person-bob-mail", "person-bob_2-mail");
  assert.deepEqual(
    report(PreviewJson.parse({ steps: [{ ...step, urn }] })).people.map(({ name }) => name),
    ["bob"],
  );
});

it("finds nothing where nothing changes, and no fault", () => {
  assert.ok(isEmpty(recorded("same")));
  assert.ok(!isRefused(recorded("same")));
});

it("takes the words of a refused config, without those of Pulumi around them", () => {
  const { errors } = recorded("refused");
  assert.equal(errors.length, 1);
  assert.match(errors[0] ?? "", /alice@semail\.test is claimed twice/);
  assert.ok(isRefused(recorded("refused")));
});

it("says that a forward address changed, not where it leads", () => {
  const entry = (forward: string[]) => ({
    type: "pulumi-nodejs:dynamic/semail:LdapEntry",
    inputs: { attributes: { cn: ["A"], mailLocalAddress: ["a@b.test"], mailRoutingAddress: forward } },
  });
  const step = { op: "update", urn: "urn:pulumi:s::p::t::person-a-entry" };
  const found = report(
    PreviewJson.parse({ steps: [{ ...step, oldState: entry([]), newState: entry(["me@away.example"]) }] }),
  );
  assert.deepEqual(found.people, [{ verb: "changed", name: "a", details: ["forward address"] }]);
});

it("takes inputs of an unknown form, as secrets and unknowns are, for unknown", () => {
  const state = {
    type: "pulumi-nodejs:dynamic/gandi:Record",
    inputs: { zone: "b.test", name: "@", type: "TXT" },
  };
  const newState = { ...state, inputs: { ...state.inputs, values: "[secret]" } };
  const step = { op: "create", urn: "urn:pulumi:s::p::t::b.test-TXT", newState };
  assert.deepEqual(report(PreviewJson.parse({ steps: [step] })).records, [
    { verb: "added", name: "b.test TXT", details: ["known after the update"] },
  ]);
});
