/** A stack with portal and operator, and the portal's pages over HTTPS. */
import { realpath } from "node:fs/promises";
import { request } from "node:https";
import { delimiter, join } from "node:path";
import type { Summary } from "../../stacks/summary.ts";
import { Browser } from "./portal.ts";
import { freePort } from "./ports.ts";
import { makeProject, type StackKeys, stackPorts, type TestProject } from "./project.ts";

export const DOMAIN = "semail.test";

export interface PortalProject extends TestProject {
  /** As it was made, beside the people. */
  readonly keys: StackKeys;
}

/** Makes the project and brings it up; `more` is laid over the keys. */
export async function makePortalProject(users: StackKeys, more: StackKeys = {}): Promise<PortalProject> {
  const project = await definePortalProject(users, more);
  try {
    await project.stack.up({ suppressOutputs: true });
  } catch (error) {
    await project.dispose();
    throw error;
  }
  return project;
}

/** Makes the project alone. */
export async function definePortalProject(users: StackKeys, more: StackKeys = {}): Promise<PortalProject> {
  const keys = {
    domain: DOMAIN,
    dns: { provider: "dev" },
    ports: await stackPorts(),
    protect: false,
    keepVolumes: false,
    postmaster: "alice",
    showPasswords: true,
    portal: { enabled: true, port: await freePort() },
    ...more,
  };
  const project = await makeProject({ ...keys, users });
  // The docker provider of this checkout, and the workspace that the shared packages link to.
  const root = join(import.meta.dirname, "../..");
  const workspace = await realpath(join(root, "node_modules/@pulumi/gandi"));
  const { envVars } = project.stack.workspace;
  envVars.SEMAIL_OPERATOR_MOUNTS = [root, workspace].join(delimiter);
  // As `npm run up` has it; the operator finds what it left there.
  envVars.NODE_COMPILE_CACHE = join(project.folder, ".semail/compile-cache");
  return { ...project, keys };
}

/** A browser at the stack's portal, trusting the stack's authority alone. */
export function portalBrowser({ portal, ca }: Summary): Browser {
  const port = portal?.port;
  const send = (path: string, init: RequestInit = {}): Promise<Response> => {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const headers = { ...(init.headers as Record<string, string>) };
    const body = init.body === undefined ? undefined : String(init.body);
    if (body !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
    const where = { host: "localhost", port, path, ca, agent: false };
    const sent = request({ ...where, method: init.method ?? "GET", headers }, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      const { statusCode: status = 0, rawHeaders } = answer;
      const pairs = rawHeaders.flatMap((name, at): [string, string][] =>
        at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? ""]] : [],
      );
      resolve(new Response(Buffer.concat(chunks), { status, headers: pairs }));
    });
    sent.once("error", reject);
    sent.end(body);
    return promise;
  };
  return new Browser(send, `https://localhost:${port}`);
}

/** Sends a form that changes the mailbox, and stays until that is done; throws what the page says otherwise. */
export async function carryOutForm(
  browser: Browser,
  path: string,
  fields: Record<string, string>,
): Promise<string> {
  const { location, text } = await browser.post(path, fields);
  if (!location?.startsWith("/progress/")) throw new Error(`${path} was answered: ${text}`);
  const events = await browser.get(`${location}/events`);
  if (!/"text":"Done\.".*\n\n$/.test(events.text)) throw new Error(events.text);
  return location;
}
