import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Sqlite from "libsql";
import { createContext } from "../core/context.ts";
import { readReport } from "../monitor/report/read-report.ts";
import { loadSchedule } from "../schedule/jobs/load-jobs.ts";
import { openRuns, triggerJob } from "../schedule/runs/admit.ts";
import { createScheduler } from "../schedule/scheduler.ts";
import { openState } from "../state/database.ts";
import { findRuns, listRuns, partsOf } from "../state/runs.ts";

const PROGRAM = [process.execPath, fileURLToPath(new URL("../dist/cli/main.js", import.meta.url))];
const ROUNDS = 15;
const HISTORY = 1_000_000;
const FILES = {
  "project.yml": "name: shop\njobs: {list: {steps: [{run: ls --allow-empty-selection}]}}\n",
  "profiles.yml":
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/warehouse.duckdb, schema: main}}}\n",
};

/** What a scheduled run adds to its command, in turns with the bare one; and questions to a long history. */
export async function benchSchedule(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-bench-"));
  try {
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
    await benchOverhead(folder);
    await benchHistory(join(folder, "long/state.db"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function benchOverhead(folder: string): Promise<void> {
  const controller = new AbortController();
  const ctx = createContext({
    projectDir: folder,
    env: process.env,
    sink: () => undefined,
    signal: controller.signal,
  });
  const state = openState(join(folder, "data/state.db"));
  let ended = () => {};
  const scheduler = createScheduler({
    ctx,
    state,
    schedule: loadSchedule(folder, () => null),
    logs: join(folder, "data/logs"),
    program: PROGRAM,
    onRunEnded: () => ended(),
  });
  const stopped = scheduler.run();
  const [bare, scheduled]: number[][] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const [node = "", ...main] = PROGRAM;
    let startedAt = performance.now();
    await once(
      spawn(node, [...main, "ls", "--allow-empty-selection"], { cwd: folder, stdio: "ignore" }),
      "exit",
    );
    bare?.push(performance.now() - startedAt);
    const [job] = scheduler.jobs();
    if (job === undefined) throw new Error("the job is missing");
    startedAt = performance.now();
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    await triggerJob(state, job, { trigger: "hand", now: new Date() });
    scheduler.wake();
    await end;
    scheduled?.push(performance.now() - startedAt);
  }
  controller.abort();
  await stopped;
  await state.destroy();
  const [one, other] = [middle(bare ?? []), middle(scheduled ?? [])];
  console.log(
    `run ls: bare ${one.toFixed(0)} ms, scheduled ${other.toFixed(0)} ms, overhead ${(other - one).toFixed(0)} ms (at most 150)`,
  );
}

async function benchHistory(file: string): Promise<void> {
  const state = openState(file);
  fill(file);
  const [run] = await listRuns(state, 1, { since: "2025-01-01" });
  const id = run?.id ?? "";
  const after = { queued_at: "2024-02-01T00:00:00.000Z", id };
  const questions: Record<string, () => Promise<unknown>> = {
    "the newest 500": () => listRuns(state, 500),
    "of a job": () => listRuns(state, 50, { job: "job7" }),
    "of a rare status": () => listRuns(state, 50, { status: "crashed" }),
    "of a job and a status": () => listRuns(state, 50, { job: "job8", status: "failed" }),
    "a page far back": () => listRuns(state, 50, { after }),
    "a page of a job far back": () => listRuns(state, 50, { job: "job3", after }),
    "one run": () => findRuns(state, id.slice(0, 8)),
    "its parts": () => partsOf(state, id),
    "what is open": () => openRuns(state),
    "the report of its last day": () => readReport(state, { project: "shop", stretch: LAST_DAY }),
  };
  for (const [name, ask] of Object.entries(questions)) {
    const startedAt = performance.now();
    await ask();
    console.log(`${HISTORY} runs, ${name}: ${(performance.now() - startedAt).toFixed(1)} ms (at most 100)`);
  }
  await state.destroy();
}

const START_MS = Date.parse("2024-01-01T00:00:00Z");
const END_MS = START_MS + HISTORY * 60_000;
const LAST_DAY = {
  since: new Date(END_MS - 86_400_000).toISOString(),
  until: new Date(END_MS).toISOString(),
};

const STATUSES = [
  "success",
  "success",
  "success",
  "success",
  "success",
  "success",
  "success",
  "skipped",
  "missed",
  "failed",
] as const;

function fill(file: string): void {
  const sqlite = new Sqlite(file);
  const insert = sqlite.prepare(
    `insert into runs (id, job, command, invocation, trigger, due_at, queued_at, started_at, ended_at, status)
     values (?, ?, 'job', 'job', 'schedule', ?, ?, ?, ?, ?)`,
  );
  const point = sqlite.prepare(
    "insert into metric_points (series_id, at, run_id, value) values (?, ?, ?, ?)",
  );
  const series = sqlite.prepare(
    "insert into metric_series (name, labels, total, last_value, last_at) values ('model_duration_seconds', ?, 0, 0, '')",
  );
  sqlite.exec("begin");
  for (let model = 0; model < 50; model++) series.run(JSON.stringify({ model: `model${model}` }));
  for (let index = 0; index < HISTORY; index++) {
    const at = new Date(START_MS + index * 60_000).toISOString();
    const status = index % 9999 === 0 ? "crashed" : STATUSES[index % STATUSES.length];
    const id = randomUUID();
    insert.run(id, `job${index % 50}`, at, at, at, at, status);
    point.run(1 + (index % 50), at, id, index % 7);
  }
  sqlite.exec("commit");
  sqlite.close();
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
