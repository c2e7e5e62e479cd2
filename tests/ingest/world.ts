import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, type Context, createContext } from "../../core/context.ts";
import type { LogEntry } from "../../core/log.ts";
import type { SourceDefinition } from "../../core/sillon.ts";
import { openDuckdb } from "../../engines/duckdb.ts";
import type { Engine, Value } from "../../engines/engine.ts";
import { ingest } from "../../ingest/ingest.ts";
import type { LoadBounds } from "../../ingest/load-plan.ts";
import type { StreamProgress } from "../../ingest/progress.ts";
import type { Tape } from "../../ingest/recording/tape.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { source as moovitamix } from "../../ingest/sources/moovitamix.ts";
import type { StreamResult } from "../../ingest/stream-result.ts";

/** A warehouse in a temporary folder, loaded by a clock that passes over every wait. */
export interface World {
  ctx: Context;
  engine: Engine;
  source: SourceDefinition;
  log: LogEntry[];
  /** The waits of the clock in ms, in order. */
  sleeps: number[];
  /** Loads streams of the source, all of them when none is named. */
  load(options?: LoadOptions): Promise<StreamResult[]>;
  /** Loads one stream. */
  loadOne(stream: string, settings?: Settings): Promise<StreamResult>;
  rows(sql: string): Promise<Value[][]>;
  /** The texts in a `_latest` view, sorted. */
  texts(stream: string): Promise<string[]>;
  close(): void;
}

type Settings = Parameters<typeof ingestSettings.parse>[0];

interface LoadOptions {
  streams?: string[];
  onlyFailed?: boolean;
  settings?: Settings;
  bounds?: LoadBounds;
  tape?: Tape;
  progress?: StreamProgress[];
}

export interface WorldOptions {
  url: string;
  source?: SourceDefinition;
  env?: Record<string, string>;
  /** The line on standard input. */
  line?: string;
  signal?: AbortSignal;
  /** Of a world whose engine is closed: this one goes on with its warehouse. */
  projectDir?: string;
  /** Where DuckDB's extension for PostgreSQL is, so that the engine reads servers itself. */
  extensions?: string;
  /** Called at each wait, before it is over. */
  onSleep?: (ms: number) => void | Promise<void>;
}

export async function createWorld(options: WorldOptions): Promise<World> {
  const folder = options.projectDir ?? mkdtempSync(join(tmpdir(), "sillon-ingest-"));
  const [log, sleeps]: [LogEntry[], number[]] = [[], []];
  const ctx = createContext({
    projectDir: folder,
    env: { MOOVITAMIX_URL: options.url, ...options.env },
    readLine: () => options.line ?? "",
    sink: (entry) => log.push(entry),
    clock: leapingClock(sleeps, options.onSleep),
    random: () => 1,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const { extensions } = options;
  const engine = await openDuckdb(
    ctx,
    {
      type: "duckdb",
      path: "warehouse.duckdb",
      schema: "main",
      threads: 2,
      settings: extensions === undefined ? {} : { extension_directory: extensions },
    },
    undefined,
    { readsPostgres: extensions !== undefined },
  );
  const reader = await engine.openSession();
  const { source = moovitamix } = options;
  const load = async ({
    streams = [],
    settings = {},
    onlyFailed = false,
    bounds = {},
    tape,
    progress = [],
  }: LoadOptions = {}) =>
    ingest(ctx, engine, {
      sources: [source],
      streams,
      onlyFailed,
      settings: ingestSettings.parse(settings),
      bounds,
      tape,
      progress,
    });
  const rows = async (sql: string) => (await reader.query(sql)).rows;
  return {
    ctx,
    engine,
    source,
    log,
    sleeps,
    load,
    rows,
    loadOne: async (stream, settings = {}) => {
      const [result] = await load({ streams: [stream], settings });
      if (result === undefined) throw new Error(`no result for ${stream}`);
      return result;
    },
    texts: async (stream) => {
      const found = await rows(`select record from raw_moovitamix.${stream}_latest`);
      return found.map(([text]) => String(text)).sort();
    },
    close: () => {
      engine.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Starts at a fixed moment; a sleep is over at once and moves it on. */
function leapingClock(sleeps: number[], onSleep: WorldOptions["onSleep"] = () => {}): Clock {
  let now = Date.UTC(2026, 0, 15, 12);
  return {
    now: () => new Date(now),
    sleep: async (ms, signal) => {
      sleeps.push(ms);
      now += ms;
      await onSleep(ms);
      signal.throwIfAborted();
    },
  };
}
