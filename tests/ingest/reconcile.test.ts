import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { reconcileStreams } from "../../cli/answers.ts";
import type { SourceDefinition } from "../../core/sillon.ts";
import type { StreamProgress } from "../../ingest/progress.ts";
import type { StreamResult } from "../../ingest/stream-result.ts";
import { parseFaults } from "../../moovitamix/faults.ts";
import { type Event, minute, minutes, withFeed } from "./feed.ts";
import { sendPage, trackTexts } from "./scripted-api.ts";
import { withApi, withScript, withWorld } from "./setup.ts";
import type { World } from "./world.ts";

function expectReconciled(results: readonly StreamResult[]): void {
  expect(results.length).toBeGreaterThan(0);
  for (const { counts } of results) {
    const { received, new: fresh, changed, unchanged, duplicate, quarantined } = counts;
    expect({ received }).toEqual({ received: fresh + changed + unchanged + duplicate + quarantined });
  }
}

/** The rows of `_loads` say the same. */
async function expectTableReconciled(world: World): Promise<void> {
  const sums = "received - new - changed - unchanged - duplicate - quarantined";
  const rows = await world.rows(`select load_id, stream from raw_moovitamix._loads where ${sums} <> 0`);
  expect(rows).toEqual([]);
}

/** Records that are new, changed, twice there in two ways, and no records at all, by chance. */
function chance(seed: number): string[] {
  let state = seed;
  const next = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
  return Array.from({ length: 300 }, () => {
    const kind = next(10);
    if (kind === 0) return `{"id": ${next(40)}, "broken": true}`;
    if (kind === 1) return `{"name": "without a key"}`;
    if (kind === 2) return "[]";
    return `{"id":${next(120)},"name":"${next(3)}"}`;
  });
}

test.each(["full", "append"] as const)("every record of %s loads by chance is counted once", async (mode) => {
  let records: string[] = [];
  const { world } = await withScript((visit) => sendPage(visit, records), {
    source: {
      name: "moovitamix",
      baseUrl: { env: "MOOVITAMIX_URL" },
      streams: [
        { name: "tracks", path: "/tracks", key: ["id"], mode, record: z.looseObject({ name: z.string() }) },
      ],
    },
  });
  for (let seed = 1; seed <= 8; seed++) {
    records = chance(seed);
    const results = await world.load();
    expectReconciled(results);
    expect(results[0]?.counts.received).toBe(300);
  }
  await expectTableReconciled(world);
});

test("incremental loads in parts reconcile, with ties and late records", async () => {
  const feed = await withFeed(minutes(95), {
    cursor: { field: "at", parameter: "since", lookBack: 120, ordered: true },
  });
  const results = await feed.world.load({ settings: { commit_records: 20 } });
  feed.events.push(...minutes(10, 96), { id: 1, at: minute(105) } as Event, { id: 105, at: minute(105) });
  results.push(...(await feed.world.load()), ...(await feed.world.load({ bounds: { full: true } })));
  expectReconciled(results);
  await expectTableReconciled(feed.world);
});

test("a service that grows and fails reconciles over all its streams", async () => {
  const { world } = await withApi({ faults: parseFaults("5xx=0.1,broken(damage=type)=0.1") });
  const results = [...(await world.load()), ...(await world.load())];
  expectReconciled(results);
  await expectTableReconciled(world);
});

test("files reconcile, changed and refused lines too", async () => {
  const stream = {
    name: "tracks",
    path: "inbox/*.csv",
    key: ["id"],
    record: z.looseObject({ n: z.string().max(2) }),
  };
  const source: SourceDefinition = { name: "moovitamix", type: "files", streams: [stream] };
  const world = await withWorld({ url: "http://127.0.0.1:9", source });
  mkdirSync(join(world.ctx.projectDir, "inbox"));
  const write = (name: string, text: string) =>
    writeFileSync(join(world.ctx.projectDir, "inbox", name), text);
  write("a.csv", "id,n\n1,a\n2,b\n2,b\n3,too long\n4\n");
  const results = await world.load();
  write("b.csv", "id,n\n1,z\n9,y\n");
  results.push(...(await world.load()));
  expectReconciled(results);
  expect(results[0]?.counts).toMatchObject({ received: 5, quarantined: 2, duplicate: 1 });
  await expectTableReconciled(world);
});

test("the summary says the sum over all streams", async () => {
  const { world } = await withScript((visit) =>
    sendPage(visit, visit.stream === "tracks" ? trackTexts(1200) : ["7"]),
  );
  expect(reconcileStreams(await world.load())).toBe(
    "1,202 received = 1,200 new + 0 changed + 0 unchanged + 0 duplicate + 2 quarantined",
  );
});

test("the progress of a stream ends with what came, and tells the waits", async () => {
  const { world } = await withScript((visit) => {
    if (visit.nth === 1 && visit.page === 2) visit.response.writeHead(503).end();
    else sendPage(visit, trackTexts(250));
  });
  const progress: StreamProgress[] = [];
  await world.load({ streams: ["tracks"], progress });
  expect(progress).toMatchObject([
    { source: "moovitamix", stream: "tracks", state: "ended", records: 250, page: 3, pages: 3 },
  ]);
  expect(progress[0]?.traffic).toMatchObject({ retries: 1, waits: { count: 1, totalMs: 500 } });
});
