import { z } from "@hono/zod-openapi";
import { nearestNames } from "../../core/nearest.ts";
import { errorShape } from "./shapes.ts";

/** An answer of a route as the document shows it. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

const refused = (description: string) => json(errorShape, description);

/** What every route may answer instead. */
export const REFUSED = {
  400: refused("a parameter that is not known, or a body that is no JSON"),
  401: refused("a token is needed"),
  403: refused("the call comes from elsewhere"),
  429: refused("too many wrong tokens"),
  503: refused("the store cannot be used now"),
} as const;

/** Besides, where something is named that has to exist. */
export const UNKNOWN = refused("nothing has this name; the nearest names");

/** Besides, where values are given. */
export const WRONG = refused("a value is wrong, and which field it is");

/** Besides, where something is changed. */
export const REFUSED_CHANGE = {
  ...REFUSED,
  403: refused("the token only reads, or nothing proves where the call comes from"),
  413: refused("the body is too large"),
  415: refused("the body is not application/json"),
  422: refused("the body holds something, or a value is wrong"),
} as const;

export interface ErrorBody {
  error: { code: string; message: string; field: string; hint: string };
}

/** Why a name is not known. */
export interface UnknownBody {
  error: { code: string; message: string; nearest: string[]; hint: string };
}

const HINT = "see /api/openapi.json";
const LONGEST_NAME = 100;

/** The parameters after the question mark: others are refused, so that no mistyped filter is passed over. */
export function query<T extends z.core.$ZodLooseShape>(shape: T) {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? known === ""
          ? "there are none"
          : `there are ${known}`
        : undefined,
  });
}

/** Why a request cannot be answered: an unknown parameter is a 400, a wrong value a 422. */
export function invalid(error: z.core.$ZodError): { body: ErrorBody; status: 400 | 422 } {
  const [issue] = error.issues;
  const isUnknown = issue?.code === "unrecognized_keys";
  const field = (isUnknown ? issue.keys[0] : issue?.path.join("."))?.slice(0, LONGEST_NAME) || "request";
  const message = isUnknown
    ? `no parameter is called "${field}": ${issue.message}`
    : `${field}: ${issue?.message ?? "is wrong"}`;
  return {
    body: { error: { code: "REQUEST_INVALID", message, field, hint: HINT } },
    status: isUnknown ? 400 : 422,
  };
}

/** A 404 that names what may have been meant. */
export function unknownName(
  code: string,
  { message, name, known, hint }: { message: string; name: string; known: Iterable<string>; hint: string },
): UnknownBody {
  return { error: { code, message, nearest: nearestNames(name.slice(0, LONGEST_NAME), known), hint } };
}
