import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import type { BuildPlan, ImagePlans } from "../../../components/mail-images.ts";
import { planImages } from "../../../stacks/image-plans.ts";
import { StackConfig } from "../../../stacks/schema.ts";

/** The plans of a stack that needs every image. */
async function plansWith(images: object): Promise<ImagePlans> {
  const { dns, portal, backup, ...config } = StackConfig.parse({
    ...{ domain: "semail.test", dns: { provider: "dev" }, images },
    ...{ portal: { enabled: true }, backup: { enabled: true } },
  });
  return planImages({ images: config.images, dns, portal, backup, certificates: { kind: "acme" } });
}

const built = (plans: ImagePlans): [string, BuildPlan][] =>
  Object.entries(plans).filter((entry): entry is [string, BuildPlan] => "context" in entry[1]);

/** Name and tag. */
const tags = (plans: ImagePlans) => new Map(built(plans).map(([name, { tag }]) => [name, tag]));

describe("image plans", () => {
  let plans: ImagePlans;
  before(async () => {
    plans = await plansWith({});
  });

  it("build on what they say: each is given the tag of its base", () => {
    for (const [name, { on, buildArgs }] of built(plans)) {
      if (name === "base") assert.deepEqual(buildArgs, { BASE_IMAGE: "debian:trixie-slim", EDITION: "" });
      else assert.deepEqual(Object.values(buildArgs), [on && plans[on]?.tag], name);
    }
  });

  it("are other ones with another edition, each of them but a pinned one", async () => {
    const pinned = "registry.example/box:7";
    const { box, ...next } = await plansWith({ edition: "2026-11-28", box: pinned });
    assert.deepEqual(box, { tag: pinned });
    const { box: _, ...before } = plans;
    const editions = [tags(before), tags(next)] as const;
    assert.deepEqual([...editions[1].keys()], [...editions[0].keys()]);
    for (const [name, tag] of editions[0]) assert.notEqual(editions[1].get(name), tag, name);
  });
});
