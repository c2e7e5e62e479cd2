import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";

const MAX_BODY_BYTES = 16 * 1024;
const HINT = "send {} or nothing: the path says it all";

const limit = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: (context) => {
    const message = `a body has at most ${MAX_BODY_BYTES} bytes`;
    return context.json({ error: { code: "BODY_TOO_LARGE", message, field: "body", hint: HINT } }, 413);
  },
});

/** The calls take no values in a body: one that holds something is refused, as it would be passed over. */
export const noBody: MiddlewareHandler = (context, next) =>
  limit(context, async () => {
    const problem = problemOf(await context.req.text());
    if (problem === null) return next();
    const { status, field, message } = problem;
    context.res = context.json({ error: { code: "BODY_INVALID", message, field, hint: HINT } }, status);
  });

function problemOf(text: string): { status: 400 | 422; field: string; message: string } | null {
  if (text.trim() === "") return null;
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== "object" || body === null || Array.isArray(body))
      return { status: 422, field: "body", message: "the body is no object" };
    const [field] = Object.keys(body);
    if (field === undefined) return null;
    return {
      status: 422,
      field: field.slice(0, 100),
      message: `nothing is taken as "${field.slice(0, 100)}"`,
    };
  } catch {
    return { status: 400, field: "body", message: "the body is no JSON" };
  }
}
