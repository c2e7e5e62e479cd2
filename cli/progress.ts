import type { StreamProgress } from "../ingest/progress.ts";
import { formatCount, type Story, widthOf } from "./print.ts";
import type { Workspace } from "./workspace.ts";

/** How often it is told how far the streams have come. */
const INTERVALS_MS = { live: 100, events: 1000, lines: 10_000 };

/**
 * Tells how far streams have come until it is stopped: by bars on a terminal, as an event each second with `--json`
 * or `--log-format json`, elsewhere by a line every ten seconds.
 */
export function showProgress(
  { ctx, story }: Pick<Workspace, "ctx" | "story">,
  streams: readonly StreamProgress[],
): { stop(): void } {
  const { form } = story;
  if (form === "silent") return { stop: () => {} };
  const nowMs = () => ctx.clock.now().getTime();
  const tell = () => {
    if (form === "live") story.showLive(progressLines(streams, { ...placeOf(story), nowMs: nowMs() }));
    else for (const stream of loading(streams)) ctx.log.info(...progressEntry(stream, nowMs()));
  };
  const timer = setInterval(tell, INTERVALS_MS[form]);
  return {
    stop: () => {
      clearInterval(timer);
      story.clear();
    },
  };
}

function placeOf({ size, colors }: Story): Pick<Place, "columns" | "rows" | "dim"> {
  return { ...size(), dim: colors.dim };
}

export interface Place {
  columns: number;
  rows: number;
  nowMs: number;
  dim(text: string): string;
}

const loading = (streams: readonly StreamProgress[]) =>
  streams.filter(({ state }) => state === "loading" || state === "committing");

const BAR = { least: 8, most: 30 };
/** The most of a terminal's rows that the bars take. */
const ROWS_SHARE = 0.5;

/** A line for each stream under way; what does not fit is left out, the bar first. */
export function progressLines(streams: readonly StreamProgress[], place: Place): string[] {
  const under = loading(streams);
  const most = Math.max(1, Math.floor(place.rows * ROWS_SHARE));
  const shown = under.slice(0, most).map((stream) => partsOf(stream, place.nowMs));
  const width = place.columns - 1;
  const wide = (columns: readonly Column[]) =>
    columns.reduce((sum, column) => sum + Math.max(ROOM[column], widest(shown, column)) + GAP.length, 0);
  const isDrawn = shown.some(({ share }) => share !== null);
  const fits = ({ columns, hasBar }: Layout) =>
    (isDrawn || !hasBar) && wide(columns) + (hasBar ? BAR.least : -GAP.length) <= width;
  const { columns, hasBar } = LAYOUTS.find(fits) ?? { columns: ["name", "pages"], hasBar: false };
  const barWidth = hasBar ? Math.min(BAR.most, width - wide(columns)) : 0;
  const lines = shown.map((parts) => lineOf(parts, shown, { columns, barWidth, width }));
  const others = [
    ...(under.length > most ? [`${under.length - most} more under way`] : []),
    ...(streams.some(({ state }) => state === "waiting")
      ? [`${streams.filter(({ state }) => state === "waiting").length} waiting`]
      : []),
  ];
  return others.length === 0 || lines.length === 0
    ? lines
    : [...lines, place.dim(others.join(", ").slice(0, width))];
}

type Column = "name" | "pages" | "records" | "rate" | "notes";

const widest = (all: readonly Parts[], column: Column) =>
  Math.max(0, ...all.map((parts) => widthOf(parts[column])));

const GAP = "  ";
/** Room for what comes and goes, so that nothing jumps. */
const ROOM: Record<Column, number> = { name: 0, pages: 12, records: 15, rate: 8, notes: 15 };

interface Layout {
  columns: readonly Column[];
  hasBar: boolean;
}

/** From all to least; the first that fits is taken. */
const LAYOUTS: readonly Layout[] = [
  { columns: ["name", "pages", "records", "rate", "notes"], hasBar: true },
  { columns: ["name", "pages", "records", "notes"], hasBar: true },
  { columns: ["name", "pages", "records", "notes"], hasBar: false },
  { columns: ["name", "pages", "notes"], hasBar: true },
  { columns: ["name", "records", "notes"], hasBar: false },
  { columns: ["name", "records"], hasBar: false },
];

type Parts = Record<Column, string> & { share: number | null };

function partsOf(stream: StreamProgress, nowMs: number): Parts {
  const { page, pages, records } = stream;
  return {
    name: `${stream.source}.${stream.stream}`,
    pages: page === 0 ? "" : pagesText(page, pages),
    records: `${formatCount(records)} records`,
    rate: `${formatCount(rateOf(stream, nowMs))}/s`,
    notes: notesOf(stream, nowMs),
    share: pages === null || pages === 0 ? null : Math.min(1, page / pages),
  };
}

function pagesText(page: number, pages: number | null): string {
  return pages === null ? `page ${formatCount(page)}` : `page ${formatCount(page)}/${formatCount(pages)}`;
}

function rateOf({ records, startedMs }: StreamProgress, nowMs: number): number {
  return Math.round(records / Math.max(0.001, (nowMs - startedMs) / 1000));
}

function notesOf({ state, traffic: { retries, waits } }: StreamProgress, nowMs: number): string {
  const waitMs = (waits?.untilMs ?? 0) - nowMs;
  return [
    ...(retries > 0 ? [`${formatCount(retries)} ${retries === 1 ? "retry" : "retries"}`] : []),
    ...(waitMs > 0 ? [`waits ${Math.ceil(waitMs / 1000)} s`] : []),
    ...(state === "committing" ? ["commits"] : []),
  ].join(", ");
}

function lineOf(
  parts: Parts,
  all: readonly Parts[],
  { columns, barWidth, width }: { columns: readonly Column[]; barWidth: number; width: number },
): string {
  const cells = columns.map((column) => {
    const space = " ".repeat(Math.max(ROOM[column], widest(all, column)) - widthOf(parts[column]));
    return column === "name" || column === "notes" ? parts[column] + space : space + parts[column];
  });
  if (barWidth > 0) cells.splice(1, 0, barOf(parts.share, barWidth));
  return cells.join(GAP).trimEnd().slice(0, width);
}

/** Empty when it is not known how much there is. */
function barOf(share: number | null, width: number): string {
  if (share === null) return " ".repeat(width);
  const done = Math.round(share * width);
  return "█".repeat(done) + "░".repeat(width - done);
}

/** An event by its name, the line that says it, and its fields. */
function progressEntry(
  stream: StreamProgress,
  nowMs: number,
): [event: string, message: string, fields: Record<string, unknown>] {
  const { name, pages, records, rate, notes } = partsOf(stream, nowMs);
  const { waits, requests, retries, sizeBytes } = stream.traffic;
  const message = `${name}: ${[records, pages, rate, notes].filter((part) => part !== "").join(", ")}`;
  const fields = {
    source: stream.source,
    stream: stream.stream,
    state: stream.state,
    records: stream.records,
    records_per_second: rateOf(stream, nowMs),
    page: stream.page,
    pages: stream.pages,
    requests,
    retries,
    waits: waits?.count ?? 0,
    waited_seconds: (waits?.totalMs ?? 0) / 1000,
    waits_until: waits === undefined || waits.untilMs <= nowMs ? null : new Date(waits.untilMs).toISOString(),
    size_bytes: sizeBytes,
    seconds: (nowMs - stream.startedMs) / 1000,
  };
  return ["stream_progressed", message, fields];
}
