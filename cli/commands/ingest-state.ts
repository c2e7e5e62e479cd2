import { parseAsOf } from "../../core/as-of.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { changeJson, changeText } from "../../ingest/drift/change.ts";
import { type Choice, chooseStreams } from "../../ingest/ingest.ts";
import { loadSources } from "../../ingest/load-sources.ts";
import { type PruneResult, pruneStreams, type Retention } from "../../ingest/prune.ts";
import { resetStream } from "../../ingest/reset.ts";
import { type StreamStatus, streamStatus } from "../../ingest/status.ts";
import { checkAsOf } from "../as-of.ts";
import type { Outcome } from "../outcome.ts";
import { formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import type { Workspace } from "../workspace.ts";

async function chosen({ ctx }: Workspace, streams: readonly string[]): Promise<Choice[]> {
  return chooseStreams({ sources: await loadSources(ctx), streams });
}

/** `run ingest status`: what is there of each stream, now or as of a load. */
export async function runIngestStatus(
  workspace: Workspace,
  terminal: Terminal,
  { streams: names, asOf: text }: { streams: readonly string[]; asOf: string | undefined },
): Promise<Outcome> {
  const asOf = text === undefined ? null : parseAsOf(text);
  const streams = await chosen(workspace, names);
  const found = await withWarehouse(workspace, "run ingest status", async (engine) => {
    if (asOf !== null) await checkAsOf(workspace.ctx, engine, asOf);
    return streamStatus(engine, { streams, asOf });
  });
  const head = [
    "stream",
    "mode",
    "last load",
    "ended (UTC)",
    "cursor",
    "records",
    "versions",
    "deleted",
    "quarantined",
  ];
  const rows = found.map((one) => [
    `${one.source}.${one.stream}`,
    one.mode,
    one.lastLoad === null ? "never" : `${one.lastLoad.id} ${one.lastLoad.outcome}`,
    one.lastLoad === null ? "–" : timeText(one.lastLoad.endedMs).slice(0, 19).replace("T", " "),
    one.cursor ?? "–",
    one.records,
    one.versions,
    one.deleted,
    one.quarantined,
  ]);
  return {
    exitCode: EXIT.ok,
    summary: plural(found.length, "stream"),
    text: [formatTable(head, rows, terminal.colors), ...driftLines(found)].join("\n"),
    json: { streams: found.map((one) => statusJson(one, workspace.ctx.clock.now())) },
  };
}

/** Changes of a stream's records that the terminal lists. */
const SHOWN_CHANGES = 5;

function driftLines(found: readonly StreamStatus[]): string[] {
  const lines = found.flatMap(({ source, stream, drift }) => {
    const shown = drift.slice(0, SHOWN_CHANGES);
    const more = drift.length - shown.length;
    return [
      ...shown.map((one) => `  ${source}.${stream}, since load ${one.sinceLoad}: ${changeText(one)}`),
      ...(more > 0 ? [`  ${source}.${stream}: ${more} earlier ones; --json has all`] : []),
    ];
  });
  return lines.length === 0 ? [] : ["", "changes of the records", ...lines];
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

function statusJson(
  { lastLoad, loadedMs, drift, ...same }: StreamStatus,
  now: Date,
): Record<string, unknown> {
  return {
    ...same,
    last_load:
      lastLoad === null
        ? null
        : {
            load_id: lastLoad.id,
            mode: lastLoad.mode,
            outcome: lastLoad.outcome,
            ended_at: timeText(lastLoad.endedMs),
            error: lastLoad.error,
          },
    drift: drift.map(({ sinceLoad, ...change }) => ({ since_load: sinceLoad, ...changeJson(change) })),
    loaded_at: loadedMs === null ? null : timeText(loadedMs),
    age_seconds: loadedMs === null ? null : (now.getTime() - loadedMs) / 1000,
  };
}

/** `run ingest reset STREAM`: the next load reads everything. */
export async function runIngestReset(
  workspace: Workspace,
  { streams: names, drop, yes }: { streams: readonly string[]; drop: boolean; yes: boolean },
): Promise<Outcome> {
  const streams = await chosen(workspace, names);
  if (drop && !yes) throw dropUnconfirmed(streams);
  const results = await withWarehouse(workspace, "run ingest reset", async (engine) => {
    const done = [];
    for (const choice of streams) done.push(await resetStream(workspace.ctx, engine, { ...choice, drop }));
    return done;
  });
  const lines = results.map(({ source, stream, versions, quarantined }) => {
    const removed = drop ? `${plural(versions, "version")} and ${quarantined} in quarantine removed; ` : "";
    return `${source}.${stream}: ${removed}the next load reads everything`;
  });
  return { exitCode: EXIT.ok, summary: lines.join("; "), text: lines.join("\n"), json: { streams: results } };
}

function dropUnconfirmed(streams: readonly Choice[]): ProjectError {
  const names = streams.map(({ source, stream }) => `${source.name}.${stream.name}`).join(", ");
  return new ProjectError("RESET_UNCONFIRMED", {
    message: `--drop would remove every version of ${names}, and what is in quarantine`,
    where: "run ingest reset",
    why: ["what the service no longer has cannot be loaded again"],
    hint: "add --yes when that is meant",
    exitCode: EXIT.usage,
  });
}

/** `run ingest prune`: removes ended versions of records. */
export async function runIngestPrune(
  workspace: Workspace,
  terminal: Terminal,
  { streams: names, dryRun, ...retention }: Retention & { streams: readonly string[]; dryRun: boolean },
): Promise<Outcome> {
  if (retention.olderThanDays === undefined && retention.keep === undefined) throw retentionMissing();
  const streams = await chosen(workspace, names);
  const results = await withWarehouse(workspace, "run ingest prune", (engine) =>
    pruneStreams(workspace.ctx, engine, { streams, retention, isDryRun: dryRun }),
  );
  const removed = results.reduce((sum, one) => sum + one.removed, 0);
  const summary = `${plural(removed, "version")} ${dryRun ? "would be removed" : "removed"}`;
  const head = ["stream", "versions", dryRun ? "to remove" : "removed", "readable as of load"];
  const rows = results.map((one) => [
    `${one.source}.${one.stream}`,
    one.versions,
    one.removed,
    one.readableFrom === null ? "as before" : `${one.readableFrom} and later`,
  ]);
  return {
    exitCode: EXIT.ok,
    summary,
    text: `${formatTable(head, rows, terminal.colors)}\n\n${summary}`,
    json: { streams: results.map(pruneJson) },
  };
}

function pruneJson({ readableFrom, ...same }: PruneResult): Record<string, unknown> {
  return { ...same, readable_from: readableFrom };
}

function retentionMissing(): ProjectError {
  return new ProjectError("PRUNE_USAGE", {
    message: "nothing says which versions may go",
    where: "run ingest prune",
    why: ["current versions always stay"],
    hint: "give --older-than DAYS, --keep N versions of a record, or both; --dry-run shows what would go",
    exitCode: EXIT.usage,
  });
}
