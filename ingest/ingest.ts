import { setMaxListeners } from "node:events";
import type { Context } from "../core/context.ts";
import { EXIT, ProjectError, ProjectErrors, projectErrorsOf } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import type { Engine } from "../engines/engine.ts";
import { type BaseUrl, resolveBaseUrl } from "./http/base-url.ts";
import { createClient } from "./http/client.ts";
import { createHostGate, type HostGate } from "./http/host-gate.ts";
import { loadStream, type StreamJob } from "./load-stream.ts";
import { createSourceTables, rawTables } from "./raw/tables.ts";
import type { IngestSettings } from "./settings.ts";
import type { StreamResult } from "./stream-result.ts";

export interface IngestOptions {
  sources: readonly SourceDefinition[];
  /** `tracks` or `moovitamix.tracks`; all streams when left out or empty. */
  streams?: readonly string[];
  settings: IngestSettings;
}

/** Finds what is wrong with the call. Throws STREAM_UNKNOWN, BASE_URL_MISSING, BASE_URL_INVALID (exit 2). */
export function checkIngest(ctx: Context, options: IngestOptions): void {
  resolveBases(ctx, new Set(chooseStreams(options).map(({ source }) => source)));
}

/**
 * Loads streams into their raw tables, in the order of their definition. A stream that fails is a result and
 * does not stop the others. Throws STREAM_UNKNOWN, BASE_URL_MISSING, BASE_URL_INVALID (exit 2) before any request.
 */
export async function ingest(ctx: Context, engine: Engine, options: IngestOptions): Promise<StreamResult[]> {
  const chosen = chooseStreams(options);
  const bases = resolveBases(ctx, new Set(chosen.map(({ source }) => source)));
  // Every wait of every stream listens to it.
  const signal = AbortSignal.any([ctx.signal]);
  setMaxListeners(0, signal);
  const run: Context = { ...ctx, signal };
  const jobs = await prepareJobs(run, engine, { ...options, chosen, bases });
  return runBounded(jobs);
}

interface Choice {
  source: SourceDefinition;
  stream: StreamDefinition;
}

function chooseStreams({ sources, streams = [] }: IngestOptions): Choice[] {
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
  return streams.length === 0
    ? all
    : all.filter((one) => namesOf(one).some((name) => streams.includes(name)));
}

function resolveBases(ctx: Context, sources: Iterable<SourceDefinition>): Map<SourceDefinition, BaseUrl> {
  const bases = new Map<SourceDefinition, BaseUrl>();
  const errors: ProjectError[] = [];
  for (const source of sources) {
    try {
      bases.set(source, resolveBaseUrl(ctx, source));
    } catch (error) {
      const mistakes = projectErrorsOf(error);
      if (mistakes.length === 0) throw error;
      errors.push(...mistakes);
    }
  }
  if (errors.length > 0) throw errors.length === 1 ? errors[0] : new ProjectErrors(errors);
  return bases;
}

interface Plan {
  settings: IngestSettings;
  chosen: readonly Choice[];
  bases: ReadonlyMap<SourceDefinition, BaseUrl>;
}

async function prepareJobs(ctx: Context, engine: Engine, plan: Plan): Promise<StreamJob[]> {
  const { settings } = plan;
  const gates = new Map<string, HostGate>();
  const prepared = new Map<SourceDefinition, Pick<StreamJob, "base" | "client" | "tables">>();
  for (const [source, base] of plan.bases) {
    const gate = gates.get(base.url.origin) ?? createHostGate(ctx, settings.concurrency);
    gates.set(base.url.origin, gate);
    const tables = rawTables(engine, source.name);
    await createSourceTables(engine, tables);
    prepared.set(source, { base, client: createClient({ ctx, settings, gate, base }), tables });
  }
  const inTurn = createTurns();
  return plan.chosen.flatMap(({ source, stream }) => {
    const parts = prepared.get(source);
    return parts === undefined ? [] : [{ ctx, engine, settings, source, stream, inTurn, ...parts }];
  });
}

/** One load commits at a time: load ids follow each other, and the engine sees no two writers of one table. */
function createTurns(): StreamJob["inTurn"] {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined); // Its own caller hears of it.
    return mine;
  };
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
