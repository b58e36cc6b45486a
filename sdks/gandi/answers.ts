/** LiveDNS's answers: what is asked is read as what it must be, and a change is one only when LiveDNS says so. */
import { z } from "zod";
import { type Auth, credentials, type Deps, type Reply, requester } from "./http.ts";

const PER_PAGE = 500;
/** No zone has more; whoever answers the same page again and again is none. */
const MAX_PAGES = 200;

/** What LiveDNS says when it has done as it was told. */
const Done = z.object({ message: z.string() });

/** Something that answers 200 to all and does nothing must not pass for a change that was made. */
const isDone = ({ status, text }: Reply): boolean =>
  status === 204 || Done.safeParse(parseJson(text)).success;

/** Requests to one API with one token. They throw an ApiError, an UnreachableError, or that it isn't LiveDNS. */
export function talkTo(auth: Auth, deps: Deps) {
  const { apiUrl, token } = credentials(auth, deps);
  const request = requester({ apiUrl, token }, deps);
  const strange = () => new Error(`${apiUrl} does not answer as LiveDNS does: check auth.apiUrl`);

  async function ask<T>(path: string, schema: z.ZodType<T>): Promise<{ data: T; total: number }> {
    const { text, total } = await request("GET", path);
    const parsed = schema.safeParse(parseJson(text));
    if (!parsed.success) throw strange();
    return { data: parsed.data, total };
  }

  return {
    /** Says which API and token it is; secret. */
    place: `${apiUrl} ${token}`,
    get: async <T>(path: string, schema: z.ZodType<T>): Promise<T> => (await ask(path, schema)).data,
    /** All pages of a list. */
    async list<T>(path: string, item: z.ZodType<T>): Promise<T[]> {
      const items: T[] = [];
      for (let page = 1; page <= MAX_PAGES; page += 1) {
        const { data, total } = await ask(`${path}?page=${page}&per_page=${PER_PAGE}`, z.array(item));
        items.push(...data);
        // Says that there are some, and shows none: to take that for an empty zone would make records look gone.
        if (items.length === 0 && total > 0) throw strange();
        // A page may be shorter than was asked for: how many there are is what counts, where it is said and can be so.
        const isLast = total >= items.length ? total === items.length : data.length < PER_PAGE;
        if (isLast || data.length === 0) return items;
      }
      throw strange();
    },
    async change(method: "POST" | "PUT" | "DELETE", path: string, body?: object): Promise<Reply> {
      const reply = await request(method, path, body);
      if (!isDone(reply)) throw strange();
      return reply;
    },
  };
}

export type Talk = ReturnType<typeof talkTo>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
