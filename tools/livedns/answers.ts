/** LiveDNS's error answers. */
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";

interface Detail {
  location: string;
  name: string;
  description: string;
}

function failure(
  code: ContentfulStatusCode,
  body: { message: string; object: string; cause: string; errors?: Detail[] },
) {
  return new HTTPException(code, {
    res: Response.json({ code, ...body }, { status: code }),
    message: body.message,
  });
}

export const unauthorized = () =>
  failure(401, {
    message: "The server could not verify that you authorized to access the document you requested.",
    object: "HTTPUnauthorized",
    cause: "Unauthorized",
  });

export const forbidden = () =>
  failure(403, {
    message: "Access was denied to this resource.",
    object: "HTTPForbidden",
    cause: "Forbidden",
  });

export const unknownDomain = () =>
  failure(404, { message: "Unknown domain", object: "LocalizedHTTPNotFound", cause: "Not Found" });

export const unknownRecord = (name: string, type: string) =>
  failure(404, {
    message: `Can't find the DNS record ${name}/${type} in the zone`,
    object: "dns-record",
    cause: "Not Found",
  });

export const unknownPath = () =>
  failure(404, { message: "The resource could not be found.", object: "HTTPNotFound", cause: "Not Found" });

export const conflict = (message: string) =>
  failure(409, { message, object: "HTTPConflict", cause: "Duplicate Entry" });

/** No failure: what was to be made is there already, to the letter. */
export const repeated = () =>
  new HTTPException(200, {
    res: Response.json({ message: "A DNS Record already exists with same value" }, { status: 200 }),
  });

export const badRequest = (name: string, description: string, location = "body") =>
  failure(400, {
    message: description,
    object: "HTTPBadRequest",
    cause: "Bad Request",
    errors: [{ location, name, description }],
  });

export const broken = () =>
  failure(500, {
    message: "Internal error",
    object: "HTTPInternalServerError",
    cause: "Internal Server Error",
  });

/** A body that doesn't fit the schema. */
export function invalid(error: z.ZodError) {
  const errors = error.issues.map((issue) => ({
    location: "body",
    name: issue.path.join("."),
    description: issue.message,
  }));
  return failure(400, {
    message: errors[0]?.description ?? "Invalid body",
    object: "HTTPBadRequest",
    cause: "Bad Request",
    errors,
  });
}
