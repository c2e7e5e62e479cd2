/** What each kind of fault does, and the settings it knows. */
export const KINDS = {
  "429": { does: "too many requests", settings: ["retry-after"] },
  "5xx": { does: "500, 502 or 503", settings: ["status", "retry-after"] },
  status: {
    does: "any other status; 401, 403 and so on are names for it",
    settings: ["status", "retry-after"],
  },
  reset: { does: "the connection is reset, before or within the body", settings: ["at", "bytes"] },
  cut: { does: "the body ends early", settings: ["at", "bytes", "framing"] },
  stall: { does: "nothing more comes, or one byte at a time", settings: ["where", "at", "bytes", "ms"] },
  delay: { does: "the right answer, late", settings: ["ms"] },
  html: { does: "an HTML page with status 200", settings: [] },
  "not-json": { does: "no JSON from one record on", settings: ["record"] },
  empty: { does: "no body, status 200", settings: [] },
  "no-content": { does: "status 204", settings: [] },
  "error-object": { does: "an error object with status 200", settings: [] },
  bom: { does: "a byte order mark before the JSON", settings: [] },
  latin1: { does: "bytes that are not UTF-8", settings: [] },
  array: { does: "the records without an envelope", settings: [] },
  "null-items": { does: "items: null", settings: [] },
  "object-items": { does: "items: an object", settings: [] },
  "null-total": { does: "the older envelope: total null, no pages", settings: [] },
  "high-total": { does: "a total of 150 records more than there are", settings: [] },
  "wrong-page": { does: "the number of another page", settings: [] },
  repeat: { does: "the records of page 1, whatever page is asked for", settings: [] },
  "last-again": { does: "past the end, the last page again and again", settings: [] },
  endless: { does: "past the end, more and more new records", settings: [] },
  broken: { does: "one record of the page is damaged", settings: ["damage", "record"] },
  body: { does: "the text that `body` holds", settings: ["body", "status", "type"] },
} as const satisfies Record<string, { does: string; settings: readonly string[] }>;

export const DAMAGES = ["type", "missing", "null-key", "scalar", "extra", "renamed"] as const;
export const FRAMINGS = ["length", "chunked", "gzip"] as const;
export const PLACES = ["start", "headers", "body", "drip"] as const;
