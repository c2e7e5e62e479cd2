import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../core/context.ts";
import { artifactMetadata, writeArtifact } from "./metadata.ts";

/** One entry of run_results.json, version 6. */
export interface RunResultEntry {
  status: "success" | "partial success" | "error" | "skipped" | "pass" | "fail" | "warn";
  timing: { name: "compile" | "execute"; started_at: string; completed_at: string }[];
  thread_id: string;
  execution_time: number;
  adapter_response: Record<string, unknown>;
  message: string | null;
  failures: number | null;
  unique_id: string;
  compiled: boolean;
  compiled_code: string | null;
  relation_name: string | null;
  /** Starts and ends of batches, ISO 8601. */
  batch_results: { successful: [string, string][]; failed: [string, string][] } | null;
  overload_results: null;
}

/** Writes target/run_results.json and the run's own copy under target/runs/, where the last 50 stay. */
export function writeRunResults(
  ctx: Context,
  target: string,
  run: { results: readonly RunResultEntry[]; elapsedSeconds: number; args: Record<string, unknown> },
): void {
  const document = {
    metadata: artifactMetadata(ctx, "run-results/v6"),
    results: run.results,
    elapsed_time: run.elapsedSeconds,
    args: run.args,
  };
  const runs = join(target, "runs");
  const folders = [target, join(runs, ctx.invocationId)];
  writeArtifact(
    ctx,
    folders.map((folder) => join(folder, "run_results.json")),
    document,
  );
  removeOldRuns(runs);
}

const KEPT_RUNS = 50;

function removeOldRuns(folder: string): void {
  const ages = readdirSync(folder).map((name) => ({ name, changedMs: statSync(join(folder, name)).mtimeMs }));
  const old = ages.sort((a, b) => b.changedMs - a.changedMs).slice(KEPT_RUNS);
  for (const { name } of old) rmSync(join(folder, name), { recursive: true, force: true });
}
