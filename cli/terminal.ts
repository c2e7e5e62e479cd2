import { type Clock, type Environment, systemClock } from "../core/context.ts";
import type { Output } from "./invocation.ts";
import type { LogFormat } from "./log-json.ts";
import { type Colors, colorsFor, createStory, type Story } from "./print.ts";

/** What a command sees of the process that it runs in. */
export interface Terminal {
  cwd: string;
  env: Environment;
  /** The first line of standard input. */
  readLine: () => string;
  /** The command as typed, without the program's name. */
  invocation: string;
  /** Answers. */
  stdout: Output;
  /** The story. */
  stderr: Output;
  colors: Colors;
  story: Story;
  signal: AbortSignal;
  clock: Clock;
}

export interface TerminalOptions {
  cwd: string;
  env: Environment;
  readLine: () => string;
  invocation: string;
  stdout: Output;
  stderr: Output;
  signal: AbortSignal;
  /** The system's when left out. */
  clock?: Clock | undefined;
  isQuiet: boolean;
  isDebug: boolean;
  logFormat: LogFormat;
  /** Whether errors are told after the answer. */
  holdsErrors: boolean;
}

export function createTerminal(options: TerminalOptions): Terminal {
  const { cwd, env, readLine, invocation, stdout, stderr, signal, clock = systemClock } = options;
  const { isQuiet, isDebug, logFormat, holdsErrors } = options;
  return {
    cwd,
    env,
    readLine,
    invocation,
    stdout,
    stderr,
    signal,
    clock,
    colors: colorsFor(stdout, env),
    story: createStory(stderr, {
      colors: colorsFor(stderr, env),
      isQuiet,
      isDebug,
      format: logFormat,
      isDumb: env.TERM === "dumb",
      holdsErrors,
    }),
  };
}
