import { setMaxListeners } from "node:events";
import type { Context } from "../core/context.ts";
import { EXIT, ProjectError, ProjectErrors, projectErrorsOf } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import type { Engine } from "../engines/engine.ts";
import { previewStream, type StreamPreview } from "./dry-run.ts";
import { openFileReader } from "./files/reader.ts";
import { createHostGate, type HostGate } from "./http/host-gate.ts";
import { checkBounds, type LoadBounds } from "./load-plan.ts";
import { loadStream } from "./load-stream.ts";
import { createSourceTables, rawTables } from "./raw/tables.ts";
import { type Reader, streamName } from "./reader.ts";
import { openRestReader } from "./rest/reader.ts";
import type { IngestSettings } from "./settings.ts";
import { openPostgresReader } from "./sql/postgres/reader.ts";
import { openSqliteReader } from "./sql/sqlite/reader.ts";
import type { StreamJob } from "./stream-job.ts";
import type { StreamResult } from "./stream-result.ts";
import { createTurns } from "./turns.ts";

export interface IngestOptions {
  sources: readonly SourceDefinition[];
  /** `tracks` or `moovitamix.tracks`; all streams when left out or empty. */
  streams?: readonly string[];
  settings: IngestSettings;
  bounds?: LoadBounds;
}

/** Finds what is wrong with the call. Throws STREAM_UNKNOWN, INGEST_BOUNDS, BASE_URL_MISSING, BASE_URL_INVALID (exit 2). */
export function checkIngest(ctx: Context, options: IngestOptions): void {
  const chosen = chooseStreams(options);
  openReaders(ctx, { chosen, settings: options.settings });
}

/**
 * Loads streams into their raw tables, in the order of their definition. A stream that fails is a result and
 * does not stop the others. Throws STREAM_UNKNOWN, BASE_URL_MISSING, BASE_URL_INVALID (exit 2) before any request.
 */
export async function ingest(ctx: Context, engine: Engine, options: IngestOptions): Promise<StreamResult[]> {
  // Every wait of every stream listens to it.
  const signal = AbortSignal.any([ctx.signal]);
  setMaxListeners(0, signal);
  const run: Context = { ...ctx, signal };
  const { settings, bounds = {} } = options;
  const chosen = chooseStreams(options);
  const readers = openReaders(run, { chosen, settings });
  try {
    return await runBounded(await prepareJobs(run, engine, { settings, bounds, chosen, readers }));
  } finally {
    await Promise.all([...readers.values()].map((reader) => reader.close()));
  }
}

/** What `ingest` would load, from the first page of each stream; writes nothing. Throws as `ingest`. */
export async function previewIngest(
  ctx: Context,
  engine: Engine | null,
  options: IngestOptions,
): Promise<StreamPreview[]> {
  const { settings, bounds = {} } = options;
  const chosen = chooseStreams(options);
  const readers = openReaders(ctx, { chosen, settings });
  const previews: StreamPreview[] = [];
  try {
    for (const { source, stream } of chosen) {
      const reader = readers.get(source);
      if (reader === undefined) throw new Error(`no reader for ${source.name}`);
      previews.push(await previewStream({ ctx, engine, source, stream, reader, bounds }));
    }
    return previews;
  } finally {
    await Promise.all([...readers.values()].map((reader) => reader.close()));
  }
}

export interface Choice {
  source: SourceDefinition;
  stream: StreamDefinition;
}

/** The streams that a command names, or all. Throws STREAM_UNKNOWN, INGEST_BOUNDS (exit 2). */
export function chooseStreams({
  sources,
  streams = [],
  bounds = {},
}: Omit<IngestOptions, "settings">): Choice[] {
  const all = sources.flatMap((source) => source.streams.map((stream) => ({ source, stream })));
  const namesOf = ({ source, stream }: Choice) => [stream.name, `${source.name}.${stream.name}`];
  const known = all.flatMap(namesOf);
  const errors = streams
    .filter((name) => !known.includes(name))
    .map(
      (name) =>
        new ProjectError("STREAM_UNKNOWN", {
          message: `unknown stream "${name}"`,
          where: "run ingest",
          why: [...nearestLine(name, known), `streams: ${all.map((one) => namesOf(one)[1]).join(", ")}`],
          hint: "correct the name, or leave it out to load every stream",
          exitCode: EXIT.usage,
        }),
    );
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new ProjectErrors(errors);
  const isNamed = (one: Choice) =>
    streams.length === 0 || namesOf(one).some((name) => streams.includes(name));
  const chosen = all.filter(isNamed);
  checkBounds(
    chosen.map((choice) => ({ name: streamName(choice), stream: choice.stream })),
    bounds,
  );
  return chosen;
}

type Readers = ReadonlyMap<SourceDefinition, Reader>;

/** One for each source; sources of one host share its gate. */
function openReaders(
  ctx: Context,
  { chosen, settings }: { chosen: readonly Choice[]; settings: IngestSettings },
): Readers {
  const gates = new Map<string, HostGate>();
  const gateFor = ({ url }: { url: URL }) => {
    const gate = gates.get(url.origin) ?? createHostGate(ctx, settings.concurrency);
    gates.set(url.origin, gate);
    return gate;
  };
  const readers = new Map<SourceDefinition, Reader>();
  const errors: ProjectError[] = [];
  for (const source of new Set(chosen.map((choice) => choice.source))) {
    try {
      readers.set(source, openReader(ctx, source, { settings, gateFor }));
    } catch (error) {
      const mistakes = projectErrorsOf(error);
      if (mistakes.length === 0) throw error;
      errors.push(...mistakes);
    }
  }
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new ProjectErrors(errors);
  return readers;
}

/** Throws what is wrong with the source's address (exit 2). */
export function openReader(
  ctx: Context,
  source: SourceDefinition,
  parts: { settings: IngestSettings; gateFor: (base: { url: URL }) => HostGate },
): Reader {
  switch (source.type) {
    case undefined:
    case "rest":
      return openRestReader(ctx, { source, ...parts });
    case "files":
      return openFileReader(ctx, { source, ...parts });
    default:
      return source.type === "postgres"
        ? openPostgresReader(ctx, { source, settings: parts.settings })
        : openSqliteReader(ctx, { source });
  }
}

async function prepareJobs(
  ctx: Context,
  engine: Engine,
  {
    settings,
    bounds,
    chosen,
    readers,
  }: { settings: IngestSettings; bounds: LoadBounds; chosen: readonly Choice[]; readers: Readers },
): Promise<StreamJob[]> {
  // One load commits at a time: load ids follow each other, and the engine sees no two writers of one table.
  const inTurn = createTurns();
  const prepared = new Set<string>();
  const jobs: StreamJob[] = [];
  for (const { source, stream } of chosen) {
    const reader = readers.get(source);
    if (reader === undefined) throw new Error(`no reader for ${source.name}`);
    const tables = rawTables(engine, source.name);
    if (!prepared.has(source.name)) await createSourceTables(engine, tables);
    prepared.add(source.name);
    jobs.push({ ctx, engine, settings, source, stream, reader, tables, bounds, inTurn });
  }
  return jobs;
}

const STREAMS_AT_ONCE = 16;

async function runBounded(jobs: readonly StreamJob[]): Promise<StreamResult[]> {
  const results: StreamResult[] = [];
  let next = 0;
  const work = async () => {
    for (let index = next++; index < jobs.length; index = next++) {
      const job = jobs[index];
      if (job !== undefined) results[index] = await loadStream(job);
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: STREAMS_AT_ONCE }, work));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  return results;
}
