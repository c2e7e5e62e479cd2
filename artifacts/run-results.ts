import { join } from "node:path";
import type { Context } from "../core/context.ts";
import { artifactMetadata, writeArtifact } from "./metadata.ts";

/** One entry of run_results.json, version 6. */
export interface RunResultEntry {
  status: "success" | "error" | "skipped" | "pass" | "fail" | "warn";
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
  batch_results: null;
}

/** Writes target/run_results.json and the run's own copy under target/runs/. */
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
  writeArtifact(ctx, join(target, "run_results.json"), document);
  writeArtifact(ctx, join(target, "runs", ctx.invocationId, "run_results.json"), document);
}
