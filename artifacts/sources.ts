import { join } from "node:path";
import type { Context } from "../core/context.ts";
import { artifactMetadata, writeArtifact } from "./metadata.ts";

interface Timing {
  name: "compile" | "execute";
  started_at: string;
  completed_at: string;
}

/** One entry of sources.json, version 3. */
export type SourceFreshnessEntry =
  | { unique_id: string; error: string; status: "runtime error" }
  | {
      unique_id: string;
      max_loaded_at: string;
      snapshotted_at: string;
      max_loaded_at_time_ago_in_s: number;
      status: "pass" | "warn" | "error";
      criteria: Record<string, unknown>;
      adapter_response: Record<string, unknown>;
      timing: Timing[];
      thread_id: string;
      execution_time: number;
    };

/** Writes target/sources.json and the run's own copy under target/runs/. */
export function writeSources(
  ctx: Context,
  target: string,
  run: { results: readonly SourceFreshnessEntry[]; elapsedSeconds: number },
): void {
  const document = {
    metadata: artifactMetadata(ctx, "sources/v3"),
    results: run.results,
    elapsed_time: run.elapsedSeconds,
  };
  const folders = [target, join(target, "runs", ctx.invocationId)];
  writeArtifact(
    ctx,
    folders.map((folder) => join(folder, "sources.json")),
    document,
  );
}
