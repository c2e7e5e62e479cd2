import { z } from "@hono/zod-openapi";
import { FEEDBACK_KINDS } from "../../reco/feedback/tables.ts";
import { SHELVES } from "../../reco/serve/answer.ts";

const MAX_ID = 128;
export const MAX_K = 100;
const DAY_MS = 86_400_000;

/** Ids are texts without control characters. */
const id = z
  .string()
  .min(1)
  .max(MAX_ID)
  .regex(/^[^\p{C}]+$/u, "has characters that no id has");

export const userParameters = z.object({ id });
export const whyParameters = z.object({ id, track_id: id });

const wholeNumber = z
  .string()
  .refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_K, {
    message: `is no whole number from 1 to ${MAX_K}`,
  })
  .transform(Number);

export const listQuery = z.strictObject({
  k: wholeNumber.default(10).openapi({ type: "integer", minimum: 1, maximum: MAX_K }),
  shelf: z.enum(SHELVES).default("discover"),
  /** Leave out what the user is known to have played; the default on discover. */
  exclude_seen: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .optional()
    .openapi({ type: "boolean" }),
  genre: z.string().min(1).max(MAX_ID).optional(),
});
export const similarQuery = z.strictObject({
  k: wholeNumber.default(10).openapi({ type: "integer", minimum: 1, maximum: MAX_K }),
});
export const noQuery = z.strictObject({});

export const feedbackHeaders = z.object({
  "idempotency-key": z
    .string()
    .min(1)
    .max(MAX_ID)
    .regex(/^[\x21-\x7e]+$/, "has characters other than visible ASCII"),
});

export const feedbackShape = z
  .strictObject({
    user_id: id,
    track_id: id,
    kind: z.enum(FEEDBACK_KINDS),
    listened_ms: z.int().min(0).max(DAY_MS).optional(),
    request_id: z.uuid().optional(),
    shelf: z.enum(SHELVES).optional(),
    position: z.int().min(1).max(MAX_K).optional(),
  })
  .refine(({ kind, listened_ms }) => kind !== "listen" || listened_ms !== undefined, {
    path: ["listened_ms"],
    message: "is needed with a listen",
  })
  .openapi("Feedback");

const item = z
  .object({
    rank: z.int(),
    track_id: z.string(),
    title: z.string(),
    artist: z.string(),
    score: z.number(),
    why: z.string(),
  })
  .openapi("Item");

export const listShape = z
  .object({
    user_id: z.string(),
    shelf: z.enum(SHELVES),
    model_version: z.int(),
    /** True: nothing is known of the user, and the list is what is popular. */
    fallback: z.boolean(),
    items: z.array(item),
  })
  .openapi("Recommendations");

export const playlistsShape = z
  .object({
    user_id: z.string(),
    model_version: z.int(),
    fallback: z.boolean(),
    playlists: z.array(z.object({ name: z.string(), items: z.array(item) })),
  })
  .openapi("Playlists");

export const similarShape = z
  .object({ track_id: z.string(), model_version: z.int(), items: z.array(item) })
  .openapi("Similar");

export const whyShape = z
  .object({
    user_id: z.string(),
    track_id: z.string(),
    title: z.string(),
    artist: z.string(),
    model_version: z.int(),
    recommended: z.boolean(),
    reasons: z.array(
      z.object({
        shelf: z.enum(SHELVES),
        rank: z.int(),
        score: z.number(),
        why: z.string(),
        fallback: z.boolean(),
      }),
    ),
  })
  .openapi("Why");

export const healthShape = z
  .object({
    live: z.boolean(),
    /** Whether requests should be sent here. */
    ready: z.boolean(),
    version: z.string(),
    model_version: z.int().nullable(),
    challenger_version: z.int().nullable(),
    lists_made_at: z.string().nullable(),
    lists_expire_at: z.string().nullable(),
    expired: z.boolean(),
    problems: z.array(z.string()),
  })
  .openapi("ServingHealth");

export const errorShape = z
  .object({
    error: z.object({
      code: z.string(),
      /** The parameter, header or part of the body that is wrong. */
      field: z.string().nullable(),
      message: z.string(),
      hint: z.string(),
    }),
  })
  .openapi("ServingError");
