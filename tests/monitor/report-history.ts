import type { RunRow, StateDatabase } from "../../state/database.ts";
import { keepMetrics, type Measurement } from "../../state/metrics.ts";
import { emptyRun } from "../../state/runs.ts";

export interface PastRun {
  /** ISO, UTC. */
  at: string;
  job?: string;
  command?: string;
  status?: RunRow["status"];
  seconds?: number;
  reason?: string;
  /** Tests by name, with their status. */
  tests?: Record<string, string>;
  points?: Measurement[];
}

/** Writes a run as a command or a job leaves it. Returns its id. */
export async function addRun(state: StateDatabase, run: PastRun): Promise<string> {
  const { at, job = null, command = job === null ? "build" : "job", status = "success", seconds = 10 } = run;
  const id = `${job ?? command}-${at}-${status}`;
  const hasRun = status !== "missed" && status !== "skipped";
  const row = emptyRun({
    id,
    command,
    invocation: command,
    trigger: job === null ? "hand" : "schedule",
    queued_at: at,
    status,
  });
  const ended_at = new Date(Date.parse(at) + seconds * 1000).toISOString();
  await state
    .insertInto("runs")
    .values({
      ...row,
      job,
      started_at: hasRun ? at : null,
      ended_at: hasRun ? ended_at : null,
      reason: run.reason ?? null,
    })
    .execute();
  const tests = Object.entries(run.tests ?? {});
  for (const [place, [name, result]] of tests.entries())
    await state
      .insertInto("run_nodes")
      .values({
        run_id: id,
        place,
        node: `test.shop.${name}.abc123`,
        kind: "test",
        status: result,
        seconds: 0.1,
        rows: result === "pass" ? 0 : 3,
        message: null,
      })
      .execute();
  await keepMetrics(state, { runId: id, at: new Date(ended_at), points: run.points ?? [] });
  return id;
}

/** What the loads of a stream measure. */
export function loaded(stream: string, { added = 0, quarantined = 0, failed = 0 }): Measurement[] {
  const labels = { source: "shop", stream };
  return [
    { name: "stream_records", labels: { ...labels, outcome: "new" }, value: added },
    { name: "stream_records", labels: { ...labels, outcome: "quarantined" }, value: quarantined },
    { name: "stream_failed", labels, value: failed },
  ];
}

export function built(model: string, seconds: number): Measurement {
  return { name: "model_duration_seconds", labels: { model }, value: seconds };
}
