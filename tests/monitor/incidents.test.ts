import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type AlertMessage, parseMessage } from "../../monitor/alerts/message.ts";
import { render, SUBJECT, TEXT } from "../../monitor/alerts/render.ts";
import { loadMonitor } from "../../monitor/settings.ts";
import { watchRun } from "../../monitor/watch.ts";
import { listIncidents } from "../../state/incidents.ts";
import { keepMetrics } from "../../state/metrics.ts";
import { listOutbox } from "../../state/outbox.ts";
import { stateGround } from "./state.ts";

const CHANNELS = "channels: {hook: {type: webhook, url: {env: HOOK}}}\n";
const node = (unique_id: string, more = {}) => ({ unique_id, name: unique_id.split(".")[2], ...more });

/** orders (source) -> stg_orders -> fct_orders, with a test on each model. */
function watchedGround(settings = CHANNELS) {
  const ground = stateGround();
  const target = join(ground.folder, "target");
  mkdirSync(target);
  writeFileSync(join(ground.folder, "monitor.yml"), settings);
  const source = { unique_id: "source.shop.raw.orders", name: "orders", source_name: "raw" };
  const manifest = {
    sources: { "source.shop.raw.orders": source },
    nodes: {
      "model.shop.stg_orders": node("model.shop.stg_orders", { config: { meta: { owner: "Ada" } } }),
      "model.shop.fct_orders": node("model.shop.fct_orders", { group: "sales" }),
      "model.shop.dim_days": node("model.shop.dim_days"),
      "test.shop.not_null.1": node("test.shop.not_null.1"),
      "test.shop.other.1": node("test.shop.other.1"),
    },
    groups: { g: { name: "sales", owner: { name: "Sales", email: "sales@example.com" } } },
    parent_map: {
      "model.shop.stg_orders": ["source.shop.raw.orders"],
      "model.shop.fct_orders": ["model.shop.stg_orders"],
      "test.shop.not_null.1": ["model.shop.fct_orders"],
      "test.shop.other.1": ["model.shop.stg_orders"],
    },
  };
  writeFileSync(join(target, "manifest.json"), JSON.stringify(manifest));
  const { ctx, state } = ground;
  let count = 0;
  const run = (nodes: Record<string, string>, command = "build") => {
    ground.clock.pass(60_000);
    const listed = Object.entries(nodes).map(([id, status]) => ({
      node: id,
      kind: id.startsWith("raw.") ? "stream" : id.startsWith("test.") ? "test" : "model",
      status,
      message: status === "failed" || status === "error" ? "it broke" : null,
      rows: status === "fail" ? 3 : null,
    }));
    const isSuccess = listed.every(({ status }) => ["ok", "success", "pass", "warn"].includes(status));
    return watchRun(
      { ctx, state, settings: loadMonitor(ground.folder), project: "shop", target },
      {
        command,
        isSuccess,
        summary: "it failed",
        nodes: listed,
        id: `run-${++count}`,
        measuredAt: ctx.clock.now(),
      },
    );
  };
  return { ...ground, run };
}

const told = async (state: Parameters<typeof listOutbox>[0]) =>
  (await listOutbox(state)).map(({ kind, status }) => `${kind} ${status}`).reverse();

test("one broken source is one incident that lists what it affects, told once, and resolved when all is green", async () => {
  const { state, run } = watchedGround();
  const broken = { "raw.orders": "failed", "model.shop.stg_orders": "error", "test.shop.not_null.1": "fail" };
  await run(broken);
  await run(broken);
  await run({ "raw.orders": "failed" }, "ingest");
  const [incident, ...others] = await listIncidents(state);
  expect(others).toEqual([]);
  expect(incident).toMatchObject({
    title: "stream raw.orders failed",
    severity: "error",
    status: "open",
    affected: ["fct_orders", "stg_orders"],
    channels: ["hook"],
  });
  expect(incident?.parts.map(({ key }) => key).sort()).toEqual([
    "model:model.shop.stg_orders",
    "stream:raw.orders",
    "test:test.shop.not_null.1",
  ]);
  expect(await told(state)).toEqual(["opened queued"]);
  await run({ "raw.orders": "ok" }, "ingest");
  expect(await listIncidents(state, { status: "open" })).toHaveLength(1);
  await run({ "model.shop.stg_orders": "success", "test.shop.not_null.1": "pass" });
  expect(await listIncidents(state, { status: "open" })).toEqual([]);
  expect(await told(state)).toEqual(["opened queued", "resolved queued"]);
  await run({ "raw.orders": "failed" }, "ingest");
  expect(await told(state)).toEqual(["opened queued", "resolved queued", "opened queued"]);
});

test("causes that have nothing to do with each other are incidents of their own, with their owners", async () => {
  const { state, run } = watchedGround();
  await run({ "model.shop.stg_orders": "error", "model.shop.dim_days": "error" });
  const incidents = await listIncidents(state);
  expect(incidents.map(({ title, owners }) => [title, owners]).sort()).toEqual([
    ["model dim_days failed", []],
    ["model stg_orders failed", [{ name: "Ada", email: null }]],
  ]);
});

test("a run that fails without a node that says why is an incident, and over with the next good run", async () => {
  const { state, run } = watchedGround();
  await run({ "model.shop.dim_days": "skipped" });
  expect(await listIncidents(state)).toMatchObject([{ title: "run build failed", affected: [] }]);
  await run({});
  expect(await listIncidents(state)).toMatchObject([{ status: "resolved" }]);
});

test("what opens and closes within quiet hours is not told", async () => {
  const quiet = `${CHANNELS}quiet_hours: {from: "11:00", to: "15:00"}\n`;
  const { state, run, clock } = watchedGround(quiet);
  await run({ "raw.orders": "failed" });
  await run({ "raw.orders": "ok" });
  expect(await told(state)).toEqual(["opened withdrawn"]);
  await run({ "raw.orders": "failed" });
  clock.set("2026-03-02T16:00:00Z");
  await run({ "raw.orders": "ok" });
  expect(await told(state)).toEqual(["opened withdrawn", "opened queued", "resolved queued"]);
});

test("channels hear what is at least as severe as they want", async () => {
  const { state, run } = watchedGround(
    "channels: {hook: {type: webhook, url: {env: HOOK}, min_severity: error}}\n",
  );
  await run({ "test.shop.not_null.1": "warn" });
  expect(await listIncidents(state)).toMatchObject([{ severity: "warning", channels: [] }]);
  expect(await told(state)).toEqual([]);
});

test("a cause that is found later takes over the incidents that it explains", async () => {
  const { state, run } = watchedGround();
  await run({ "model.shop.fct_orders": "error" });
  await run({ "model.shop.stg_orders": "error" });
  const [only, ...others] = await listIncidents(state, { status: "open" });
  expect(others).toEqual([]);
  expect(only).toMatchObject({ title: "model stg_orders failed", node: "model.shop.stg_orders" });
  await run({ "raw.orders": "failed" }, "ingest");
  const open = await listIncidents(state, { status: "open" });
  expect(open).toMatchObject([
    { id: only?.id, title: "stream raw.orders failed", affected: ["fct_orders", "stg_orders"] },
  ]);
  expect(open[0]?.owners.map(({ name }) => name).sort()).toEqual(["Ada", "Sales"]);
  expect(await told(state)).toEqual(["opened queued"]);
  await run({ "raw.orders": "ok", "model.shop.stg_orders": "success", "model.shop.fct_orders": "success" });
  expect(await listIncidents(state, { status: "open" })).toEqual([]);
  expect(await told(state)).toEqual(["opened queued", "resolved queued"]);
});

test("of two incidents with one cause the later one is closed, and says which it belongs to", async () => {
  const { state, run } = watchedGround();
  await run({ "test.shop.other.1": "fail", "test.shop.not_null.1": "fail" });
  expect(await listIncidents(state, { status: "open" })).toHaveLength(2);
  await run({ "raw.orders": "failed" }, "ingest");
  expect(await listIncidents(state, { status: "open" })).toMatchObject([
    { title: "stream raw.orders failed" },
  ]);
  const closed = (await listOutbox(state)).filter(({ kind }) => kind === "resolved");
  expect(closed.map(({ payload }) => JSON.parse(payload).parts[0].message)).toEqual([
    'belongs to "stream raw.orders failed" from now on',
  ]);
});

test("what is worse than an open incident is told, and not hidden behind it", async () => {
  const { state, run } = watchedGround();
  await run({ "test.shop.not_null.1": "warn" });
  await run({ "model.shop.stg_orders": "error", "test.shop.not_null.1": "skipped" });
  const open = await listIncidents(state, { status: "open" });
  expect(open.map(({ title, severity, run_id }) => [title, severity, run_id])).toEqual([
    ["model stg_orders failed", "error", "run-2"],
    ["test not_null warns", "warning", "run-1"],
  ]);
  expect(await told(state)).toEqual(["opened queued", "opened queued"]);
});

test("what is found in the run that makes the cause good again is no part of it", async () => {
  const { state, run } = watchedGround();
  await run({ "model.shop.stg_orders": "error", "test.shop.not_null.1": "skipped" });
  await run({ "model.shop.stg_orders": "success", "test.shop.not_null.1": "warn" });
  expect((await listIncidents(state)).map(({ title, status }) => [title, status])).toEqual([
    ["test not_null warns", "open"],
    ["model stg_orders failed", "resolved"],
  ]);
});

test("what the project no longer has is wrong no longer", async () => {
  const { state, run, folder } = watchedGround();
  await run({ "test.shop.other.1": "fail", "model.shop.dim_days": "error" });
  const manifest = join(folder, "target/manifest.json");
  const { nodes, ...rest } = JSON.parse(readFileSync(manifest, "utf8"));
  const { "test.shop.other.1": _removed, ...kept } = nodes;
  writeFileSync(manifest, JSON.stringify({ nodes: kept, ...rest }));
  await run({ "model.shop.stg_orders": "success" });
  expect((await listIncidents(state)).map(({ title, status }) => [title, status])).toEqual([
    ["model dim_days failed", "open"],
    ["test other failed", "resolved"],
  ]);
  const resolved = (await listOutbox(state)).find(({ kind }) => kind === "resolved");
  expect(resolved?.payload).toContain("the project does not have it any more");
});

test("an incident of a rule that is removed is over", async () => {
  const rule = "rules: [{name: old, metric: run_duration_seconds, max: 60}]\n";
  const { state, run, folder, ctx } = watchedGround(CHANNELS + rule);
  const points = [{ name: "run_duration_seconds", labels: { command: "build" }, value: 90 }];
  const at = new Date(ctx.clock.now().getTime() + 60_000); // of the run below
  await keepMetrics(state, { runId: "run-1", at, points });
  await run({ "model.shop.dim_days": "success" });
  expect(await listIncidents(state)).toMatchObject([{ status: "open" }]);
  writeFileSync(join(folder, "monitor.yml"), CHANNELS);
  await run({ "model.shop.dim_days": "success" });
  expect(await listIncidents(state)).toMatchObject([{ status: "resolved" }]);
});

test("an incident that gets worse is told again, to those as well who hear of nothing less, and once", async () => {
  const { state, run } = watchedGround(
    `${CHANNELS.trimEnd().slice(0, -1)}, pager: {type: webhook, url: {env: P}, min_severity: error}}\n`,
  );
  const sent = async () => (await listOutbox(state)).map(({ channel, kind }) => `${channel} ${kind}`).sort();
  await run({ "test.shop.other.1": "warn" });
  expect(await sent()).toEqual(["hook opened"]);
  await run({ "test.shop.other.1": "fail" });
  await run({ "test.shop.other.1": "fail" });
  const worse = ["hook escalated", "hook opened", "pager escalated"];
  expect(await sent()).toEqual(worse);
  const escalated = (await listOutbox(state)).find(({ kind }) => kind === "escalated");
  const message = parseMessage(escalated?.payload ?? "");
  expect(message).toMatchObject({
    title: "test other failed",
    severity: "error",
    former_severity: "warning",
    run_id: "run-2",
  });
  if (message.kind === "report") throw new Error("not of an incident");
  expect(render(SUBJECT, message, "header")).toBe("[shop] error (was warning): test other failed");
  await run({ "test.shop.other.1": "pass" });
  expect(await sent()).toEqual([...worse, "hook resolved", "pager resolved"].sort());
});

test("parts of an incident are told with what they are about, the first twenty of them", async () => {
  const { state, run } = watchedGround();
  await run({ "raw.orders": "failed", "model.shop.fct_orders": "error", "test.shop.not_null.1": "fail" });
  const [row] = await listOutbox(state);
  const message = parseMessage(row?.payload ?? "");
  if (message.kind === "report") throw new Error("not of an incident");
  const text = render(TEXT, message, "text");
  expect(text).toContain("\n- it broke\n- model fct_orders failed: it broke\n");
  expect(text).toContain("\n- test not_null failed: 3 rows break it\n");
  const many = { ...message, parts: Array.from({ length: 25 }, () => ({ title: "t", message: "m" })) };
  expect(render(TEXT, many, "text")).toContain("- t: m\n- and 5 more\n");
});

test("names can be copied out of Slack, and nothing of a text is markup there", () => {
  const told = (title: string) => render("{{title}}", { ...ALERT, title }, "mrkdwn");
  expect(told("test stg_users__updated_after_created warns")).toBe(
    "test stg_users__updated_after_created warns",
  );
  expect(told("*bold* _it_ ~no~ `code` <!here> a*b")).toBe(
    "\u200b*\u200bbold\u200b*\u200b \u200b_\u200bit\u200b_\u200b \u200b~\u200bno\u200b~\u200b \u200b`\u200bcode\u200b`\u200b &lt;!here&gt; a*b",
  );
});

const ALERT: AlertMessage = {
  kind: "opened",
  project: "shop",
  incident_id: "i",
  severity: "warning",
  title: "t",
  parts: [],
  affected: [],
  owners: [],
  run_id: null,
  opened_at: "2026-03-02T12:00:00.000Z",
  resolved_at: null,
};
