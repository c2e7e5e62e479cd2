import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CompiledQuery } from "kysely";
import { expect, test } from "vitest";
import { timeText } from "../../monitor/report/format.ts";
import { readReport } from "../../monitor/report/read-report.ts";
import { FORMS, renderReport, subjectOf } from "../../monitor/report/render.ts";
import type { Report } from "../../monitor/report/report.ts";
import { usualOf } from "../../monitor/report/usual.ts";
import type { StateDatabase } from "../../state/database.ts";
import { addRun, built, loaded } from "./report-history.ts";
import { stateGround } from "./state.ts";

const STRETCH = { since: "2026-03-01T12:00:00.000Z", until: "2026-03-02T12:00:00.000Z" };
const HOUR_MS = 3_600_000;

/** Hours before the end of the stretch. */
function hoursAgo(hours: number): string {
  return new Date(Date.parse(STRETCH.until) - hours * HOUR_MS).toISOString();
}

function reportOf(state: StateDatabase, without: string[] = []): Promise<Report> {
  return readReport(state, { project: "shop", stretch: STRETCH, without });
}

/** Ten days in which a job ran every four hours, and all was well. */
async function addGoodDays(state: StateDatabase): Promise<void> {
  for (let hours = 240; hours > 0; hours -= 4)
    await addRun(state, {
      at: hoursAgo(hours),
      job: "refresh",
      seconds: 30,
      tests: { unique_orders_id: "pass" },
      points: [...loaded("orders", { added: 100 }), built("fct_sales", 4)],
    });
}

const verdicts = ({ answers }: Report) => answers.map(({ verdict }) => verdict);

test("a day on which all was well is told so", async () => {
  const { state } = stateGround();
  await addGoodDays(state);
  const report = await reportOf(state);
  expect(report.answers).toEqual([
    { question: "Did it run?", verdict: "good", text: "6 runs done" },
    { question: "Were there errors or warnings?", verdict: "good", text: "none" },
    { question: "Did it take longer than usual?", verdict: "good", text: "no" },
    { question: "Is the data as expected?", verdict: "good", text: "1 test passed" },
  ]);
  expect(report.runs).toMatchObject([
    { name: "refresh", done: 6, failed: 0, missed: 0, median_seconds: 30, usual_seconds: 30, slow: 0 },
  ]);
  expect(report.streams).toMatchObject([
    { name: "shop.orders", loads: 6, received: 600, new: 600, usual: 600 },
  ]);
  expect(report.models).toMatchObject([
    { name: "fct_sales", builds: 6, median_seconds: 4, usual_seconds: 4 },
  ]);
  expect(subjectOf(report)).toBe("shop: all well, 2026-03-02");
});

test("runs that failed, were missed or took longer are counted, and the last one decides how bad it is", async () => {
  const { state } = stateGround();
  await addGoodDays(state);
  await addRun(state, { at: hoursAgo(3.5), job: "refresh", status: "missed" });
  await addRun(state, {
    at: hoursAgo(3),
    job: "refresh",
    status: "failed",
    reason: "step ingest: exit code 1",
  });
  await addRun(state, { at: hoursAgo(2.5), job: "refresh", seconds: 90 });
  const recovered = await reportOf(state);
  expect(recovered.answers[0]).toMatchObject({ verdict: "warning", text: "7 runs done, 1 failed, 1 missed" });
  expect(recovered.answers[2]?.text).toBe("refresh: 1 of 7, up to 90 s (usual 30.0 s)");
  expect(recovered.bad_runs.map(({ status, reason }) => [status, reason])).toEqual([
    ["failed", "step ingest: exit code 1"],
    ["missed", ""],
  ]);
  await addRun(state, { at: hoursAgo(2), job: "refresh", status: "crashed" });
  const down = await reportOf(state);
  expect(down.answers[0]).toMatchObject({
    verdict: "bad",
    text: expect.stringContaining("last failed: refresh"),
  });
});

test("what fails again and again is one line with how often and since when", async () => {
  const { state } = stateGround();
  await addGoodDays(state);
  for (const ago of [5, 4, 3]) await addRun(state, { at: hoursAgo(ago), job: "refresh", status: "failed" });
  await addRun(state, { at: hoursAgo(2), job: "other", status: "failed" });
  await addRun(state, { at: hoursAgo(1), job: "refresh", status: "failed", reason: "newest" });
  await addRun(state, { at: hoursAgo(6), job: "refresh", status: "missed" });
  const report = await reportOf(state);
  expect(report.bad_runs.map(({ name, status, times }) => [name, status, times])).toEqual([
    ["refresh", "failed", 4],
    ["other", "failed", 1],
    ["refresh", "missed", 1],
  ]);
  expect(report.bad_runs[0]).toMatchObject({ reason: "newest" });
  const since = timeText(report.bad_runs[0]?.first_at ?? null);
  expect(renderReport(report, "text", "/nowhere")).toMatch(
    new RegExp(`refresh failed 4 times since ${since} \\(`),
  );
  expect(renderReport(report, "html", "/nowhere")).toContain(`4 times since ${since}`);
});

test("a test that fails is new when it was well before, and told when it is well again", async () => {
  const { state } = stateGround();
  const tests = { old: "fail", fresh: "pass", worse: "warn", mended: "pass", loud: "warn" };
  await addRun(state, { at: hoursAgo(30), tests });
  await addRun(state, { at: hoursAgo(20), tests: { ...tests, fresh: "fail", mended: "error" } });
  await addRun(state, { at: hoursAgo(10), tests: { ...tests, fresh: "fail", worse: "fail" } });
  await addRun(state, { at: hoursAgo(5), tests: { fresh: "skipped" } });
  const { tests: found, answers } = await reportOf(state);
  expect(found).toMatchObject({ passed: 1, warned: 1, failed: 3, errors: 0, recovered: ["mended"] });
  expect(found.failing.map(({ name, status, is_new, rows }) => [name, status, is_new, rows])).toEqual([
    ["fresh", "fail", true, 3],
    ["worse", "fail", true, 3],
    ["old", "fail", false, 3],
    ["loud", "warn", false, 3],
  ]);
  expect(answers[3]).toMatchObject({ verdict: "bad", text: "3 tests failing (2 new), 1 test warns" });
});

test("tests of a job's steps count, and the run that asks does not", async () => {
  const { state } = stateGround();
  const parent = await addRun(state, { at: hoursAgo(2), job: "refresh", seconds: 20 });
  const child = await addRun(state, { at: hoursAgo(2), command: "build", tests: { one: "fail" } });
  await state.updateTable("runs").set({ parent_id: parent }).where("id", "=", child).execute();
  const asking = await addRun(state, { at: hoursAgo(1), job: "daily", status: "running" });
  const report = await reportOf(state, [asking]);
  expect(report.runs.map(({ name, done, open }) => [name, done, open])).toEqual([["refresh", 1, 0]]);
  expect(report.tests.failing).toMatchObject([{ name: "one", is_new: true }]);
});

test("streams that bring less than half of what is usual, and quarantined records, are unexpected", async () => {
  const { state } = stateGround();
  await addGoodDays(state);
  for (let hours = 240; hours > 24; hours -= 24)
    await addRun(state, { at: hoursAgo(hours), command: "ingest", points: loaded("users", { added: 50 }) });
  await addRun(state, {
    at: hoursAgo(6),
    command: "ingest",
    points: loaded("users", { added: 20, quarantined: 7, failed: 1 }),
  });
  const { streams, answers } = await reportOf(state);
  expect(streams[1]).toMatchObject({
    name: "shop.users",
    new: 20,
    quarantined: 7,
    usual: 50,
    failed_loads: 1,
  });
  expect(streams[1]?.recent).toEqual([50, 50, 50, 50, 50, 50, 50, 20]);
  expect(answers[3]).toMatchObject({
    verdict: "warning",
    text: "7 records in quarantine, less than usual of shop.users",
  });
});

test("tables are told with their rows before, repeated and missing values, ages go on, problems by kind", async () => {
  const { state } = stateGround();
  const table = "dim_users";
  const rows = (value: number) => ({ name: "table_rows", labels: { table }, value });
  await addRun(state, { at: hoursAgo(40), points: [rows(900)] });
  await addRun(state, {
    at: hoursAgo(2),
    seconds: 0,
    points: [
      rows(1000),
      { name: "table_duplicate_ratio", labels: { table, column: "email" }, value: 0.02 },
      { name: "table_missing_ratio", labels: { table, column: "email" }, value: 0.1 },
      { name: "table_missing_ratio", labels: { table, column: "city" }, value: 0.3 },
      { name: "table_missing_ratio", labels: { table, column: "id" }, value: 0 },
      { name: "source_freshness_seconds", labels: { source: "shop", stream: "users" }, value: 60 },
      { name: "run_errors", labels: { kind: "network" }, value: 2 },
      { name: "run_warnings", labels: { kind: "data" }, value: 1 },
    ],
  });
  const report = await reportOf(state);
  expect(report.tables).toMatchObject([{ name: table, rows: 1000, rows_before: 900, duplicate_ratio: 0.02 }]);
  expect(report.tables[0]?.missing).toEqual([
    { column: "city", ratio: 0.3 },
    { column: "email", ratio: 0.1 },
  ]);
  expect(report.freshness).toMatchObject([{ name: "shop.users", age_seconds: 7260 }]);
  expect(report.problems).toEqual([
    { kind: "data", errors: 0, warnings: 1 },
    { kind: "network", errors: 2, warnings: 0 },
  ]);
  expect(report.answers[1]).toMatchObject({ verdict: "bad", text: "2 errors (network), 1 warning" });
});

test("where nothing ran it says so, and nothing breaks", async () => {
  const { state, folder } = stateGround();
  const report = await reportOf(state);
  expect(verdicts(report)).toEqual(["bad", "good", "unknown", "unknown"]);
  for (const form of FORMS) expect(renderReport(report, form, folder)).toContain("nothing ran");
});

test("what the champion was measured by is told", async () => {
  const { state } = stateGround();
  const metrics = { discover: { ndcg: 0.21, recall: 0.12, coverage: 0.4 }, popularity: { ndcg: 0.1 } };
  const texts = { artefact: "", checksum: "", shape: "{}", experiment_id: "e1", lineage: "{}", gate: "[]" };
  const times = { created_at: hoursAgo(5), cutoff: hoursAgo(9) };
  await state
    .insertInto("models")
    .values({
      version: 4,
      kind: "blend",
      size_bytes: 1,
      metrics: JSON.stringify(metrics),
      ...texts,
      ...times,
    })
    .execute();
  expect((await reportOf(state)).recommendations).toBeNull();
  await state
    .insertInto("model_aliases")
    .values({ alias: "champion", version: 4, moved_at: hoursAgo(5) })
    .execute();
  expect((await reportOf(state)).recommendations).toMatchObject({
    version: 4,
    ndcg: 0.21,
    popularity_ndcg: 0.1,
    users: null,
  });
});

test("open incidents are told with what they affect", async () => {
  const { state, folder } = stateGround();
  const incident = {
    id: "i1",
    title: "stream shop.orders failed",
    severity: "error",
    node: null,
    run_id: null,
    opened_at: hoursAgo(3),
    last_seen_at: hoursAgo(1),
    resolved_at: null,
    affected: '["fct_sales"]',
    owners: "[]",
    channels: "[]",
  } as const;
  await state
    .insertInto("incidents")
    .values({ ...incident, status: "open" })
    .execute();
  await state
    .insertInto("incidents")
    .values({ ...incident, id: "i2", status: "resolved" })
    .execute();
  const report = await reportOf(state);
  expect(report.incidents.map(({ id, affected }) => [id, affected])).toEqual([["i1", ["fct_sales"]]]);
  expect(report.answers[1]).toMatchObject({ verdict: "bad", text: "1 open incident" });
  expect(renderReport(report, "text", folder)).toContain(
    "error: stream shop.orders failed, since 2026-03-02 09:00; affects fct_sales",
  );
});

test("values of the outside world are escaped for each form", async () => {
  const { state, folder } = stateGround();
  const reason = '<img src=x> & *bold* <!channel>\r\nBcc: "all"\u001b[2J';
  await addRun(state, {
    at: hoursAgo(3),
    job: "a<b>",
    status: "failed",
    reason,
    tests: { "<i>one": "fail" },
  });
  const report = await reportOf(state);
  const [html, text, slack] = FORMS.map((form) => renderReport(report, form, folder));
  expect(html).not.toMatch(/<img|<i>|<script/);
  expect(html).not.toContain("\u001b");
  expect(html).toContain("&lt;img src&#x3D;x&gt; &amp; *bold* &lt;!channel&gt;");
  expect(text).toContain('<img src=x> & *bold* <!channel> Bcc: "all" [2J');
  expect(slack).not.toMatch(/<[!i]|a<b>/);
  expect(slack).toContain("&lt;i&gt;one fails (new)");
  expect(subjectOf(report)).not.toMatch(/[\r\n]/);
});

test("the page is a mail's: no scripts, nothing from outside, styles in place, small", async () => {
  const { state, folder } = stateGround();
  await addGoodDays(state);
  const points = Array.from({ length: 300 }, (_, place) => built(`model_${place}`, place));
  const tests = Object.fromEntries(points.map((_, place) => [`test_${place}`, "fail"]));
  await addRun(state, { at: hoursAgo(1), points, tests });
  const html = renderReport(await reportOf(state), "html", folder);
  expect(html).not.toMatch(/<(script|link|img|svg|iframe)\b|https?:|\bsrc=/);
  expect(html).toContain("and 280 more");
  // Gmail cuts a mail off at 102 kB.
  expect(Buffer.byteLength(html)).toBeLessThan(100_000);
});

test("a project brings its own template", async () => {
  const { state, folder } = stateGround();
  await addGoodDays(state);
  mkdirSync(join(folder, "templates"));
  writeFileSync(
    join(folder, "templates/report.text.hbs"),
    "{{#each runs}}{{name}}={{seconds median_seconds}} {{spark recent}}{{/each}}\n",
  );
  const report = await reportOf(state);
  expect(renderReport(report, "text", folder)).toBe("refresh=30.0 s ██████");
  expect(renderReport(report, "html", folder)).toContain("Did it run?");
});

test.each([
  ["a\n{{#each runs}}\n", "templates/report.slack.hbs:3", "Parse error"],
  ["a\n{{#each runs}}{{nmae}}{{/each}}\n", "templates/report.slack.hbs:2:17", '"nmae" not defined'],
])("a template that cannot be rendered is named with its place: %j", async (text, where, message) => {
  const { state, folder } = stateGround();
  await addGoodDays(state);
  mkdirSync(join(folder, "templates"));
  writeFileSync(join(folder, "templates/report.slack.hbs"), text);
  const report = await reportOf(state);
  expect(() => renderReport(report, "slack", folder)).toThrow(
    expect.objectContaining({
      code: "REPORT_TEMPLATE",
      where,
      message: expect.stringContaining(message),
      hint: expect.stringContaining("run report --json shows what a template is given"),
      exitCode: 2,
    }),
  );
});

test("longer than usual is by a quarter, a second and three deviations, of enough runs before", () => {
  expect(usualOf([1, 1, 1, 1])).toBeUndefined();
  expect(usualOf([10, 10, 10, 10, 10])).toEqual({ median: 10, limit: 12.5 });
  expect(usualOf([0.1, 0.1, 0.1, 0.1, 0.1])?.limit).toBeCloseTo(1.1);
  expect(usualOf([10, 14, 6, 12, 8])?.limit).toBeCloseTo(10 + 3 * 1.4826 * 2);
});

/** Tables that have a row for each run, node or measurement. */
const LONG = /^SCAN (runs|root|child|run_nodes|metric_points|run_steps|failures|outbox|incident_parts)\b/;

test("no question of the report looks at a whole history", async () => {
  const { state } = stateGround();
  await addGoodDays(state);
  const asked: CompiledQuery[] = [];
  const listening = state.withPlugin({
    transformQuery: ({ node, queryId }) => {
      asked.push(state.getExecutor().compileQuery(node, queryId));
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  await reportOf(listening);
  expect(asked.length).toBeGreaterThan(8);
  for (const { sql, parameters } of asked) {
    const plan = await state.executeQuery<{ detail: string }>(
      CompiledQuery.raw(`explain query plan ${sql}`, [...parameters]),
    );
    expect(
      plan.rows.filter(({ detail }) => LONG.test(detail)),
      sql,
    ).toEqual([]);
  }
});
