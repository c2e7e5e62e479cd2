const DESCRIPTIONS = {
  tracks: "Tracks of the catalogue.",
  users: "Registered users.",
  listen_history: "Listening sessions: the user and the tracks in the order they were played.",
};
const TEXT = { type: "string" };
const MOMENT = { type: "string", format: "date-time" };
const RECORDS = {
  ListenHistoryOut: {
    user_id: { anyOf: [{ type: "integer" }, { type: "null" }] },
    items: { anyOf: [{ items: { type: "integer" }, type: "array" }, { type: "null" }] },
    created_at: MOMENT,
    updated_at: MOMENT,
  },
  TracksOut: {
    id: { type: "integer" },
    name: TEXT,
    artist: TEXT,
    songwriters: TEXT,
    duration: TEXT,
    genres: TEXT,
    album: TEXT,
    created_at: MOMENT,
    updated_at: MOMENT,
  },
  UsersOut: {
    id: { type: "integer" },
    first_name: TEXT,
    last_name: TEXT,
    email: TEXT,
    gender: TEXT,
    favorite_genres: TEXT,
    created_at: MOMENT,
    updated_at: MOMENT,
  },
};

/** The description of the service that `/openapi.json` answers. */
export function describeApi(): object {
  const pages = Object.keys(RECORDS).map((record) => [`Page_${record}_`, describePage(record)]);
  const records = Object.entries(RECORDS).map(([name, fields]) => [name, describeObject(name, fields)]);
  return {
    openapi: "3.1.0",
    info: { title: "Moovitamix", version: "0.1.0" },
    paths: {
      "/tracks": { get: describeEndpoint("tracks", "TracksOut") },
      "/users": { get: describeEndpoint("users", "UsersOut") },
      "/listen_history": { get: describeEndpoint("listen_history", "ListenHistoryOut") },
    },
    components: {
      schemas: {
        HTTPValidationError: describeErrorList(),
        ...Object.fromEntries([...pages, ...records]),
        ValidationError: describeError(),
      },
    },
  };
}

/** The page that `/docs` answers. */
export const DOCS_PAGE = `<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Moovitamix</title></head>
<body>
<h1>Moovitamix</h1>
<ul>
<li><a href="/tracks">/tracks</a>: ${DESCRIPTIONS.tracks}</li>
<li><a href="/users">/users</a>: ${DESCRIPTIONS.users}</li>
<li><a href="/listen_history">/listen_history</a>: ${DESCRIPTIONS.listen_history}</li>
</ul>
<p><code>page</code> counts from 1, <code>size</code> goes from 1 to 100 (default 100).
See <a href="/openapi.json">/openapi.json</a>.</p>
</body>
</html>
`;

function describeEndpoint(path: keyof typeof DESCRIPTIONS, record: string): object {
  return {
    summary: `Get ${titleOf(path)}`,
    description: DESCRIPTIONS[path],
    operationId: `get_${path}_${path}_get`,
    parameters: [
      describeParameter("page", { type: "integer", minimum: 1, description: "Page number", default: 1 }),
      describeParameter("size", {
        type: "integer",
        maximum: 100,
        minimum: 1,
        description: "Page size",
        default: 100,
      }),
    ],
    responses: {
      "200": describeResponse("Successful Response", `Page_${record}_`),
      "422": describeResponse("Validation Error", "HTTPValidationError"),
    },
  };
}

function describeParameter(
  name: string,
  schema: { type: string; description: string; [rule: string]: unknown },
): object {
  const title = titleOf(name);
  return {
    name,
    in: "query",
    required: false,
    schema: { ...schema, title },
    description: schema.description,
  };
}

function describeResponse(description: string, schema: string): object {
  return { description, content: { "application/json": { schema: referTo(schema) } } };
}

function describePage(record: string): object {
  const fields = {
    items: { items: referTo(record), type: "array" },
    total: { type: "integer", minimum: 0 },
    page: { type: "integer", minimum: 1 },
    size: { type: "integer", minimum: 1 },
    pages: { type: "integer", minimum: 0 },
  };
  return describeObject(`Page[${record}]`, fields);
}

function describeObject(title: string, fields: Record<string, object>): object {
  const titled = Object.entries(fields).map(([name, schema]) => [name, { ...schema, title: titleOf(name) }]);
  return { properties: Object.fromEntries(titled), type: "object", required: Object.keys(fields), title };
}

function describeErrorList(): object {
  return {
    properties: { detail: { items: referTo("ValidationError"), type: "array", title: "Detail" } },
    type: "object",
    title: "HTTPValidationError",
  };
}

function describeError(): object {
  const place = { anyOf: [{ type: "string" }, { type: "integer" }] };
  return {
    properties: {
      loc: { items: place, type: "array", title: "Location" },
      msg: { type: "string", title: "Message" },
      type: { type: "string", title: "Error Type" },
      input: { title: "Input" },
      ctx: { type: "object", title: "Context" },
    },
    type: "object",
    required: ["loc", "msg", "type"],
    title: "ValidationError",
  };
}

function referTo(schema: string): { $ref: string } {
  return { $ref: `#/components/schemas/${schema}` };
}

function titleOf(name: string): string {
  return name.replace(
    /(^|_)([a-z])/g,
    (_, gap: string, letter: string) => (gap && " ") + letter.toUpperCase(),
  );
}
