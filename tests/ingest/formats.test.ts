import type { ServerResponse } from "node:http";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { listSource, rowTexts, startListServer } from "./list-server.ts";
import { withWorld } from "./setup.ts";

/** A service that gives one answer to everything. */
async function withAnswer(
  answer: (response: ServerResponse, nth: number) => void,
  changes: Partial<RestStreamDefinition> = {},
) {
  const server = await startListServer({ form: "single", list: [] });
  onTestFinished(() => server.stop());
  server.answer = (_, response) => {
    answer(response, server.requests.length);
    return true;
  };
  const world = await withWorld({ url: server.url, source: listSource("single", changes) });
  return { server, world };
}

const NDJSON = { format: "ndjson" } as const;
const CSV = { format: "csv", record: z.looseObject({ id: z.string() }) } as const;

test("lands each line of NDJSON as it was sent", async () => {
  const { server, world } = await withAnswer(
    (response) => response.end('{"id": 1}\r\n\n  {"id":12345678901234567890}\n{"id":3}'),
    NDJSON,
  );
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 3 } });
  expect(await world.texts("tracks")).toEqual(['{"id": 1}', '{"id":12345678901234567890}', '{"id":3}']);
  expect(server.requests[0]?.headers.accept).toBe("application/x-ndjson");
});

test("takes NDJSON without a line for an empty list", async () => {
  const { world } = await withAnswer((response) => response.end(), NDJSON);
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 0 } });
});

test("makes each row of CSV an object of texts", async () => {
  const csv = '\uFEFFid,name,note\r\n007," a ""b"", c ",\r\n8,"two\nlines",1.50\r\n\r\n';
  const { server, world } = await withAnswer((response) => response.end(csv), CSV);
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 2 } });
  expect(await world.texts("tracks")).toEqual([
    '{"id":"007","name":" a \\"b\\", c ","note":""}',
    '{"id":"8","name":"two\\nlines","note":"1.50"}',
  ]);
  expect(server.requests[0]?.headers.accept).toBe("text/csv");
});

test("takes CSV with names alone for an empty list", async () => {
  const { world } = await withAnswer((response) => response.end("id,name\n"), CSV);
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 0 } });
});

test.each([
  ["a line that is cut", NDJSON, '{"id":1}\n{"id":', "a line of the answer is not JSON"],
  [
    "a row with a value too many",
    CSV,
    "id,name\n1,a\n2,b,c\n",
    "row 2 of the answer has 3 values for 2 columns",
  ],
  ["a column that is there twice", CSV, "id,id\n1,2\n", 'the answer has two columns "id"'],
  ["a quote without an end", CSV, 'id,name\n1,"a\n', "the answer is not CSV: "],
  ["nothing where names should be", CSV, "", "the answer is empty: not even a row of names"],
])("refuses an answer with %s", async (_, changes, text, said) => {
  const { world } = await withAnswer((response) => response.end(text), changes);
  const { error } = await world.loadOne("tracks", { max_attempts: 2 });
  expect(error).toMatchObject({ code: "API_BODY_MALFORMED", message: expect.stringContaining(said) });
});

const BODY = `{"rows":[${rowTexts(500).join(",")}]}`;
const COMPRESSED = { gzip: gzipSync(BODY), br: brotliCompressSync(BODY) };
const NAMES = ["gzip", "br"] as const;

test.each(NAMES)("asks for %s and reads it, and counts the bytes that were sent", async (name) => {
  const { server, world } = await withAnswer((response) => {
    response.writeHead(200, { "content-encoding": name }).end(COMPRESSED[name]);
  });
  expect(await world.loadOne("tracks")).toMatchObject({
    status: "ok",
    counts: { received: 500 },
    sizeBytes: COMPRESSED[name].length,
  });
  expect(server.requests[0]?.headers["accept-encoding"]).toContain(name);
});

/** Forty places in the stream, its last byte and its checksum among them. */
const cuts = (length: number) =>
  Array.from({ length: 40 }, (_, index) => Math.floor((length * (index + 1)) / 40) - 1);

test.each(NAMES)("notices every cut of a %s stream whose length was announced as short", async (name) => {
  const whole = COMPRESSED[name];
  const places = cuts(whole.length);
  const { server, world } = await withAnswer((response, nth) => {
    const part = nth > places.length ? whole : whole.subarray(0, places[nth - 1]);
    response.writeHead(200, { "content-encoding": name, "content-length": part.length }).end(part);
  });
  const result = await world.loadOne("tracks", { max_attempts: 41, backoff_seconds: 1e-12 });
  expect(result).toMatchObject({ status: "ok", retries: 40, counts: { received: 500 } });
  expect(server.requests).toHaveLength(41);
});

test("tells how much of a compressed answer came", async () => {
  const part = COMPRESSED.gzip.subarray(0, 300);
  const { world } = await withAnswer((response) =>
    response.writeHead(200, { "content-encoding": "gzip", "content-length": 300 }).end(part),
  );
  expect((await world.loadOne("tracks", { max_attempts: 2 })).error).toMatchObject({
    code: "API_BODY_CUT",
    message: "moovitamix.tracks, page 1: the answer broke off after 300 compressed bytes",
    why: ["its gzip stream has no end", "tried 2 times in 0.5 s"],
  });
});

test("refuses what grows beyond the limit when it is decompressed", async () => {
  const bomb = gzipSync(Buffer.alloc(3_000_000, " "));
  const { world } = await withAnswer((response) =>
    response.writeHead(200, { "content-encoding": "gzip" }).end(bomb),
  );
  expect((await world.loadOne("tracks", { max_body_mb: 1 })).error).toMatchObject({
    code: "API_BODY_TOO_LARGE",
    hint: expect.stringContaining("max_body_mb"),
  });
});

test("names a compression that it does not know", async () => {
  const { world } = await withAnswer((response) =>
    response.writeHead(200, { "content-encoding": "lzma" }).end("x"),
  );
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "API_BODY_MALFORMED",
    message: 'moovitamix.tracks, page 1: the answer is compressed as "lzma"',
    hint: expect.stringContaining("accept-encoding"),
  });
});
