import { EXIT, ProjectError } from "../../core/errors.ts";
import { chooseStreams } from "../../ingest/ingest.ts";
import { loadSources } from "../../ingest/load-sources.ts";
import { dropRefused } from "../../ingest/quarantine/drop.ts";
import {
  type QuarantineChoice,
  type QuarantineFilter,
  type RefusedRecord,
  refusedGroups,
  refusedRecords,
} from "../../ingest/quarantine/records.ts";
import { type ReplayResult, replayRefused } from "../../ingest/quarantine/replay.ts";
import type { Outcome } from "../outcome.ts";
import { formatCount, formatTable, plural, printable } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import type { Workspace } from "../workspace.ts";

/** Which records are meant, beside their streams. */
export type FilterOptions = QuarantineFilter;

interface Call {
  streams: readonly string[];
  options: FilterOptions;
}

async function choiceOf(
  { ctx }: Workspace,
  { streams, options: { reason, load, key } }: Call,
): Promise<QuarantineChoice> {
  return {
    streams: chooseStreams({ sources: await loadSources(ctx), streams }),
    filter: {
      ...(reason === undefined ? {} : { reason }),
      ...(load === undefined ? {} : { load }),
      ...(key === undefined ? {} : { key }),
    },
  };
}

const timeText = (ms: number) => new Date(ms).toISOString();
const shortTime = (ms: number) => timeText(ms).slice(0, 19).replace("T", " ");

function inQuarantine(count: number): string {
  return count === 0 ? "nothing in quarantine" : `${plural(count, "record")} in quarantine`;
}

/** `run quarantine ls` */
export async function runQuarantineLs(
  workspace: Workspace,
  terminal: Terminal,
  call: Call,
): Promise<Outcome> {
  const choice = await choiceOf(workspace, call);
  const groups = await withWarehouse(workspace, "run quarantine ls", (engine) =>
    refusedGroups(engine, choice),
  );
  const summary = inQuarantine(groups.reduce((sum, one) => sum + one.records, 0));
  const head = ["stream", "reason", "records", "loads", "last (UTC)"];
  const rows = groups.map(({ source, stream, reason, records, firstLoad, lastLoad, newestMs }) => [
    `${source}.${stream}`,
    reason,
    records,
    firstLoad === lastLoad ? String(firstLoad) : `${firstLoad} to ${lastLoad}`,
    shortTime(newestMs),
  ]);
  return {
    exitCode: EXIT.ok,
    summary,
    text: rows.length === 0 ? summary : `${formatTable(head, rows, terminal.colors)}\n\n${summary}`,
    json: {
      reasons: groups.map(({ firstLoad, lastLoad, newestMs, ...same }) => ({
        ...same,
        first_load: firstLoad,
        last_load: lastLoad,
        last_at: timeText(newestMs),
      })),
    },
  };
}

/** `run quarantine show` */
export async function runQuarantineShow(
  workspace: Workspace,
  { colors }: Terminal,
  { limit, ...call }: Call & { limit: number },
): Promise<Outcome> {
  const choice = await choiceOf(workspace, call);
  const { records, total } = await withWarehouse(workspace, "run quarantine show", (engine) =>
    refusedRecords(engine, choice, limit),
  );
  const isCut = records.length < total;
  const summary = isCut
    ? `${formatCount(records.length)} of ${inQuarantine(total)}; --limit shows more`
    : inQuarantine(total);
  const blocks = records.map((one) => {
    const key = one.key === null ? "" : `, key ${printable(one.key)}`;
    const place = `${one.source}.${one.stream}  load ${one.loadId}, page ${one.page}, record ${one.position}${key}`;
    return `  ${colors.bold(place)}  ${colors.dim(shortTime(one.quarantinedMs))}\n    ${printable(one.reason)}\n    ${excerpt(one.record)}`;
  });
  return {
    exitCode: EXIT.ok,
    summary,
    text: [...blocks, ...(blocks.length > 0 ? [""] : []), summary].join("\n"),
    json: { total, records: records.map(recordJson) },
  };
}

const SHOWN_CHARACTERS = 200;

function excerpt(record: string): string {
  const more = record.length - SHOWN_CHARACTERS;
  const end = more > 0 ? `… (${formatCount(more)} more characters)` : "";
  return `${printable(record.slice(0, SHOWN_CHARACTERS))}${end}`;
}

function recordJson({ loadId, quarantinedMs, ...same }: RefusedRecord): Record<string, unknown> {
  return { ...same, load_id: loadId, quarantined_at: timeText(quarantinedMs) };
}

/** `run quarantine replay` */
export async function runQuarantineReplay(
  workspace: Workspace,
  terminal: Terminal,
  { isDryRun, ...call }: Call & { isDryRun: boolean },
): Promise<Outcome> {
  const choice = await choiceOf(workspace, call);
  const found = await withWarehouse(workspace, "run quarantine replay", (engine) =>
    replayRefused(workspace.ctx, engine, { ...choice, isDryRun }),
  );
  const results = found.filter(({ records }) => records > 0);
  const sum = (value: (one: ReplayResult) => number) =>
    formatCount(results.reduce((total, one) => total + value(one), 0));
  const passed = sum((one) => one.records - one.stay);
  const summary =
    results.length === 0
      ? inQuarantine(0)
      : `${passed} ${isDryRun ? "would leave" : "left"} quarantine, ${sum(({ stay }) => stay)} ${isDryRun ? "would stay" : "stay"}`;
  const head = ["stream", "judged", "new", "changed", "unchanged", "duplicate", "stay", "load"];
  const rows = results.map(({ source, stream, records, counts, stay, loadId }) => [
    ...[`${source}.${stream}`, records, counts.new, counts.changed, counts.unchanged, counts.duplicate],
    stay,
    loadId === null ? "–" : String(loadId),
  ]);
  return {
    exitCode: EXIT.ok,
    summary,
    text: rows.length === 0 ? summary : `${formatTable(head, rows, terminal.colors)}\n\n${summary}`,
    json: { streams: results.map(replayJson) },
  };
}

function replayJson({ loadId, counts, ...same }: ReplayResult): Record<string, unknown> {
  const { new: fresh, changed, unchanged, duplicate } = counts;
  return { ...same, load_id: loadId, new: fresh, changed, unchanged, duplicate };
}

/** `run quarantine drop` */
export async function runQuarantineDrop(
  workspace: Workspace,
  terminal: Terminal,
  { isMeant, isDryRun, ...call }: Call & { isMeant: boolean; isDryRun: boolean },
): Promise<Outcome> {
  const choice = await choiceOf(workspace, call);
  const isFiltered = call.streams.length > 0 || Object.keys(choice.filter).length > 0;
  if (!isFiltered) throw dropEverything();
  if (!isMeant && !isDryRun) throw dropUnconfirmed(choice);
  const found = await withWarehouse(workspace, "run quarantine drop", (engine) =>
    dropRefused(workspace.ctx, engine, { ...choice, isDryRun }),
  );
  const results = found.filter(({ records }) => records > 0);
  const count = results.reduce((sum, { records }) => sum + records, 0);
  const summary =
    count === 0 ? inQuarantine(0) : `${plural(count, "record")} ${isDryRun ? "would be removed" : "removed"}`;
  const rows = results.map(({ source, stream, records }) => [`${source}.${stream}`, records]);
  const table = formatTable(["stream", isDryRun ? "to remove" : "removed"], rows, terminal.colors);
  return {
    exitCode: EXIT.ok,
    summary,
    text: count === 0 ? summary : `${table}\n\n${summary}`,
    json: { streams: results },
  };
}

const FILTERS = "--reason TEXT, --load ID or --key KEY";

function dropEverything(): ProjectError {
  return new ProjectError("QUARANTINE_DROP_USAGE", {
    message: "nothing says which records may go",
    where: "run quarantine drop",
    why: ["without a stream or a filter everything in quarantine would be lost"],
    hint: `name streams, or give ${FILTERS}; --dry-run says how many would go`,
    exitCode: EXIT.usage,
  });
}

function dropUnconfirmed({ streams }: QuarantineChoice): ProjectError {
  const names = streams.map(({ source, stream }) => `${source.name}.${stream.name}`).join(", ");
  return new ProjectError("QUARANTINE_DROP_UNCONFIRMED", {
    message: `that would remove records of ${names} from quarantine for good`,
    where: "run quarantine drop",
    why: ["what the service no longer sends cannot be had again"],
    hint: "add --yes when that is meant; --dry-run says how many would go",
    exitCode: EXIT.usage,
  });
}
