import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { Refusal } from "../../../operator/refusal.ts";
import {
  applyChange,
  planChange,
  readConfig,
  reversed,
  type UserEdit,
} from "../../../operator/stack-file.ts";

const FILE = `# The stack of all of us.
config:
  semail:domain: example.org
  semail:users:
    # the boss
    alice:
      name: Alice Martin   # hi
      aliases: [a@example.org,   b@example.org]
      # last of alice's

    # next
    bob: {name: Bob, state: none} # inline
    7:
        name: "Seven"
        aliases:
            - x@example.org # why
            - y@example.org
  semail:ports: {smtp:   2525}
secretsprovider: passphrase
`;

const HEAD = "config:\n  semail:domain: example.org\n  semail:users:\n";
const ALICE = "    alice:\n      name: Alice\n";
/** How an entry may end. */
const TAILS: Record<string, string> = {
  "a list": "      aliases:\n        - a@example.org\n",
  "a list and a comment in it": "      aliases:\n        - a@example.org\n        # was hers until May\n",
  "a list and a comment below it": "      aliases:\n        - a@example.org\n      # hers\n",
  "a list not indented and a comment": "      aliases:\n      - a@example.org\n      # hers\n",
  "a list, an empty line and a comment": "      aliases:\n        - a@example.org\n\n        # hers\n",
  "a comment and a line of spaces": "      aliases:\n        - a@example.org\n        # hers\n        \n",
  "a list on one line and a comment": "      aliases: [a@example.org]\n      # hers\n",
  "a text and a comment": "      forward: a@example.com\n        # hers\n",
};
/** What may come next. */
const FOLLOWERS: Record<string, string> = {
  "the next person": "    bob:\n      name: Bob\n",
  "a key of the config": "  semail:retention: 3650\n",
  "a key of nobody's": "  other:key: 1\nsecretsprovider: passphrase\n",
  "a key at the top": "secretsprovider: passphrase\n",
  "the end of the file": "",
};
const EDITS: UserEdit[] = [
  { aliases: ["a@example.org", "b@example.org"] },
  { aliases: [] },
  { forward: "x@example.com" },
  { state: "deleted", deletedOn: "2026-11-28" },
];

/** What the file says but for alice. */
function othersIn(text: string): unknown {
  const all = parse(text);
  delete all.config["semail:users"].alice;
  return all;
}

/** What differs, line by line. */
function diff(before: string, after: string): { gone: string[]; come: string[] } {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return {
    gone: old.filter((line) => !now.includes(line)).map((line) => line.trim()),
    come: now.filter((line) => !old.includes(line)).map((line) => line.trim()),
  };
}

const edits: { name: string; uid: string; edit: UserEdit; gone: string[]; come: string[] }[] = [
  {
    name: "a mailbox is one key less",
    uid: "bob",
    edit: { state: undefined, addresses: undefined },
    gone: ["bob: {name: Bob, state: none} # inline"],
    come: ["bob: {name: Bob} # inline"],
  },
  {
    name: "a mailbox of another name is an address more",
    uid: "bob",
    edit: { state: undefined, addresses: ["robert@example.org"] },
    gone: ["bob: {name: Bob, state: none} # inline"],
    come: ["bob: {name: Bob, addresses: [robert@example.org]} # inline"],
  },
  {
    name: "an alias that goes leaves the comments of those that stay",
    uid: "7",
    edit: { aliases: ["x@example.org", "z@example.org"] },
    gone: ["- y@example.org"],
    come: ["- z@example.org"],
  },
  {
    name: "a deletion is two keys more, the day in quotes",
    uid: "7",
    edit: { state: "deleted", deletedOn: "2026-11-28" },
    gone: [],
    come: ["state: deleted", 'deletedOn: "2026-11-28"'],
  },
  {
    name: "a key that isn't there is taken out by doing nothing",
    uid: "7",
    edit: { forward: undefined },
    gone: [],
    come: [],
  },
  {
    name: "the last alias that goes takes the key along",
    uid: "7",
    edit: { aliases: [] },
    gone: ["aliases:", "- x@example.org # why", "- y@example.org"],
    come: [],
  },
];

describe("the stack file", () => {
  for (const { name, uid, edit, gone, come } of edits) {
    it(`changes nothing but the person's lines: ${name}`, () => {
      const change = planChange(FILE, uid, edit);
      const after = applyChange(FILE, change);
      assert.deepEqual(diff(FILE, after), { gone, come });
      assert.equal(applyChange(after, change), after);
      assert.equal(applyChange(after, reversed(change)), FILE);
    });
  }

  for (const [how, tail] of Object.entries(TAILS)) {
    for (const [what, rest] of Object.entries(FOLLOWERS)) {
      it(`leaves ${what} as it is behind an entry that ends with ${how}`, () => {
        for (const newline of ["\n", "\r\n"]) {
          const lines = (part: string) => part.replaceAll("\n", newline);
          const text = lines(`${HEAD}${ALICE}${tail}${rest}`);
          for (const edit of EDITS) {
            const change = planChange(text, "alice", edit);
            const after = applyChange(text, change);
            assert.ok(after.startsWith(lines(HEAD)) && after.endsWith(`\n${lines(rest)}`), after);
            assert.deepEqual(othersIn(after), othersIn(text));
            assert.equal(applyChange(after, change), after);
            assert.deepEqual(parse(applyChange(after, reversed(change))), parse(text));
          }
        }
      });
    }
  }

  for (const aliases of [["z@example.org", "new@example.org"], []]) {
    it(`leaves to an administrator what others have a part of (${aliases.length} aliases)`, () => {
      const text = `${HEAD}    bob: {aliases: &both [z@example.org]}\n    carol: {aliases: *both}\n`;
      const change = planChange(text, "bob", { aliases });
      assert.throws(() => applyChange(text, change), isRefusal("needs-administrator"));
    });
  }

  it("keeps what others changed meanwhile", () => {
    const change = planChange(FILE, "bob", { state: undefined });
    const moved = FILE.replace("Alice Martin", "Alice Martin-Dupont").replace("2525", "2526");
    const after = applyChange(moved, change);
    assert.match(after, /Alice Martin-Dupont/);
    assert.match(after, /bob: \{name: Bob\} # inline/);
  });

  it("doesn't touch an entry that somebody else changed meanwhile", () => {
    const change = planChange(FILE, "bob", { state: undefined });
    const moved = FILE.replace("name: Bob,", "name: Robert,");
    assert.throws(() => applyChange(moved, change), isRefusal("needs-administrator"));
  });

  const foreign: Record<string, string> = {
    "no such person": "config:\n  semail:users: {}\n",
    "an alias": "x: &x {name: Bob}\nconfig:\n  semail:users:\n    bob: *x\n",
    "no users": "config: {}\n",
    "an empty file": "",
  };
  for (const [name, text] of Object.entries(foreign)) {
    it(`leaves ${name} to an administrator`, () =>
      assert.throws(() => planChange(text, "bob", { state: undefined }), isRefusal("needs-administrator")));
  }

  const broken: Record<string, { text: string; code: string }> = {
    "that is no YAML": { text: "config: [", code: "config-unreadable" },
    "with secrets that only Pulumi reads": {
      text: "config:\n  semail:domain:\n    secure: v1:abc\n",
      code: "config-unreadable",
    },
    "that the program would refuse": { text: "config:\n  semail:domain: x\n", code: "config-refused" },
  };
  for (const [name, { text, code }] of Object.entries(broken)) {
    it(`refuses a file ${name}`, () =>
      assert.throws(() => readConfig({ name: "Pulumi.dev.yaml", text, project: "semail" }), isRefusal(code)));
  }
});

function isRefusal(code: string) {
  return (error: unknown) => error instanceof Refusal && error.fault.code === code;
}
