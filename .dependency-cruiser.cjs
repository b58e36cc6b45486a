/** Imports go one way: index → stacks → components → components/providers; mailserver stands alone. */
const rule = (name, comment, from, to) => ({ name, comment, severity: "error", from: { path: from }, to });

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-cycle",
      comment: "Two files that need each other are one file, or lack a third. Types alone may refer back.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "resolvable",
      comment: "Every import leads somewhere.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    rule("mailserver-alone", "The daemons know nothing of the program that deploys them.", "^mailserver/", {
      path: "^(index\\.ts|stacks|components|sdks|tools|operator)|node_modules/@pulumi/|^@pulumi/",
      // Leaves, which know nothing of Pulumi either; the certifier alone writes records (the next rule).
      pathNot: "^sdks/gandi/(client|errors|txt)\\.ts$",
    }),
    rule("certifier-writes-records", "Of the daemons, the certifier alone has a token for the zones.", "^mailserver/(?!certifier/)", {
      path: "^sdks/",
    }),
    rule("contract-only", "The Pulumi side sees the daemons' settings, nothing else of them.", "^(index\\.ts|stacks/|components/)", {
      path: "^mailserver/",
      pathNot: "^mailserver/contract\\.ts$",
    }),
    rule("operator-speaks-the-protocol", "Of the daemons, the operator shares the protocol, logs, metrics and small files.", "^operator/", {
      path: "^mailserver/",
      pathNot: "^mailserver/(operator/|metrics/|net/(log|run-daemon)\\.ts$|queue/(sync-folder|clock)\\.ts$|log-events\\.ts$)",
    }),
    rule("nobody-imports-the-operator", "It stands above everything: it is what runs the program.", "^(index\\.ts|stacks/|components/|sdks/|tools/)", {
      path: "^operator/",
    }),
    rule("components-below-stacks", "Components don't know which stack uses them.", "^components/", {
      path: "^(index\\.ts|stacks/)",
    }),
    rule("providers-below-components", "A provider serves any component.", "^components/providers/", {
      path: "^components/",
      pathNot: "^components/(providers/|types\\.ts$)",
    }),
    rule("crud-without-pulumi", "crud and diff outlive the way in which resources are declared.", "^components/providers/.*/(crud|diff)\\.ts$", {
      path: "node_modules/@pulumi/|^@pulumi/",
    }),
    rule("sdk-alone", "The Gandi package is one that others could use.", "^sdks/", {
      path: "^(index\\.ts|stacks|components|mailserver|tools)",
    }),
    rule("smtp-is-a-leaf", "The protocol engine is sans-IO: no sockets, no files, no packages.", "^mailserver/smtp/", {
      pathNot: "^mailserver/smtp/|^(node:)?(net|url|buffer|util|crypto)$",
    }),
    rule("policy-is-pure", "Facts in, decision out: policy asks nobody.", "^mailserver/policy/", {
      pathNot: "^mailserver/(policy|smtp)/|^(node:)?(net|crypto|util)$",
    }),
    rule("mx-is-a-leaf", "Finding the mail hosts of a domain needs DNS alone.", "^mailserver/courier/mx\\.ts$", {
      pathNot: "^mailserver/smtp/|^(node:)?(net|dns|dns/promises)$",
    }),
    rule("address-is-a-leaf", "Address code is called by everything and calls nothing.", "^(stacks/address|mailserver/smtp/address)\\.ts$", {
      pathNot: "^mailserver/smtp/types\\.ts$|^(node:)?(net|url)$",
    }),
    rule("bootstrap-alone", "The bootstrap runs before the program and without it.", "^tools/(bootstrap/|semail\\.mjs)", {
      path: "^(index\\.ts|stacks|components|sdks|mailserver)|node_modules/@pulumi/|^@pulumi/",
      // Leaves, pure: what a stack file may say, records as a zone file has them, how mailboxes are named, what is asked
      // of a queue, and the packages that VMs need.
      pathNot: "^components/providers/libvirt/remedies\\.ts$|^stacks/(check-config|zone-file|mailbox-id)\\.ts$|^mailserver/desk/(arguments|text|words)\\.ts$",
    }),
    rule("no-test-in-product", "Tests and benchmarks use the product, never the other way round.", "^(?!(test|bench)/)", {
      path: "^(test|bench)/",
    }),
    rule("no-dev-dependency", "What runs in production is a dependency.", "^(index\\.ts|stacks|components|sdks|mailserver|operator)", {
      dependencyTypes: ["npm-dev"],
      dependencyTypesNot: ["type-only"],
    }),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "\\.semail/|^mailserver/images/" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default", "types"] },
  },
};
