import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { type RunEvent, readEvents } from "../monitor/openlineage-spec.ts";
import { startReceiver } from "../monitor/receivers.ts";
import { copyProject, ROOT, run, temporaryFolder } from "./cli.ts";

const FILE = {
  OPENLINEAGE__TRANSPORT__TYPE: "file",
  OPENLINEAGE__TRANSPORT__LOG_FILE_PATH: "events.ndjson",
};

function eventsIn(cwd: string): RunEvent[] {
  return readEvents(readFileSync(join(cwd, "events.ndjson"), "utf8").trim().split("\n"));
}

/** How each job ended. */
function endsOf(events: readonly RunEvent[]): Record<string, string> {
  const ends = events.filter(({ eventType }) => eventType !== "START");
  return Object.fromEntries(ends.map(({ job, eventType }) => [job.name, eventType]));
}

function endOf(events: readonly RunEvent[], name: string): RunEvent {
  const found = events.find((event) => event.job.name === name && event.eventType !== "START");
  if (found === undefined) throw new Error(`no end of ${name}: ${Object.keys(endsOf(events))}`);
  return found;
}

function copyWares(): string {
  const cwd = temporaryFolder();
  cpSync(join(ROOT, "tests/fixtures/wares"), cwd, { recursive: true });
  return cwd;
}

test("the pipeline tells loads, models and tests, from the service to the marts", {
  timeout: 60_000,
}, async () => {
  const api = await startApi({ seed: 1, users: 20, tracks: 20, plays: 200 });
  onTestFinished(() => api.stop());
  const cwd = copyProject();
  const url = new URL(api.url);
  const env = { ...FILE, MOOVITAMIX_URL: `http://user:tune-password@${url.host}` };
  expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
  const events = eventsIn(cwd);
  expect(events[0]).toMatchObject({ eventType: "START", job: { name: "moovitamix.pipeline" } });
  expect(events.at(-1)).toMatchObject({ eventType: "COMPLETE", run: { runId: events[0]?.run.runId } });
  expect(JSON.stringify(events)).not.toContain("tune-password");
  const starts = events.filter(({ eventType }) => eventType === "START").map((event) => event.run.runId);
  expect(new Set(starts).size).toBe(events.length / 2);
  for (const event of events.slice(1, -1))
    expect(event.run.facets.parent?.run).toEqual({ runId: events[0]?.run.runId });

  const load = endOf(events, "moovitamix.ingest.moovitamix.tracks");
  expect(load.inputs).toMatchObject([
    { namespace: url.origin, name: "/tracks", inputFacets: { inputStatistics: { rowCount: 20 } } },
  ]);
  expect(load.outputs[0]).toMatchObject({
    namespace: "duckdb://data/warehouse.duckdb",
    name: "warehouse.raw_moovitamix.tracks",
    outputFacets: { outputStatistics: { rowCount: 20 } },
  });
  const staged = endOf(events, "warehouse.staging.moovitamix.stg_tracks.build.run");
  // What the load wrote is what the model reads: one graph.
  expect(staged.inputs[0]?.name).toBe(load.outputs[1]?.name);
  expect(staged.job.facets.sql).toMatchObject({ dialect: "duckdb" });
  expect(staged.job.facets.sourceCodeLocation).toMatchObject({ type: "file" });
  expect(staged.outputs[0]?.facets.schema).toMatchObject({
    fields: expect.arrayContaining([expect.objectContaining({ name: "track_id", type: "BIGINT" })]),
  });
  const built = endOf(events, "warehouse.marts.moovitamix.dim_users.build.run");
  expect(built.outputs[0]?.outputFacets?.outputStatistics).toMatchObject({ rowCount: 20 });
  const tested = endOf(events, "warehouse.marts.moovitamix.dim_users.build.test");
  const { dataQualityAssertions, dataQualityMetrics } = tested.inputs[0]?.inputFacets ?? {};
  expect(dataQualityAssertions?.assertions).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        assertion: "not_null",
        column: "user_key",
        success: true,
        severity: "error",
      }),
    ]),
  );
  expect(dataQualityMetrics).toMatchObject({ rowCount: 20, columnMetrics: { user_key: { nullCount: 0 } } });
});

test("a failed model and what was skipped because of it are told, with the message", async () => {
  const cwd = copyWares();
  writeFileSync(
    join(cwd, "models/staging/stg_orders.sql"),
    "select no_such_column from {{ ref('raw_orders') }}\n",
  );
  expect(await run(["build"], { cwd, env: FILE })).toMatchObject({ exitCode: 1 });
  const events = eventsIn(cwd);
  const failed = endOf(events, "wares.dev.wares.stg_orders.build.run");
  expect(failed.eventType).toBe("FAIL");
  expect(failed.run.facets.errorMessage?.message).toContain("no_such_column");
  expect(failed.outputs[0]?.outputFacets).toBeUndefined();
  const ends = endsOf(events);
  expect(ends["wares.build"]).toBe("FAIL");
  expect(ends["wares.dev_marts.wares.fct_orders.build.run"]).toBe("ABORT");
  expect(ends["wares.dev.wares.raw_orders.build.seed"]).toBe("COMPLETE");
});

test("commands of one kind name their jobs as dbt-ol does; what is reused is not told again", async () => {
  const cwd = copyWares();
  const project = join(cwd, "dbt_project.yml");
  // After statements of a run's own nothing is known to be as it was.
  writeFileSync(project, readFileSync(project, "utf8").replace(/^on-run-.*\n/gm, ""));
  expect(await run(["seed"], { cwd })).toMatchObject({ exitCode: 0 });
  expect(await run(["models"], { cwd, env: FILE })).toMatchObject({ exitCode: 0 });
  const first = eventsIn(cwd);
  expect(endsOf(first)["wares.dev_marts.wares.dim_customers"]).toBe("COMPLETE");
  expect(await run(["models"], { cwd, env: FILE })).toMatchObject({ exitCode: 0 });
  const again = eventsIn(cwd).slice(first.length);
  expect(Object.keys(endsOf(again))).not.toContain("wares.dev_marts.wares.dim_customers");
  expect(endsOf(again)["wares.models"]).toBe("COMPLETE");
});

test("a receiver that is away changes nothing; the next command brings what it missed", async () => {
  const cwd = copyWares();
  const gone = await startReceiver();
  await gone.stop();
  const away = await run(["seed"], { cwd, env: { OPENLINEAGE_URL: new URL(gone.url).origin } });
  expect(away.exitCode).toBe(0);
  expect(away.stderr).toContain("OpenLineage: events wait to be sent: connect ECONNREFUSED 127.0.0.1");
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const env = { OPENLINEAGE_URL: new URL(receiver.url).origin, OPENLINEAGE_PARENT_ID: PARENT };
  expect(await run(["seed", "--no-reuse"], { cwd, env })).toMatchObject({ exitCode: 0 });
  const events = readEvents(receiver.posts.map(({ body }) => body));
  const commands = events.filter(({ job }) => job.name === "wares.seed");
  expect(commands.map(({ eventType }) => eventType)).toEqual(["START", "COMPLETE", "START", "COMPLETE"]);
  expect(commands.at(-1)?.run.facets.parent).toMatchObject({
    run: { runId: "3f5e83fa-3480-44ff-99c5-ff943904e5e8" },
    job: { namespace: "airflow", name: "nightly.load" },
  });
});

const PARENT = "airflow/nightly.load/3f5e83fa-3480-44ff-99c5-ff943904e5e8";

test("wrong settings end a command before anything is run", async () => {
  const cwd = copyWares();
  writeFileSync(join(cwd, "openlineage.yml"), "transport: { type: htp, url: http://a }\n");
  const { exitCode, stderr } = await run(["build"], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain("openlineage.yml:1:");
});
