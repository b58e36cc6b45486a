import assert from "node:assert/strict";
import { it } from "node:test";
import { type Fetch, post, threadOf } from "../../../tools/preview/post.ts";

const BODY = "<!-- semail-preview:prod -->\n### Preview";
const GITHUB = { GITHUB_TOKEN: "t", GITHUB_REPOSITORY: "o/r", PULL_REQUEST: "7" };
const GITLAB = {
  GITLAB_TOKEN: "t",
  CI_API_V4_URL: "https://gitlab.test/api/v4",
  CI_PROJECT_ID: "3",
  CI_MERGE_REQUEST_IID: "7",
};

/** A forge that has these comments. */
function forge(comments: readonly { id: number; body: string | null }[]): { calls: string[]; fetch: Fetch } {
  const calls: string[] = [];
  const fetch: Fetch = async (url, { method, body }) => {
    calls.push(`${method} ${url}${body ? ` ${body}` : ""}`);
    const page = Number(new URL(url).searchParams.get("page"));
    return Response.json(method === "GET" ? comments.slice((page - 1) * 100, page * 100) : {});
  };
  return { calls, fetch };
}

async function calls(env: Record<string, string>, comments: readonly { id: number; body: string | null }[]) {
  const { calls, fetch } = forge(comments);
  const thread = threadOf(env, fetch);
  assert.ok(thread);
  await post(thread, BODY);
  return calls.filter((call) => !call.startsWith("GET"));
}

const text = JSON.stringify({ body: BODY });
const api = "https://api.github.com/repos/o/r/issues";
const notes = "https://gitlab.test/api/v4/projects/3/merge_requests/7/notes";
const others = Array.from({ length: 100 }, (_, id) => ({ id, body: "hello" }));
const own = { id: 900, body: `${BODY} of yesterday` };
for (const [what, env, comments, call] of [
  ["adds to a GitHub pull request", GITHUB, [{ id: 1, body: null }], `POST ${api}/7/comments ${text}`],
  ["replaces its own there", GITHUB, [own], `PATCH ${api}/comments/900 ${text}`],
  ["finds its own on the second page", GITHUB, [...others, own], `PATCH ${api}/comments/900 ${text}`],
  [
    "leaves another stack's alone",
    GITHUB,
    [{ id: 5, body: "<!-- semail-preview:dev -->" }],
    `POST ${api}/7/comments ${text}`,
  ],
  ["adds to a GitLab merge request", GITLAB, [], `POST ${notes} ${text}`],
  ["replaces its own there, too", GITLAB, [own], `PUT ${notes}/900 ${text}`],
] as const) {
  it(`the comment ${what}`, async () => assert.deepEqual(await calls(env, comments), [call]));
}

it("there is no thread without a token that may write, as in a fork's run", () => {
  const { GITHUB_TOKEN: _, ...fork } = GITHUB;
  const { fetch } = forge([]);
  assert.equal(threadOf(fork, fetch), undefined);
  assert.equal(threadOf({ ...fork, GITHUB_TOKEN: "" }, fetch), undefined);
});

it("only what the preview wrote is posted", async () => {
  const thread = threadOf(GITHUB, forge([]).fetch);
  assert.ok(thread);
  await assert.rejects(post(thread, "hello"), /its mark is missing/);
});

it("a refusal names the remedy and not the token", async () => {
  const thread = threadOf(
    { ...GITHUB, GITHUB_TOKEN: "s3cr3t" },
    async () => new Response("", { status: 403 }),
  );
  assert.ok(thread);
  await assert.rejects(post(thread, BODY), (error: Error) => {
    assert.match(error.message, /answered 403.*token may write comments/);
    return !error.message.includes("s3cr3t");
  });
});
