import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { Engine } from "../../engines/engine.ts";
import type { StreamPreview } from "../../ingest/dry-run.ts";
import { previewIngest } from "../../ingest/ingest.ts";
import type { LoadBounds } from "../../ingest/load-plan.ts";
import { formatStreams, reconcileStreams, summarizeStreams, totalsOf } from "../answers.ts";
import { type IngestPlan, ingestStep, planIngest, readsPostgres } from "../ingest-step.ts";
import { errorJson, streamJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { formatTable } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import type { CommonOptions, Workspace } from "../workspace.ts";

export interface IngestCommandOptions extends CommonOptions, LoadBounds {
  failed?: boolean;
  record?: string;
  replay?: string;
  dryRun?: boolean;
}

function boundsOf({ full, since, until, limit }: IngestCommandOptions): LoadBounds {
  return {
    ...(full === undefined ? {} : { full }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(limit === undefined ? {} : { limit }),
  };
}

/** `run ingest --dry-run`: from the first page of each stream. */
async function dryRun(workspace: Workspace, terminal: Terminal, plan: IngestPlan): Promise<Outcome> {
  const { ctx, target } = workspace;
  const isThere = existsSync(resolve(ctx.projectDir, target.duckdb.path));
  const previews = isThere
    ? await withWarehouse(workspace, "run ingest --dry-run", (engine) => previewIngest(ctx, engine, plan))
    : await previewIngest(ctx, null, plan);
  const rows = previews.map((one) => [
    `${one.source}.${one.stream}`,
    one.mode,
    one.range.since ?? "the start",
    one.range.until ?? "the end",
    one.error === null ? one.firstRecords : terminal.colors.red(one.error.message),
    one.pages ?? "not told",
  ]);
  const head = ["stream", "mode", "from", "to", "records of page 1", "pages"];
  const summary = "nothing was written";
  return {
    exitCode: exitCodeFor(
      previews,
      previews.some(({ error }) => error !== null),
    ),
    summary,
    text: `${formatTable(head, rows, terminal.colors)}\n\n${summary}`,
    json: { streams: previews.map(previewJson) },
  };
}

function previewJson({ range, firstRecords, error, ...same }: StreamPreview): Record<string, unknown> {
  return { ...same, ...range, first_records: firstRecords, error: error === null ? null : errorJson(error) };
}

/** `run ingest [stream…]`: what the sources hold now, into the raw tables. */
export async function runIngest(
  workspace: Workspace,
  terminal: Terminal,
  { streams, options }: { streams: string[]; options: IngestCommandOptions },
): Promise<Outcome> {
  const { failed = false, record, replay } = options;
  const recording = { record, replay };
  const plan = await planIngest(workspace, streams, { failed, bounds: boundsOf(options), recording });
  if (plan.sources.length === 0) throw sourcesMissing();
  if (options.dryRun) return dryRun(workspace, terminal, plan);
  const load = (engine: Engine) => ingestStep(workspace, engine, plan);
  const results = await withWarehouse(workspace, "run ingest", load, { readsPostgres: readsPostgres(plan) });
  if (results.length === 0) return nothingFailed();
  const summary = summarizeStreams(results);
  return {
    exitCode: exitCodeFor(
      results,
      results.some(({ status }) => status !== "ok"),
    ),
    summary,
    text: `${formatStreams(results, terminal.colors)}\n\n${reconcileStreams(results)}\n${summary}`,
    json: { streams: results.map(streamJson), totals: totalsOf(results) },
  };
}

function nothingFailed(): Outcome {
  const summary = "nothing to load: the last load of every stream went well";
  return { exitCode: EXIT.ok, summary, text: summary, json: { streams: [] } };
}

function sourcesMissing(): ProjectError {
  return new ProjectError("SOURCES_MISSING", {
    message: "this project has no sources",
    where: "ingest/sources/",
    hint: "add a file such as ingest/sources/moovitamix.ts; docs/from-dlt.md shows one",
    exitCode: EXIT.usage,
  });
}
