import { createHash } from "node:crypto";
import { createRoute, OpenAPIHono, type RouteConfig, type RouteHandler, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { ProjectError } from "../../core/errors.ts";
import { nearestNames } from "../../core/nearest.ts";
import type { Recommender } from "../../reco/serve/recommender.ts";
import { HEADERS } from "../access.ts";
import { docsPage, docsStyle } from "./docs-page.ts";
import { ALWAYS, type Refusal, refusalResponse } from "./refusal.ts";
import {
  errorShape,
  feedbackHeaders,
  feedbackShape,
  healthShape,
  listQuery,
  listShape,
  noQuery,
  playlistsShape,
  similarQuery,
  similarShape,
  userParameters,
  whyParameters,
  whyShape,
} from "./shapes.ts";

/** What the serving API answers from. */
export interface Serving {
  version: string;
  recommender: Recommender;
  /** Whether it is being stopped: not ready any more, and still answering. */
  isStopping: () => boolean;
  /** Told of what should not happen. */
  onFault: (error: unknown) => void;
}

export const MAX_BODY_BYTES = 16 * 1024;
const HINT = "see /v1/docs";

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});
const refused = json(errorShape, "what is wrong, and with which field");
const REFUSED = { 400: refused, 401: refused, 422: refused, 429: refused, 503: refused };

/** The routes below /v1. Every one of them is in /v1/openapi.json. */
export function createServingApp(serving: Serving): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result) => (result.success ? undefined : refusalResponse(invalid(result.error))),
  });
  // Of a body whose length was not told before.
  const limit = bodyLimit({ maxSize: MAX_BODY_BYTES, onError: () => refusalResponse(tooLarge()) });
  app.use("/v1/feedback", (context, next) => (context.req.method === "POST" ? limit(context, next) : next()));
  addLists(app, serving);
  addTracks(app, serving);
  addFeedback(app, serving);
  addErasure(app, serving);
  addHealth(app, serving);
  addDocs(app, serving);
  app.notFound((context) => refusalResponse(unknownRoute(app, context.req.path)));
  app.onError((error) => refusalResponse(faultOf(error, serving.onFault)));
  return app;
}

export function tooLarge(): Refusal {
  return {
    ...{ status: 413, code: "BODY_TOO_LARGE", field: "body" },
    message: `a body has at most ${MAX_BODY_BYTES} bytes`,
    hint: "send one event at a time",
  };
}

function invalid(error: z.ZodError): Refusal {
  const [issue] = error.issues;
  const field = issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path.join(".");
  // A value of the wrong form is a 400, one that is out of range a 422.
  const isForm =
    issue?.code === "unrecognized_keys" || (issue?.code === "invalid_type" && issue.expected === "string");
  const message =
    issue?.code === "unrecognized_keys" ? `nothing here is called "${field?.slice(0, 50)}"` : wordsOf(issue);
  return {
    ...{ status: isForm ? 400 : 422, code: "REQUEST_INVALID", field: field?.slice(0, 100) || "body" },
    ...{ message: `${field?.slice(0, 50) || "body"}: ${message}`, hint: HINT },
  };
}

function wordsOf(issue: z.core.$ZodIssue | undefined): string {
  if (
    issue?.message.endsWith("received array") &&
    issue.code === "invalid_type" &&
    issue.expected === "string"
  )
    return "is given more than once";
  return issue?.message ?? "is wrong";
}

function unknownRoute(app: OpenAPIHono, path: string): Refusal {
  const routes = app.routes.map((route) => route.path).filter((one) => !one.includes("*"));
  const near = nearestNames(path.slice(0, 100), [...new Set(routes)]);
  return {
    ...{ status: 404, code: "ROUTE_UNKNOWN", field: "path", message: `no route ${path.slice(0, 100)}` },
    hint: near.length > 0 ? `nearest: ${near.join(", ")}` : HINT,
  };
}

function faultOf(error: unknown, onFault: (error: unknown) => void): Refusal {
  if (error instanceof HTTPException && error.status === 400)
    return {
      ...{ status: 400, code: "BODY_UNREADABLE", field: "body" },
      ...{ message: "the body is no JSON", hint: HINT },
    };
  if (error instanceof ProjectError && error.code === "FEEDBACK_UNWRITTEN")
    return {
      ...{ status: 503, code: error.code, field: null, message: "feedback could not be stored" },
      ...{ hint: "send it again with the same key", headers: { "Retry-After": "1" } },
    };
  onFault(error);
  return {
    ...{ status: 500, code: "INTERNAL", field: null },
    ...{ message: "the server could not answer", hint: "see its log" },
  };
}

function notReady(): Response {
  return refusalResponse({
    ...{ status: 503, code: "NOT_READY", field: null, message: "there are no lists to serve" },
    ...{ hint: "see /v1/health", headers: { "Retry-After": "5" } },
  });
}

function unknownTrack(track: string): Response {
  return refusalResponse({
    ...{ status: 404, code: "TRACK_UNKNOWN", field: "track_id" },
    ...{ message: `no track "${track.slice(0, 50)}"`, hint: "tracks come with the next lists" },
  });
}

/** Answers are texts that were made before: the compiler does not compare them with their schemas, tests do. */
function addRoute<R extends RouteConfig>(
  app: OpenAPIHono,
  route: R,
  handle: (context: Parameters<RouteHandler<R>>[0]) => Response | Promise<Response>,
): void {
  app.openapi(route, handle as unknown as RouteHandler<R>);
}

/** The document, or 304 to a caller who has it. */
function answer(context: Context, { body, etag }: { body: string; etag: string }): Response {
  const headers = { ...ALWAYS, ETag: etag };
  return isKnown(context.req.header("if-none-match"), etag)
    ? new Response(null, { status: 304, headers })
    : new Response(body, { status: 200, headers });
}

/** Whether a caller's If-None-Match names what would be sent. */
export function isKnown(given: string | undefined, etag: string): boolean {
  if (given === undefined) return false;
  return given.split(",").some((one) => one.trim() === etag || one.trim() === `W/${etag}`);
}

function addLists(app: OpenAPIHono, { recommender }: Serving): void {
  const list = createRoute({
    method: "get",
    path: "/v1/users/{id}/recommendations",
    summary: "A user's list; a stranger gets what is popular, and is told so",
    request: { params: userParameters, query: listQuery },
    responses: { 200: json(listShape, "the best first; X-Request-Id names the answer"), ...REFUSED },
  });
  addRoute(app, list, (context) => {
    const { id } = context.req.valid("param");
    const { k, shelf, exclude_seen, genre } = context.req.valid("query");
    if (shelf === "on_repeat" && exclude_seen === true)
      return refusalResponse({
        ...{ status: 422, code: "REQUEST_INVALID", field: "exclude_seen" },
        ...{ message: "exclude_seen: on_repeat has only what the user has played", hint: HINT },
      });
    if (!recommender.isReady()) return notReady();
    if (genre !== undefined && !recommender.genres().includes(genre))
      return refusalResponse({
        ...{
          status: 422,
          code: "GENRE_UNKNOWN",
          field: "genre",
          message: `no genre "${genre.slice(0, 50)}"`,
        },
        hint: `nearest: ${nearestNames(genre, recommender.genres()).join(", ") || recommender.genres().slice(0, 5).join(", ")}`,
      });
    const isSeenExcluded = exclude_seen ?? shelf === "discover";
    const made = recommender.recommend(requestOf(context.req.url), {
      user: id,
      shelf,
      k,
      isSeenExcluded,
      genre,
    });
    if (made === undefined) return notReady();
    const response = answer(context, made);
    response.headers.set("X-Request-Id", recommender.log(made));
    return response;
  });
  const playlists = createRoute({
    method: "get",
    path: "/v1/users/{id}/playlists",
    summary: "A user's playlists, in an order to be played in",
    request: { params: userParameters, query: noQuery },
    responses: { 200: json(playlistsShape, "playlists"), ...REFUSED },
  });
  addRoute(app, playlists, (context) => {
    const found = recommender.playlists(context.req.valid("param").id);
    return found === undefined ? notReady() : answer(context, found);
  });
  const why = createRoute({
    method: "get",
    path: "/v1/users/{id}/tracks/{track_id}/why",
    summary: "Why a track is recommended to a user",
    request: { params: whyParameters, query: noQuery },
    responses: {
      200: json(whyShape, "by shelf; recommended is false when it is on none"),
      404: refused,
      ...REFUSED,
    },
  });
  addRoute(app, why, (context) => {
    const { id, track_id } = context.req.valid("param");
    if (!recommender.isReady()) return notReady();
    const found = recommender.why(id, track_id);
    return found === undefined ? unknownTrack(track_id) : answer(context, found);
  });
}

/** What an answer is remembered by: path and query as they were sent. */
function requestOf(url: string): string {
  return url.slice(url.indexOf("/", url.indexOf("//") + 2));
}

function addTracks(app: OpenAPIHono, { recommender }: Serving): void {
  const similar = createRoute({
    method: "get",
    path: "/v1/tracks/{id}/similar",
    summary: "Tracks that are played by the same people",
    request: { params: userParameters, query: similarQuery },
    responses: { 200: json(similarShape, "the most alike first"), 404: refused, ...REFUSED },
  });
  addRoute(app, similar, (context) => {
    const { id } = context.req.valid("param");
    if (!recommender.isReady()) return notReady();
    const found = recommender.similar(id, context.req.valid("query").k);
    return found === undefined ? unknownTrack(id) : answer(context, found);
  });
}

function addFeedback(app: OpenAPIHono, { recommender }: Serving): void {
  const feedback = createRoute({
    method: "post",
    path: "/v1/feedback",
    summary: "What a listener did or said; confirmed when it is on disk",
    request: {
      headers: feedbackHeaders,
      query: noQuery,
      body: { content: { "application/json": { schema: feedbackShape } }, required: true },
    },
    responses: {
      201: json(
        z.object({ stored: z.literal(true) }),
        "stored, once, however often it is sent with this key",
      ),
      404: refused,
      409: json(errorShape, "the key belongs to another event"),
      413: refused,
      415: refused,
      ...REFUSED,
    },
  });
  addRoute(app, feedback, async (context) => {
    const { "idempotency-key": key } = context.req.valid("header");
    const body = context.req.valid("json");
    if (!recommender.isReady()) return notReady();
    if (!recommender.hasTrack(body.track_id)) return unknownTrack(body.track_id);
    if (recommender.isErased(body.user_id)) return erasedUser();
    const { user_id, track_id, kind } = body;
    const { listened_ms = null, request_id = null, shelf = null, position = null } = body;
    const event = { user_id, track_id, kind, listened_ms, request_id, shelf, position };
    const body_hash = createHash("sha256").update(JSON.stringify(event)).digest("hex");
    const fate = await recommender.addFeedback({ ...event, key, body_hash });
    if (fate === "stored") return new Response(STORED, { status: 201, headers: ALWAYS });
    return refusalResponse({
      ...{ status: 409, code: "KEY_REUSED", field: "Idempotency-Key" },
      ...{ message: "another event was sent with this key", hint: "give every event a key of its own" },
    });
  });
}

const STORED = JSON.stringify({ stored: true });

function erasedUser(): Response {
  return refusalResponse({
    ...{ status: 404, code: "USER_ERASED", field: "user_id" },
    ...{ message: "this user was erased", hint: "nothing is kept of somebody who asked to be forgotten" },
  });
}

function addErasure(app: OpenAPIHono, { recommender }: Serving): void {
  const erase = createRoute({
    method: "delete",
    path: "/v1/users/{id}",
    summary: "Forgets a user: feedback, answers and lists; a stranger from then on",
    request: { params: userParameters, query: noQuery },
    responses: {
      200: json(z.object({ erased: z.literal(true) }), "gone; also when there was nothing"),
      ...REFUSED,
    },
  });
  addRoute(app, erase, async (context) => {
    await recommender.erase(context.req.valid("param").id);
    return new Response(JSON.stringify({ erased: true }), { status: 200, headers: ALWAYS });
  });
}

function addHealth(app: OpenAPIHono, { recommender, version, isStopping }: Serving): void {
  const health = createRoute({
    method: "get",
    path: "/v1/health",
    summary: "Whether it lives, whether it is ready, which model it serves, and what was refused",
    request: { query: noQuery },
    responses: { 200: json(healthShape, "ready"), 503: json(healthShape, "not ready") },
  });
  addRoute(app, health, () => {
    const ready = recommender.isReady() && !isStopping();
    const { problems, ...facts } = recommender.health();
    const body = JSON.stringify({ live: true, ready, version, ...facts, problems });
    return new Response(body, { status: ready ? 200 : 503, headers: ALWAYS });
  });
}

function addDocs(app: OpenAPIHono, { version }: Serving): void {
  const document = () =>
    app.getOpenAPI31Document({ openapi: "3.1.0", info: { title: "Sillon recommendations", version } });
  app.get("/v1/openapi.json", () => new Response(JSON.stringify(document()), { headers: ALWAYS }));
  const style = createHash("sha256").update(docsStyle).digest("base64");
  const csp = HEADERS["Content-Security-Policy"];
  app.get(
    "/v1/docs",
    () =>
      new Response(docsPage(document()), {
        headers: {
          ...HEADERS,
          "Content-Type": "text/html; charset=utf-8",
          "Content-Security-Policy": `${csp}; style-src 'sha256-${style}'`,
        },
      }),
  );
}
