import { writeSources } from "../../artifacts/sources.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { createSessionPool } from "../../runner/build/session-pool.ts";
import {
  checkFreshness,
  compileFreshness,
  type FreshnessResult,
  sourcesToCheck,
} from "../../runner/freshness/freshness.ts";
import type { Age } from "../../runner/graph/nodes.ts";
import { type SelectionOptions, selectNodes } from "../../runner/select/select.ts";
import { freshnessEntries } from "../../runner/to-artifacts/results.ts";
import { errorJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { type Colors, formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run freshness`: how old the newest rows of the sources are. */
export async function runFreshness(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions,
): Promise<Outcome> {
  const { ctx, folders, target } = workspace;
  const scope = openGraph(workspace);
  const sources = sourcesToCheck(scope, selectNodes(scope.graph, options));
  if (sources.length === 0) throw nothingToCheck();
  const queries = compileFreshness(ctx, scope, sources);
  const results = await withWarehouse(workspace, "run freshness", (engine) =>
    checkFreshness(ctx, createSessionPool(engine, target.duckdb.threads), { sources, queries }),
  );
  writeSources(ctx, folders.target, {
    results: freshnessEntries(results),
    elapsedSeconds: (ctx.clock.now().getTime() - ctx.startedAt.getTime()) / 1000,
  });
  const summary = summarize(results);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: `${formatFreshness(results, terminal.colors)}\n\n${summary}`,
    json: { sources: results.map(freshnessJson) },
  };
}

function hasFailed({ status }: FreshnessResult): boolean {
  return status === "error" || status === "runtime error";
}

function nothingToCheck(): ProjectError {
  return new ProjectError("FRESHNESS_NONE", {
    message: "none of these sources has a rule of freshness",
    where: "run freshness",
    hint: "add freshness: {warn_after: {count: 1, period: day}} and loaded_at_field to a table under sources:",
    exitCode: EXIT.usage,
  });
}

function summarize(results: readonly FreshnessResult[]): string {
  const count = (status: FreshnessResult["status"]) =>
    results.filter((result) => result.status === status).length;
  const parts = [`${count("pass")} fresh`, `${count("warn")} late`, `${count("error")} too old`];
  if (count("runtime error") > 0) parts.push(`${count("runtime error")} could not be asked`);
  return `sources: ${parts.join(", ")}`;
}

const WORDS = {
  pass: "fresh",
  warn: "late",
  error: "TOO OLD",
  "runtime error": "could not be asked",
} as const;

function formatFreshness(results: readonly FreshnessResult[], colors: Colors): string {
  const paint = { pass: colors.green, warn: colors.yellow, error: colors.red, "runtime error": colors.red };
  const rows = results.map(({ node, status, maxLoadedAt, ageSeconds }) => [
    `${node.sourceName}.${node.name}`,
    maxLoadedAt?.toISOString() ?? "–",
    ageSeconds === null ? "–" : formatAge(ageSeconds),
    limit(node.freshness?.warnAfter),
    limit(node.freshness?.errorAfter),
    paint[status](WORDS[status]),
  ]);
  return formatTable(["source", "newest row", "age", "warn after", "error after", "result"], rows, colors);
}

function limit(age: Age | null | undefined): string {
  return age === null || age === undefined ? "–" : plural(age.count, age.period);
}

function formatAge(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

function freshnessJson({ node, status, maxLoadedAt, ageSeconds, error }: FreshnessResult) {
  return {
    unique_id: node.id,
    source: node.sourceName,
    table: node.name,
    status,
    max_loaded_at: maxLoadedAt?.toISOString() ?? null,
    age_seconds: ageSeconds,
    error: error === null ? null : errorJson(error),
  };
}
