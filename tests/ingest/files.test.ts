import { mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { FileStreamDefinition } from "../../core/sillon.ts";
import { localFile } from "../../ingest/files/find-files.ts";
import { localHandle } from "../../ingest/files/handle.ts";
import { previewIngest } from "../../ingest/ingest.ts";
import type { LoadBounds } from "../../ingest/load-plan.ts";
import { resetStream } from "../../ingest/reset.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { withWorld } from "./setup.ts";

type Files = Record<string, string | Buffer>;

async function withInbox(stream: Partial<FileStreamDefinition>, files: Files) {
  const world = await withWorld({
    url: "",
    source: {
      type: "files",
      name: "inbox",
      streams: [{ name: "items", key: ["id"], path: "in/*", record: z.looseObject({}), ...stream }],
    },
  });
  const pathOf = (name: string) => join(world.ctx.projectDir, name);
  const write = (more: Files) => {
    for (const [name, content] of Object.entries(more)) {
      mkdirSync(dirname(pathOf(name)), { recursive: true });
      writeFileSync(pathOf(name), content);
    }
  };
  write(files);
  const column = async (sql: string) => (await world.rows(sql)).map(([text]) => String(text));
  return {
    world,
    write,
    pathOf,
    texts: () => column("select record from raw_inbox.items_latest order by _key"),
    reasons: () => column('select reason from raw_inbox._quarantine order by page, "position"'),
  };
}

const LINES = '{"id": 1, "n": 1.10}\r\n\n {"id":2}\n{"id":9007199254740993}';

test.each<[string, Files]>([
  ["NDJSON", { "in/a.ndjson": LINES }],
  ["NDJSON with a byte order mark", { "in/a.jsonl": `\uFEFF${LINES}` }],
  ["packed NDJSON", { "in/a.ndjson.gz": gzipSync(LINES) }],
  ["a JSON list", { "in/a.json": '[{"id": 1, "n": 1.10}, {"id":2},{"id":9007199254740993}]' }],
])("lands the records of %s as they stand", async (_, files) => {
  const { world, texts } = await withInbox({}, files);
  expect(await world.loadOne("items")).toMatchObject({ error: null, counts: { received: 3, new: 3 } });
  expect(await texts()).toEqual(['{"id": 1, "n": 1.10}', '{"id":2}', '{"id":9007199254740993}']);
});

test("finds the list inside a JSON file", async () => {
  const { world, texts } = await withInbox(
    { records: "data.items" },
    { "in/a.json": '{"data":{"items":[{"id":1}]}}' },
  );
  await world.loadOne("items");
  expect(await texts()).toEqual(['{"id":1}']);
});

test("lands CSV values as texts below their header", async () => {
  const csv = '\uFEFFid;name;note\r\n01;"a; ""b""\r\nc";\r\n2;é;1.50\r\n';
  const { world, texts } = await withInbox({ delimiter: ";" }, { "in/a.csv": csv });
  await world.loadOne("items");
  expect(await texts()).toEqual([
    '{"id":"01","name":"a; \\"b\\"\\r\\nc","note":""}',
    '{"id":"2","name":"é","note":"1.50"}',
  ]);
});

test("lands Parquet with all digits", async () => {
  const { world, texts, pathOf } = await withInbox({}, { "in/.keep": "" });
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(`copy (select 1 as id, 12345678901234567890123456789012.1230::decimal(38, 4) as d,
    9223372036854775807 as b, 'NaN'::double as n, 0.1::double as f, null::int as "nu""ll", timestamp '2024-01-01 01:02:03.5' as t,
    {'x': [1, 2]} as s) to '${pathOf("in/a.parquet")}' (format parquet)`);
  instance.closeSync();
  expect((await world.loadOne("items")).error).toBeNull();
  expect(await texts()).toEqual([
    '{"id":1,"d":12345678901234567890123456789012.1230,"b":9223372036854775807,"n":"nan","f":0.1,"nu\\"ll":null,"t":"2024-01-01 01:02:03.5","s":{"x":[1,2]}}',
  ]);
});

test("puts broken lines into quarantine with their file and line", async () => {
  const { world, reasons, texts } = await withInbox(
    { key: ["id"] },
    {
      "in/a.ndjson": Buffer.concat([
        Buffer.from('{"id":1}\n\n{"id":2,\n'),
        Buffer.from([0xff, 10]),
        Buffer.from("[3]\n"),
      ]),
      "in/b.csv": 'id,name\n4,"x\ny"\n5\n6,a,b\n8,c\n',
    },
  );
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 8, quarantined: 5, new: 3 });
  expect(await reasons()).toEqual([
    "in/a.ndjson:3: not JSON from character 8 on",
    "in/a.ndjson:4: not UTF-8",
    expect.stringMatching(/expected object/),
    "in/b.csv:4: 1 values below 2 columns",
    "in/b.csv:5: 3 values below 2 columns",
  ]);
  expect(await texts()).toHaveLength(3);
});

test("loads each file once, and a changed one again in place of what it held", async () => {
  const { world, write, pathOf, texts } = await withInbox(
    {},
    {
      "in/a.ndjson": '{"id":1}\n{"id":2}\n',
      "in/b.ndjson": '{"id":2}\n{"id":3}\n{"id":4}\n',
    },
  );
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 5, new: 4, duplicate: 1 });
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 0, deleted: 0 });
  utimesSync(pathOf("in/a.ndjson"), 1, 1);
  expect(await world.loadOne("items")).toMatchObject({ sizeBytes: 0, counts: { received: 0, deleted: 0 } });
  write({ "in/b.ndjson": '{"id":3,"x":1}\n', "in/c.ndjson": '{"id":5}\n' });
  // 2 is still in a, 4 is nowhere.
  expect((await world.loadOne("items")).counts).toMatchObject({
    received: 2,
    new: 1,
    changed: 1,
    deleted: 1,
  });
  expect(await texts()).toEqual(['{"id":1}', '{"id":2}', '{"id":3,"x":1}', '{"id":5}']);
  rmSync(pathOf("in/a.ndjson"));
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 0, deleted: 2 });
  const files = await world.rows("select file, records, load_id from raw_inbox._files order by file");
  expect(files).toEqual([
    ["in/b.ndjson", "1", "4"],
    ["in/c.ndjson", "1", "4"],
  ]);
});

test("reads all again when what it knew of files is lost, and loses nothing", async () => {
  const { world, pathOf } = await withInbox({}, { "in/a.ndjson": '{"id":1}\n', "in/b.ndjson": '{"id":2}\n' });
  await world.loadOne("items");
  await world.rows("drop table raw_inbox._files");
  await world.rows("drop table raw_inbox._file_records");
  rmSync(pathOf("in/b.ndjson"));
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 1, unchanged: 1, deleted: 1 });
});

test("a file that fails leaves all files of the stream to the next load", async () => {
  const { world, write } = await withInbox(
    {},
    { "in/a.ndjson": '{"id":1}\n', "in/b.json": '[{"id":2},\n oops]' },
  );
  expect((await world.loadOne("items")).error).toMatchObject({
    code: "FILE_UNREADABLE",
    where: "in/b.json:2:2",
  });
  write({ "in/b.json": '[{"id":2}]' });
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 2, new: 2 });
});

test.each<[string, Files, Partial<FileStreamDefinition>, RegExp]>([
  ["FILES_MISSING", {}, {}, /no file matches "in\/\*"/],
  ["FILE_UNREADABLE", { "in/a.xyz": "" }, {}, /its ending does not say what it is/],
  ["FILE_UNREADABLE", { "in/a.json": '{"x":1}' }, { records: "items" }, /there is no list at "items"/],
  [
    "FILE_UNREADABLE",
    { "in/a.json": '{"items":1}' },
    { records: "items" },
    /what is at "items" is not a list/,
  ],
  [
    "FILE_UNREADABLE",
    { "in/a.ndjson.gz": gzipSync(LINES).subarray(0, 40) },
    {},
    /cannot be unpacked: unexpected end/,
  ],
  ["FILE_UNREADABLE", { "in/a.csv": Buffer.from([105, 100, 10, 0xff, 10]) }, {}, /not UTF-8/],
  ["FILE_UNREADABLE", { "in/a.csv": 'id\n1\n"2\n3\n' }, {}, /a\.csv:\d: broken quotes: Quote Not Closed/],
  ["FILE_UNREADABLE", { "in/a.parquet": "PAR1" }, {}, /cannot be read as Parquet/],
  ["FILE_UNREADABLE", { "in/a.csv": 'id,n\n1,"a"b\n' }, {}, /a\.csv:2: broken quotes: Invalid Closing Quote/],
  ["FILE_TOO_LARGE", { "in/a.ndjson": "x".repeat(1_100_000) }, {}, /larger than 1 MB/],
  ["FILE_TOO_LARGE", { "in/a.json": "x".repeat(1_100_000) }, {}, /larger than 1 MB/],
])("fails with %s and changes nothing: %#", async (code, files, stream, message) => {
  const { world } = await withInbox(stream, files);
  const { error } = await world.loadOne("items", { max_body_mb: 1 });
  expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
});

test.each(["../x.csv", "/etc/*.csv", "in/../../*.csv", "in/*/../../../x.csv"])(
  "does not leave the project for %s",
  async (path) => {
    const { world } = await withInbox({ path }, {});
    await expect(world.load()).rejects.toMatchObject({
      code: "FILE_OUTSIDE",
      exitCode: 2,
      hint: expect.stringMatching(/allowed_folders/),
    });
  },
);

test("does not follow a link out of the project, unless its folder is allowed", async () => {
  const elsewhere = await withInbox({}, { "secret.ndjson": '{"id":1}' });
  const { world, pathOf } = await withInbox({ path: "in/**/*.ndjson" }, { "in/a.ndjson": '{"id":2}' });
  symlinkSync(elsewhere.pathOf("."), pathOf("in/link"));
  expect((await world.loadOne("items")).error).toMatchObject({ code: "FILE_OUTSIDE" });
  const allowed = { allowed_folders: [elsewhere.world.ctx.projectDir] };
  expect((await world.loadOne("items", allowed)).counts).toMatchObject({ received: 2 });
});

test("loads a file behind an address, and again when it is another one", async () => {
  const served = { body: gzipSync("id,n\n1,a\n"), asked: "" };
  const server = createServer((request, response) => {
    served.asked = `${request.headers.authorization ?? ""} ${request.url ?? ""}`;
    response.end(served.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const path = `http://me:password1@127.0.0.1:${port}/a.csv.gz?token=0123456789`;
  const { world, texts } = await withInbox({ path }, {});
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 1, new: 1 });
  expect(served.asked).toMatch(/^Basic .* \/a\.csv\.gz\?token=0123456789$/);
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 0, deleted: 0 });
  served.body = gzipSync("id,n\n1,b\n");
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 1, changed: 1 });
  expect(await texts()).toEqual(['{"id":"1","n":"b"}']);
  expect(await world.rows("select file from raw_inbox._files")).toEqual([
    [`http://127.0.0.1:${port}/a.csv.gz`],
  ]);
});

test("does not take a file that changes while it is read", async () => {
  const { world, write, pathOf } = await withInbox({}, { "in/a.ndjson": '{"id":1}' });
  const handle = localHandle(world.ctx, localFile(world.ctx, pathOf("in/a.ndjson")));
  handle.checkUnchanged();
  write({ "in/a.ndjson": '{"id":1}{' });
  expect(() => handle.checkUnchanged()).toThrow(
    expect.objectContaining({ code: "FILE_CHANGING", hint: expect.stringMatching(/rename the file/) }),
  );
});

const line = (...ids: number[]) => ids.map((id) => `{"id":${id},"at":${id}}\n`).join("");

test.each([
  ["full", { deleted: 1 }],
  ["incremental", { deleted: 0 }],
] as const)(
  "a load of mode %s reads new and changed files alone, whatever a cursor would say",
  async (mode, counts) => {
    const cursor = mode === "full" ? {} : { cursor: { field: "at", type: "number", ordered: true } as const };
    const { world, write, pathOf } = await withInbox({ mode, ...cursor }, { "in/a.ndjson": line(5, 6) });
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 2, new: 2 });
    write({ "in/b.ndjson": line(1, 2) });
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 2, new: 2, deleted: 0 });
    write({ "in/b.ndjson": line(1) });
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 1, unchanged: 1, ...counts });
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 0, deleted: 0 });
    rmSync(pathOf("in/a.ndjson"));
    const [whole] = await world.load({ bounds: { full: true } });
    expect(whole?.counts).toMatchObject({ received: 1, unchanged: 1, deleted: mode === "full" ? 2 : 3 });
  },
);

test("append adds the records of new files, and those of a changed one again; with a cursor only what differs", async () => {
  for (const [cursor, added] of [
    [{}, 3],
    [{ cursor: { field: "at", type: "number" } as const }, 1],
  ] as const) {
    const { world, write } = await withInbox({ mode: "append", ...cursor }, { "in/a.ndjson": line(1, 2) });
    await world.loadOne("items");
    write({ "in/a.ndjson": line(1, 2, 3) });
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 3, new: added, deleted: 0 });
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 0 });
    expect(await world.rows("select count(*) from raw_inbox._file_records")).toEqual([["3"]]);
  }
});

test("a part that somebody chose leaves files to be read whole by the next load", async () => {
  const cursor = { field: "at", type: "number" } as const;
  const { world } = await withInbox({ mode: "incremental", cursor }, { "in/a.ndjson": line(1, 2, 3, 4) });
  const load = async (bounds: LoadBounds) => (await world.load({ bounds }))[0]?.counts;
  expect(await load({ limit: 1 })).toMatchObject({ received: 1, new: 1 });
  expect(await load({ since: "3", until: "4" })).toMatchObject({ received: 1, new: 1 });
  expect(await load({})).toMatchObject({ received: 4, new: 2, unchanged: 2 });
  expect(await load({ since: "2" })).toMatchObject({ received: 3, unchanged: 3 });
  expect(await load({})).toMatchObject({ received: 0 });
});

test("reset has every file read again; a dry run of files writes nothing", async () => {
  const { world, pathOf, write } = await withInbox({}, { "in/a.ndjson": line(1), "in/b.ndjson": line(2) });
  const { ctx, engine } = world;
  const { source } = world;
  const plan = { sources: [source], settings: ingestSettings.parse({}) };
  expect(await previewIngest(ctx, null, plan)).toMatchObject([{ firstRecords: 1, error: null }]);
  expect(await previewIngest(ctx, engine, plan)).toMatchObject([{ firstRecords: 1, error: null }]);
  expect([...(await engine.relations()).keys()].filter((key) => key.startsWith("raw_"))).toEqual([]);
  await world.loadOne("items");
  expect(await previewIngest(ctx, engine, plan)).toMatchObject([{ firstRecords: 0, error: null }]);
  const [stream] = source.streams;
  if (stream === undefined) throw new Error("no stream");
  rmSync(pathOf("in/b.ndjson"));
  await resetStream(ctx, engine, { source, stream, drop: false });
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 1, unchanged: 1, deleted: 1 });
  write({ "in/b.ndjson": line(2) });
  await resetStream(ctx, engine, { source, stream, drop: true });
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 2, new: 2 });
});
