import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { createLog, type Log, type LogEntry, type LogSink } from "./log.ts";
import { createSecrets, maskDocument, type Secrets } from "./secrets.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Clock {
  now(): Date;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** What a command carries through every step: nothing of ours reads the world outside it. */
export interface Context {
  /** Absolute path of the project folder. */
  projectDir: string;
  env: Environment;
  /** What was given on standard input: its first line, read when it is first asked for. */
  stdinLine: () => string;
  clock: Clock;
  /** Uniform in [0, 1): jitter only, never data. */
  random: () => number;
  log: Log;
  secrets: Secrets;
  /** Aborted by the first Ctrl-C; every wait and every query ends on it. */
  signal: AbortSignal;
  invocationId: string;
  startedAt: Date;
}

/** The values of environment variables with dbt's prefix for secrets are never shown. */
const SECRET_PREFIX = "DBT_ENV_SECRET";

export const systemClock: Clock = {
  now: () => new Date(),
  sleep: (ms, signal) => delay(ms, undefined, { signal }),
};

export interface ContextOptions {
  projectDir: string;
  env: Environment;
  sink: LogSink;
  /** Reads the first line of standard input; there is none when left out. */
  readLine?: () => string;
  signal?: AbortSignal;
  clock?: Clock;
  random?: () => number;
}

export function createContext(options: ContextOptions): Context {
  const secrets = createSecrets();
  for (const [name, value] of Object.entries(options.env))
    if (name.startsWith(SECRET_PREFIX)) secrets.add(value ?? "");
  let line: string | undefined;
  const clock = options.clock ?? systemClock;
  const invocationId = randomUUID();
  const sink: LogSink = (entry) =>
    options.sink({
      ...entry,
      message: secrets.mask(entry.message),
      fields: maskDocument(secrets, entry.fields) as LogEntry["fields"], // its shape stays
      invocationId,
    });
  return {
    projectDir: options.projectDir,
    env: options.env,
    stdinLine: () => {
      line ??= options.readLine?.() ?? "";
      return line;
    },
    clock,
    random: options.random ?? Math.random,
    log: createLog(sink),
    secrets,
    signal: options.signal ?? new AbortController().signal,
    invocationId,
    startedAt: clock.now(),
  };
}
