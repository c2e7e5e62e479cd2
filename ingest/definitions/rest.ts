import { z } from "zod";
import { requestMistakes, sourceMistakes } from "./rest-mistakes.ts";
import { checkStream, count, name, streamShape, text } from "./stream.ts";

export const secret = z.union(
  [z.strictObject({ env: text }), z.strictObject({ file: text }), z.strictObject({ stdin: z.literal(true) })],
  { error: "expected { env: NAME }, { file: PATH } or { stdin: true }, never the secret itself" },
);

const total = z.union([text, z.strictObject({ header: text })], {
  error: "expected a place in the body, or { header: NAME }",
});
const sendIn = z.enum(["query", "body"]);

const pagination = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("page"),
    parameter: text.exactOptional(),
    sizeParameter: text.exactOptional(),
    first: z.number().int().nonnegative().exactOptional(),
    total: total.exactOptional(),
    sendIn: sendIn.exactOptional(),
  }),
  z.strictObject({
    type: z.literal("offset"),
    parameter: text.exactOptional(),
    limitParameter: text.exactOptional(),
    total: total.exactOptional(),
    sendIn: sendIn.exactOptional(),
  }),
  z.strictObject({
    type: z.literal("cursor"),
    next: text,
    in: z.enum(["body", "header"]).exactOptional(),
    parameter: text,
    sendIn: sendIn.exactOptional(),
    more: text.exactOptional(),
    total: total.exactOptional(),
  }),
  z.strictObject({ type: z.literal("link"), total: total.exactOptional() }),
  z.strictObject({ type: z.literal("next_url"), next: text, total: total.exactOptional() }),
  z.strictObject({ type: z.literal("range"), unit: text.exactOptional() }),
  z.strictObject({ type: z.literal("single") }),
]);

type CustomHeaders = (request: never) => Record<string, string> | Promise<Record<string, string>>;

const authentication = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("bearer"), token: secret }),
  z.strictObject({
    type: z.literal("api_key"),
    name: text,
    in: z.enum(["header", "query"]).exactOptional(),
    value: secret,
  }),
  z.strictObject({ type: z.literal("basic"), user: z.union([text, secret]), password: secret }),
  z.strictObject({
    type: z.literal("oauth2_client_credentials"),
    tokenUrl: text,
    clientId: z.union([text, secret]),
    clientSecret: secret,
    scope: text.exactOptional(),
    credentialsIn: z.enum(["basic", "body"]).exactOptional(),
  }),
  z.strictObject({
    type: z.literal("custom"),
    headers: z.custom<CustomHeaders>((value) => typeof value === "function", "expected a function"),
  }),
]);

const texts = z.record(z.string(), z.string());

const restStream = z
  .strictObject({
    ...streamShape,
    path: text,
    method: z.enum(["GET", "POST"]).exactOptional(),
    params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).exactOptional(),
    headers: texts.exactOptional(),
    body: z.json().exactOptional(),
    format: z.enum(["json", "ndjson", "csv"]).exactOptional(),
    records: z.string().exactOptional(),
    pagination: pagination.exactOptional(),
    pageSize: count.exactOptional(),
    parent: name.exactOptional(),
    fromParent: texts.exactOptional(),
    onMissing: z.enum(["fail", "empty"]).exactOptional(),
  })
  .superRefine((stream, context) => {
    checkStream(stream, context);
    for (const { path, message } of requestMistakes(stream))
      context.addIssue({ code: "custom", path, message });
  });

export const restSource = z
  .strictObject({
    type: z.literal("rest").exactOptional(),
    name,
    baseUrl: z.strictObject({ env: text, default: z.string().exactOptional() }),
    authentication: authentication.exactOptional(),
    headers: texts.exactOptional(),
    pagination: pagination.exactOptional(),
    pageSize: count.exactOptional(),
    streams: z.array(restStream).min(1, "expected at least one stream"),
  })
  .superRefine((source, context) => {
    for (const { path, message } of sourceMistakes(source))
      context.addIssue({ code: "custom", path, message });
  });
