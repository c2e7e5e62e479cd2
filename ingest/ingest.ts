import { setMaxListeners } from "node:events";
import type { Context } from "../core/context.ts";
import { EXIT, ProjectError, ProjectErrors, projectErrorsOf } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import type { Engine, Session } from "../engines/engine.ts";
import { codeDigest } from "./definition-digest.ts";
import { previewStream, type StreamPreview } from "./dry-run.ts";
import { openFileReader } from "./files/reader.ts";
import { createHostGate, type HostGate } from "./http/host-gate.ts";
import { checkBounds, type LoadBounds } from "./load-plan.ts";
import { loadStream } from "./load-stream.ts";
import { type StreamProgress, waitingProgress } from "./progress.ts";
import { wellLoadedStreams } from "./raw/last-loads.ts";
import { createSourceTables, rawTables } from "./raw/tables.ts";
import { noteLoads, recordInterrupted } from "./raw/unfinished.ts";
import { type Reader, streamName } from "./reader.ts";
import { withoutSecrets } from "./recording/player.ts";
import { checkReplay, tellUnrecorded } from "./recording/scope.ts";
import type { Tape } from "./recording/tape.ts";
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
  /** Of these, only those whose last load failed, and those that were never loaded. */
  onlyFailed?: boolean;
  settings: IngestSettings;
  bounds?: LoadBounds;
  /** Where the exchange with services is kept, or comes from. */
  tape?: Tape | undefined;
  /** Gets an entry for each stream, in the order of the results, before the first is begun. */
  progress?: StreamProgress[];
}

/** Finds what is wrong with the call. Throws STREAM_UNKNOWN, INGEST_BOUNDS, BASE_URL_*, SECRET* (exit 2). */
export function checkIngest(ctx: Context, options: IngestOptions): void {
  const { settings, tape } = options;
  // A recording begins with the load.
  openReaders(ctx, { chosen: chooseStreams(options), settings, tape: tape?.isReplay ? tape : undefined });
}

/**
 * Loads streams into their raw tables, in the order of their definition. A stream that fails is a result and
 * does not stop the others. Throws STREAM_UNKNOWN, BASE_URL_*, SECRET* and TOKEN_URL_INVALID (exit 2) before any request.
 */
export async function ingest(ctx: Context, engine: Engine, options: IngestOptions): Promise<StreamResult[]> {
  // Every wait of every stream listens to it.
  const signal = AbortSignal.any([ctx.signal]);
  setMaxListeners(0, signal);
  const { settings, bounds = {}, tape } = options;
  const run: Context = { ...(tape?.contextOf(ctx) ?? ctx), signal };
  const chosen = chooseStreams(options);
  if (tape?.isReplay === false) tellUnrecorded(ctx, new Set(chosen.map(({ source }) => source)));
  const readers = openReaders(run, { chosen, settings, tape });
  try {
    const { onlyFailed = false, progress = [] } = options;
    return await runBounded(
      await prepareJobs(run, engine, { settings, bounds, chosen, readers, onlyFailed, progress }),
    );
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
  const { settings, bounds = {}, onlyFailed = false, tape } = options;
  const chosen = chooseStreams(options);
  const readers = openReaders(ctx, { chosen, settings, tape });
  const previews: StreamPreview[] = [];
  try {
    for (const { source, stream } of chosen) {
      if (onlyFailed && engine !== null && (await wellLoadedStreams(engine, source.name)).has(stream.name))
        continue;
      const reader = readers.get(source);
      if (reader === undefined) throw new Error(`no reader for ${source.name}`);
      const [above] = ancestorsOf(source, stream);
      const parent = above && { name: above.name, isChosen: chosen.some((one) => one.stream === above) };
      previews.push(await previewStream({ ctx, engine, source, stream, reader, bounds, parent }));
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
  given: Context,
  { chosen, settings, tape }: { chosen: readonly Choice[]; settings: IngestSettings; tape: Tape | undefined },
): Readers {
  const ctx = tape?.contextOf(given) ?? given;
  const gates = new Map<string, HostGate>();
  const gateFor = ({ url }: { url: URL }) => {
    const gate = gates.get(url.origin) ?? createHostGate(ctx, settings);
    gates.set(url.origin, gate);
    return gate;
  };
  const readers = new Map<SourceDefinition, Reader>();
  const errors = stdinMistakes(chosen);
  for (const source of new Set(chosen.map((choice) => choice.source))) {
    try {
      readers.set(source, openReader(ctx, source, { settings, gateFor, tape }));
    } catch (error) {
      const mistakes = projectErrorsOf(error);
      if (mistakes.length === 0) throw error;
      errors.push(...mistakes);
    }
  }
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new ProjectErrors(errors);
  return readers;
}

/** Standard input holds one secret. */
function stdinMistakes(chosen: readonly Choice[]): ProjectError[] {
  const isOnStdin = (one: unknown) => typeof one === "object" && one !== null && "stdin" in one;
  const names = [...new Set(chosen.map(({ source }) => source))].flatMap((source) => {
    const { authentication = {} } = "authentication" in source ? source : {};
    return Object.values(authentication)
      .filter(isOnStdin)
      .map(() => source.name);
  });
  if (names.length < 2) return [];
  return [
    new ProjectError("SECRETS_ON_STDIN", {
      message: "standard input holds one secret, and more than one are to be read from it",
      where: `sources ${[...new Set(names)].join(", ")}`,
      hint: "leave { stdin: true } to one of them, and give the others as { env: NAME } or { file: PATH }",
      exitCode: EXIT.usage,
    }),
  ];
}

/** Throws what is wrong with the source (exit 2). */
export function openReader(
  ctx: Context,
  source: SourceDefinition,
  parts: {
    settings: IngestSettings;
    gateFor: (base: { url: URL }) => HostGate;
    tape?: Tape | undefined;
  },
): Reader {
  const isReplay = parts.tape?.isReplay === true;
  if (isReplay) checkReplay(source);
  switch (source.type) {
    case undefined:
    case "rest":
      return openRestReader(ctx, { source: isReplay ? withoutSecrets(source) : source, ...parts });
    case "files":
      return openFileReader(ctx, { source, ...parts });
    default:
      return source.type === "postgres"
        ? openPostgresReader(ctx, { source, settings: parts.settings })
        : openSqliteReader(ctx, { source });
  }
}

type PreparedJob = Omit<StreamJob, "parent"> & {
  parentStream: StreamDefinition | undefined;
  depth: number;
};

async function prepareJobs(
  ctx: Context,
  engine: Engine,
  {
    settings,
    bounds,
    chosen,
    readers,
    onlyFailed,
    progress,
  }: {
    settings: IngestSettings;
    bounds: LoadBounds;
    chosen: readonly Choice[];
    readers: Readers;
    onlyFailed: boolean;
    progress: StreamProgress[];
  },
): Promise<PreparedJob[]> {
  // One load commits at a time: load ids follow each other, and the engine sees no two writers of one table.
  const inTurn = createTurns();
  const prepared = new Map<string, ReadonlySet<string>>();
  const code = codeDigest(ctx.projectDir);
  const jobs: PreparedJob[] = [];
  for (const { source, stream } of chosen) {
    const reader = readers.get(source);
    if (reader === undefined) throw new Error(`no reader for ${source.name}`);
    const tables = rawTables(engine, source.name);
    if (!prepared.has(source.name)) {
      await createSourceTables(engine, tables);
      await withSession(engine, (session) => recordInterrupted({ engine, session, tables }, ctx.clock.now()));
      prepared.set(source.name, onlyFailed ? await wellLoadedStreams(engine, source.name) : new Set());
    }
    if (prepared.get(source.name)?.has(stream.name)) continue;
    const ancestors = ancestorsOf(source, stream);
    const shown = waitingProgress(source.name, stream.name);
    progress.push(shown);
    const parts = { ctx, engine, settings, source, stream, reader, tables, bounds, inTurn, code };
    jobs.push({ ...parts, progress: shown, parentStream: ancestors[0], depth: ancestors.length });
  }
  await noteJobs(ctx, engine, jobs);
  return jobs;
}

/** So that a load whose process ends is known for one that did not. */
async function noteJobs(ctx: Context, engine: Engine, jobs: readonly PreparedJob[]): Promise<void> {
  const startedAt = ctx.clock.now();
  await withSession(engine, async (session) => {
    for (const source of new Set(jobs.map((job) => job.source))) {
      const own = jobs.filter((job) => job.source === source);
      const loads = own.map(({ stream }) => ({
        stream: stream.name,
        mode: stream.mode ?? "full",
        startedAt,
      }));
      await noteLoads({ engine, session, tables: rawTables(engine, source.name) }, loads);
    }
  });
}

async function withSession(engine: Engine, work: (session: Session) => Promise<void>): Promise<void> {
  const session = await engine.openSession();
  try {
    await work(session);
  } finally {
    session.close();
  }
}

const STREAMS_AT_ONCE = 16;

/** Results are in the order of the jobs; parents are begun before their children, which wait for them. */
async function runBounded(jobs: readonly PreparedJob[]): Promise<StreamResult[]> {
  const results: StreamResult[] = [];
  const loading = new Map<StreamDefinition, Promise<StreamResult>>();
  const ordered = jobs.map((job, index) => ({ job, index })).sort((a, b) => a.job.depth - b.job.depth);
  const work = async () => {
    for (let next = ordered.shift(); next !== undefined; next = ordered.shift()) {
      const { job, index } = next;
      const { parentStream } = job;
      const parent = parentStream && { name: parentStream.name, loading: loading.get(parentStream) };
      const load = loadStream({ ...job, parent });
      loading.set(job.stream, load);
      results[index] = await load;
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: STREAMS_AT_ONCE }, work));
  for (const one of ended) if (one.status === "rejected") throw one.reason;
  return results;
}

/** The streams above a child stream, the nearest first. */
function ancestorsOf(source: SourceDefinition, stream: StreamDefinition): StreamDefinition[] {
  const streams: readonly (StreamDefinition & { parent?: string })[] = source.streams;
  const name = streams.find((one) => one === stream)?.parent;
  const parent = streams.find((one) => one.name === name);
  return parent === undefined ? [] : [parent, ...ancestorsOf(source, parent)];
}
