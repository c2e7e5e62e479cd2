import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { Authentication, SourceDefinition } from "../../core/sillon.ts";
import { createPlayer } from "../../ingest/recording/player.ts";
import { createRecorder } from "../../ingest/recording/recorder.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { source as moovitamix } from "../../ingest/sources/moovitamix.ts";
import { startListServer } from "./list-server.ts";
import { sendBody, sendPage, trackTexts, type Visit } from "./scripted-api.ts";
import { withApi, withScript, withWorld } from "./setup.ts";
import type { World } from "./world.ts";

/** Where nothing listens: a replay must not ask. */
const NOWHERE = "http://127.0.0.1:9";
const SECRET = "s3cret/with + signs";

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sillon-recording-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "tape");
}

/** Loads all streams and keeps the exchange. */
async function record(world: World, settings = {}) {
  const folder = newFolder();
  const tape = createRecorder(world.ctx, folder, ingestSettings.parse(settings));
  return { folder, results: await world.load({ tape, settings }) };
}

/** Loads a recording into a warehouse of its own. */
async function replay(folder: string, { source = moovitamix as SourceDefinition, settings = {} } = {}) {
  const world = await withWorld({ url: NOWHERE, source });
  return { world, results: await world.load({ tape: createPlayer(folder), settings }) };
}

function textOf(folder: string): string {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => /\.(json|body)$/.test(file))
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join("\n");
}

const VERSIONS = "select _key, _hash, record from raw_moovitamix.";

/** Every version of every record, to the byte. */
async function contents(world: World) {
  const tables = world.source.streams.map(({ name }) => name);
  return Promise.all(tables.map((name) => world.rows(`${VERSIONS}${name} order by _key, _hash`)));
}

const outcomes = (results: readonly { status: string; counts: object }[]) =>
  results.map(({ status, counts }) => ({ status, counts }));

test("a replay gives the same tables as the recorded load, without network", async () => {
  const { world } = await withApi();
  const { folder, results } = await record(world);
  const again = await replay(folder);
  expect(outcomes(again.results)).toEqual(outcomes(results));
  const former = await contents(world);
  expect(former.map((rows) => rows.length > 100)).toEqual([true, true, true]);
  expect(await contents(again.world)).toEqual(former);
});

test("faults are replayed as they happened: refusals, failures and broken answers, their waits passed over", async () => {
  const { world } = await withScript((visit) => {
    const { stream, page, nth, response } = visit;
    if (stream !== "tracks") return sendPage(visit, []);
    if (page === 1 && nth === 1) return void response.writeHead(429, { "retry-after": "7" }).end();
    if (page === 2 && nth === 1) return sendBody(response, "{}", 503);
    if (page === 3 && nth === 1) {
      response.writeHead(200, { "content-length": "5000" });
      return void response.write('{"items":[', () => response.destroy());
    }
    sendPage(visit, trackTexts(300));
  });
  const { folder, results } = await record(world);
  const again = await replay(folder);
  expect(results[0]).toMatchObject({ status: "ok", retries: 3, counts: { new: 300 } });
  expect(again.results[0]).toMatchObject({ status: "ok", retries: 3, counts: { new: 300 } });
  expect(again.world.sleeps).toEqual([]);
  const waits = (log: World["log"]) =>
    log.map(({ event }) => event).filter((event) => /paused|retried/.test(event));
  expect(waits(again.world.log).sort()).toEqual(waits(world.log).sort());
});

test("compressed answers are kept decompressed", async () => {
  const { world } = await withScript(({ response }) => {
    const body = gzipSync('{"items":[],"total":0,"note":"readable"}');
    response.writeHead(200, { "content-encoding": "gzip", "content-type": "application/json" }).end(body);
  });
  const { folder } = await record(world);
  expect(readFileSync(join(folder, "moovitamix/000001.body"), "utf8")).toContain('"note":"readable"');
  const again = await replay(folder);
  expect(again.results.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
});

test("redirects are followed in the replay", async () => {
  const { world } = await withScript((visit) => {
    const { stream, page, size, response } = visit;
    const location = `/old/tracks?page=${page}&size=${size}`;
    if (stream === "tracks") response.writeHead(302, { location }).end();
    else sendPage(visit, stream === "old/tracks" ? trackTexts(150) : []);
  });
  const { folder } = await record(world);
  const again = await replay(folder);
  expect(again.results[0]).toMatchObject({ status: "ok", counts: { new: 150 } });
});

const OAUTH: Authentication = {
  type: "oauth2_client_credentials",
  tokenUrl: "/token",
  clientId: { env: "CLIENT_ID" },
  clientSecret: { env: "CLIENT_SECRET" },
  credentialsIn: "body",
};

test("sign-ins and renewals are replayed, and no secret is in the recording", async () => {
  let signIns = 0;
  const onVisit = (visit: Visit) => {
    if (visit.stream === "token")
      return sendBody(
        visit.response,
        `{"access_token": "token-number-${++signIns}", "token_type": "bearer"}`,
      );
    const isOld = visit.request.headers.authorization !== "Bearer token-number-2";
    if (visit.page === 2 && isOld) return sendBody(visit.response, "{}", 401);
    sendPage(visit, visit.stream === "tracks" ? trackTexts(250) : []);
  };
  const source = { ...moovitamix, authentication: OAUTH };
  const env = { CLIENT_ID: "the-client-id", CLIENT_SECRET: SECRET };
  const { world } = await withScript(onVisit, { source, env });
  const { folder, results } = await record(world);
  expect(results[0]).toMatchObject({ status: "ok", counts: { new: 250 } });
  const kept = textOf(folder);
  for (const secret of [
    SECRET,
    encodeURIComponent(SECRET),
    "token-number-1",
    "token-number-2",
    "the-client-id",
  ])
    expect(kept).not.toContain(secret);
  expect(kept).toContain("grant_type=client_credentials");
  const again = await replay(folder, { source });
  expect(outcomes(again.results)).toEqual(outcomes(results));
  expect(again.results[0]?.requests).toBe(results[0]?.requests);
});

test.each<[string, Authentication]>([
  ["a bearer token", { type: "bearer", token: { env: "KEY" } }],
  ["a key in a header", { type: "api_key", name: "X-Key", value: { env: "KEY" } }],
  ["a key in the query", { type: "api_key", name: "key", in: "query", value: { env: "KEY" } }],
  ["a password", { type: "basic", user: "me", password: { env: "KEY" } }],
])("%s is masked in all its forms, and a replay does without it", async (_, authentication) => {
  const source = { ...moovitamix, authentication };
  const { world } = await withScript(
    (visit) => {
      visit.response.setHeader("set-cookie", "session=abcdefgh");
      visit.response.setHeader("x-echo", `you sent ${SECRET}`);
      sendPage(visit, visit.stream === "tracks" ? trackTexts(3) : [], { echo: SECRET });
    },
    { source, env: { KEY: SECRET } },
  );
  const { folder } = await record(world);
  const kept = textOf(folder);
  const pair = Buffer.from(`me:${SECRET}`).toString("base64").replace(/=+$/, "");
  for (const form of [
    SECRET,
    encodeURIComponent(SECRET),
    new URLSearchParams({ a: SECRET }).toString().slice(2),
    pair,
  ])
    expect(kept).not.toContain(form);
  expect(kept).not.toContain("session=");
  const again = await replay(folder, { source });
  expect(again.results.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
  expect(await contents(again.world)).toEqual(await contents(world));
});

test("files behind an address are replayed", async () => {
  const server = await startListServer({ form: "single", list: [] });
  onTestFinished(() => server.stop());
  server.answer = (_asked, response) => {
    response.writeHead(200).end(gzipSync("id,name\n1,one\n2,two\n"));
    return true;
  };
  const stream = {
    name: "tracks",
    path: `${server.url}/tracks.csv.gz`,
    key: ["id"],
    record: z.looseObject({}),
  };
  const source: SourceDefinition = { name: "moovitamix", type: "files", streams: [stream] };
  const world = await withWorld({ url: NOWHERE, source });
  const { folder } = await record(world);
  await server.stop();
  const again = await replay(folder, { source });
  expect(again.results[0]).toMatchObject({ status: "ok", counts: { new: 2 } });
  expect(await contents(again.world)).toEqual(await contents(world));
});

test("a request that was not recorded fails and names the nearest one", async () => {
  const { world } = await withScript((visit) => sendPage(visit, trackTexts(3)));
  const { folder } = await record(world);
  const again = await withWorld({ url: NOWHERE, source: { ...moovitamix, pageSize: 70 } });
  const [result] = await again.load({ tape: createPlayer(folder), streams: ["tracks"] });
  expect(result).toMatchObject({ status: "failed", requests: 1, error: { code: "REPLAY_UNKNOWN" } });
  expect(result?.error?.message).toContain("the request is not in the recording");
  expect(result?.error?.why.join()).toContain("tracks?page=1&size=70; the nearest one is GET ");
  expect(result?.error?.why.join()).toContain("tracks?page=1&size=100");
  expect(result?.error?.hint).toContain("or record anew");
});

test("a recording is readable by its owner only", async () => {
  const { world } = await withScript((visit) => sendPage(visit, []));
  const { folder } = await record(world);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  expect(files.length).toBeGreaterThan(6);
  expect(
    [folder, ...files.map((file) => join(folder, file))].filter((path) => statSync(path).mode & 0o077),
  ).toEqual([]);
});

test("a folder that holds something is not recorded into", async () => {
  const { world } = await withScript((visit) => sendPage(visit, []));
  const { folder } = await record(world);
  const recorder = () => createRecorder(world.ctx, folder, ingestSettings.parse({}));
  expect(recorder).toThrowError(
    expect.objectContaining({ code: "RECORDING_EXISTS", exitCode: 2, message: "holds a recording already" }),
  );
  rmSync(join(folder, "recording.json"));
  expect(recorder).toThrowError(
    expect.objectContaining({ message: "is not empty", hint: expect.stringContaining("name a folder") }),
  );
});

test("what is no recording, or a damaged one, is refused before anything is loaded", async () => {
  const folder = newFolder();
  expect(() => createPlayer(folder)).toThrowError(
    expect.objectContaining({
      code: "RECORDING_MISSING",
      exitCode: 2,
      hint: expect.stringContaining("--record"),
    }),
  );
  const { world } = await withScript((visit) => sendPage(visit, []));
  const recorded = await record(world);
  writeFileSync(join(recorded.folder, "moovitamix/000002.json"), "{}");
  await expect(replay(recorded.folder)).rejects.toMatchObject({
    code: "RECORDING_DAMAGED",
    exitCode: 2,
    where: expect.stringContaining("000002.json"),
    hint: expect.stringContaining("record again"),
  });
});

test("a source that was not recorded is refused, and so is a database across the network", async () => {
  const { world } = await withScript((visit) => sendPage(visit, []));
  const { folder } = await record(world);
  await expect(replay(folder, { source: { ...moovitamix, name: "radio" } })).rejects.toMatchObject({
    code: "RECORDING_SOURCE",
    exitCode: 2,
    message: 'the recording holds nothing of the source "radio"',
    hint: expect.stringContaining("name the streams that were recorded"),
  });
  const streams = [{ name: "orders", table: "orders", key: ["id"], record: z.looseObject({}) }];
  const source: SourceDefinition = { name: "shop", type: "postgres", connection: { env: "SHOP" }, streams };
  await expect(replay(folder, { source })).rejects.toMatchObject({
    code: "REPLAY_UNSUITED",
    exitCode: 2,
    hint: expect.stringContaining("name the streams to replay"),
  });
});

test("local files are loaded, and a warning says that they are not recorded", async () => {
  const stream = { name: "tracks", path: "inbox.csv", key: ["id"], record: z.looseObject({}) };
  const source: SourceDefinition = { name: "moovitamix", type: "files", streams: [stream] };
  const world = await withWorld({ url: NOWHERE, source });
  writeFileSync(join(world.ctx.projectDir, "inbox.csv"), "id\n1\n");
  const { folder, results } = await record(world);
  expect(results[0]).toMatchObject({ status: "ok", counts: { new: 1 } });
  expect(world.log.find(({ event }) => event === "source_unrecorded")?.message).toContain("not recorded");
  expect(existsSync(join(folder, "moovitamix"))).toBe(false);
  expect((await world.load({ tape: createPlayer(folder) }))[0]).toMatchObject({ status: "ok" });
});
