/** Puts a comment on a pull or merge request, in the place of the one of an earlier run. */
import { z } from "zod";

/** A request's comments, on whichever forge. */
export interface Thread {
  readonly name: string;
  list(page: number): Promise<{ id: number; body: string }[]>;
  add(body: string): Promise<void>;
  replace(id: number, body: string): Promise<void>;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;
type Env = Readonly<Record<string, string | undefined>>;

const PAGE = 100;
/** A request with more comments than that gets a new one. */
const MAX_PAGES = 20;

const Comments = z.array(z.object({ id: z.number().int(), body: z.string().nullable() }));

/** Posts the text; the first line is what its predecessor is known by. */
export async function post(thread: Thread, body: string): Promise<"added" | "replaced"> {
  const [marker = ""] = body.split("\n");
  if (!/^<!-- semail-preview:[a-z0-9-]+ -->$/.test(marker)) {
    throw new TypeError(
      "This is no comment that `npm run preview -- --comment FILE` wrote: its mark is missing.",
    );
  }
  for (let page = 1; page <= MAX_PAGES; page++) {
    const comments = await thread.list(page);
    const earlier = comments.find((comment) => comment.body.startsWith(marker));
    if (earlier) {
      await thread.replace(earlier.id, body);
      return "replaced";
    }
    if (comments.length < PAGE) break;
  }
  await thread.add(body);
  return "added";
}

/** The thread that the environment of the CI names; undefined where it names none, or gives no token to write. */
export function threadOf(env: Env, fetch: Fetch): Thread | undefined {
  const { GITHUB_TOKEN, GITHUB_REPOSITORY, GITHUB_API_URL = "https://api.github.com", PULL_REQUEST } = env;
  if (GITHUB_TOKEN && GITHUB_REPOSITORY && PULL_REQUEST) {
    const repository = `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/issues`;
    const headers = { authorization: `Bearer ${GITHUB_TOKEN}`, accept: "application/vnd.github+json" };
    return threadAt({
      name: `pull request ${PULL_REQUEST}`,
      all: `${repository}/${PULL_REQUEST}/comments`,
      one: (id) => `${repository}/comments/${id}`,
      ...{ method: "PATCH", headers, fetch },
    });
  }
  const { GITLAB_TOKEN, CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID } = env;
  if (GITLAB_TOKEN && CI_API_V4_URL && CI_PROJECT_ID && CI_MERGE_REQUEST_IID) {
    const all = `${CI_API_V4_URL}/projects/${CI_PROJECT_ID}/merge_requests/${CI_MERGE_REQUEST_IID}/notes`;
    const headers = { "private-token": GITLAB_TOKEN };
    return threadAt({
      name: `merge request ${CI_MERGE_REQUEST_IID}`,
      ...{ all, one: (id) => `${all}/${id}`, method: "PUT", headers, fetch },
    });
  }
  return undefined;
}

interface Place {
  readonly name: string;
  readonly all: string;
  readonly one: (id: number) => string;
  readonly method: "PATCH" | "PUT";
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: Fetch;
}

function threadAt({ name, all, one, method, headers, fetch }: Place): Thread {
  const send = async (verb: string, url: string, body?: string): Promise<Response> => {
    const response = await fetch(url, {
      method: verb,
      headers: { ...headers, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify({ body }) }),
    });
    if (response.ok) return response;
    throw new Error(
      `${verb} ${url} was answered ${response.status}. Check that the token may write comments on the ${name}.`,
    );
  };
  return {
    name,
    list: async (page) => {
      const response = await send("GET", `${all}?per_page=${PAGE}&page=${page}`);
      const comments = Comments.parse(await response.json());
      return comments.map(({ id, body }) => ({ id, body: body ?? "" }));
    },
    add: async (body) => void (await send("POST", all, body)),
    replace: async (id, body) => void (await send(method, one(id), body)),
  };
}
