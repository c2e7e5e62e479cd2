import { expect, test } from "vitest";
import { previewIngest } from "../../ingest/ingest.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { streamStatus } from "../../ingest/status.ts";
import { sendPage, trackTexts, type Visit } from "./scripted-api.ts";
import { withScript, withWorld } from "./setup.ts";
import type { World } from "./world.ts";

const rowsOf = (world: World) =>
  world.rows("select stream, mode, outcome, error from raw_moovitamix._loads order by load_id");

/** A load of three streams that is stopped when the second page of tracks is asked for, and what goes on after it. */
async function withInterrupted() {
  const controller = new AbortController();
  let isStopping = true;
  const answer = (visit: Visit) => {
    if (visit.stream === "tracks" && visit.page === 2 && isStopping) controller.abort(new Error("stopped"));
    else sendPage(visit, visit.stream === "tracks" ? trackTexts(250) : []);
  };
  const { api, world } = await withScript(answer, { signal: controller.signal });
  await world
    .load({ streams: ["tracks", "users", "listen_history"], settings: { concurrency: 1 } })
    .catch(() => []);
  world.engine.close();
  isStopping = false;
  return withWorld({ url: api.url, projectDir: world.ctx.projectDir });
}

test("a load that was interrupted says so after the next start, and --failed loads it again", async () => {
  const world = await withInterrupted();
  const streams = world.source.streams.map((stream) => ({ source: world.source, stream }));
  const interrupted = (await world.rows("select stream from raw_moovitamix._unfinished")).map(String);
  expect(interrupted).toContain("tracks");
  const settings = ingestSettings.parse({});
  const options = { sources: [world.source], settings, onlyFailed: true };
  const previews = await previewIngest(world.ctx, world.engine, options);
  expect(previews.map(({ stream }) => stream).sort()).toEqual([...interrupted].sort());
  expect(await rowsOf(world)).toEqual((await rowsOf(world)).filter(([, , outcome]) => outcome === "ok"));
  const healed = await world.load({ onlyFailed: true });
  expect(healed.map(({ stream, status }) => `${stream} ${status}`).sort()).toEqual(
    [...interrupted].sort().map((stream) => `${stream} ok`),
  );
  const told = (await rowsOf(world)).filter(([, , outcome]) => outcome === "interrupted");
  expect(told.map(([stream]) => String(stream)).sort()).toEqual([...interrupted].sort());
  expect(told[0]).toEqual([
    expect.any(String),
    "full",
    "interrupted",
    expect.stringContaining("was stopped"),
  ]);
  expect(await world.rows("select * from raw_moovitamix._unfinished")).toEqual([]);
  expect(await world.load({ onlyFailed: true })).toEqual([]);
  const status = await streamStatus(world.engine, { streams, asOf: null });
  expect(status.map(({ lastLoad }) => lastLoad?.outcome)).toEqual(["ok", "ok", "ok"]);
});

test("the status tells of an interrupted load before the next one begins", async () => {
  const { world } = await withScript((visit) => sendPage(visit, trackTexts(3)));
  await world.loadOne("tracks");
  const session = await world.engine.openSession();
  await session.run(
    "insert into raw_moovitamix._unfinished values ('tracks', 'full', timestamp '2026-01-01')",
  );
  session.close();
  const streams = world.source.streams.slice(0, 1).map((stream) => ({ source: world.source, stream }));
  const [status] = await streamStatus(world.engine, { streams, asOf: null });
  expect(status?.lastLoad?.outcome).toBe("interrupted");
});

test("a load that failed or went well leaves nothing unfinished", async () => {
  const { world } = await withScript((visit) => {
    if (visit.stream === "users") visit.response.writeHead(403).end();
    else sendPage(visit, trackTexts(3));
  });
  await world.load();
  expect(await world.rows("select * from raw_moovitamix._unfinished")).toEqual([]);
  await world.load();
  expect((await rowsOf(world)).map(([, , outcome]) => outcome)).not.toContain("interrupted");
});
