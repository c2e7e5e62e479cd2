import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../core/config.ts";
import type { Clock, Environment } from "../core/context.ts";
import { EXIT } from "../core/errors.ts";
import { readFirstLine } from "./standard-input.ts";

/** Where a program's text goes. */
export interface Output {
  isTty: boolean;
  /** Of the terminal, in characters. */
  size?: () => { columns: number; rows: number };
  write(text: string): void;
  /** Resolves when all that was written has been taken over, also when nobody reads any longer. */
  flush(): Promise<void>;
}

/** One start of the program. */
export interface Invocation {
  argv: readonly string[];
  cwd: string;
  env: Environment;
  /** The first line of standard input. */
  readLine: () => string;
  stdout: Output;
  stderr: Output;
  signal: AbortSignal;
  /** The system's when left out. */
  clock?: Clock;
  version: string;
  exitCode: number;
  /** Whether what went wrong is told after the answer, where it is seen. */
  holdsErrors?: boolean;
  /** Whether the command works until a signal, and has ended as it should. */
  isServed?: boolean;
}

/** The reason of an abort by Ctrl-C or by a supervisor. */
class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly exitCode: number;

  constructor(signal: "SIGINT" | "SIGTERM") {
    super(`stopped by ${signal}`);
    this.exitCode = signal === "SIGINT" ? 130 : 143;
  }
}

/** The signal that asked the program to stop, if one did. */
export function interruptionOf(signal: AbortSignal): Interrupted | undefined {
  return signal.aborted && signal.reason instanceof Interrupted ? signal.reason : undefined;
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

function outputTo(stream: NodeJS.WriteStream): Output {
  return {
    isTty: stream.isTTY,
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
    write: (text) => void stream.write(text),
    flush: () => new Promise((resolve) => stream.write("", () => resolve())),
  };
}

/** Runs `work`; the first signal asks it to stop, the second one ends the process at once. */
export async function interruptible(
  process: NodeJS.Process,
  argv: readonly string[],
  work: (invocation: Invocation) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const stop = (signal: "SIGINT" | "SIGTERM") => {
    const reason = new Interrupted(signal);
    if (controller.signal.aborted) process.exit(reason.exitCode);
    controller.abort(reason);
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  // Whoever reads may have seen enough, as with `| head`: the run goes on without being heard.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreClosedPipe);
  const invocation: Invocation = {
    argv,
    cwd: process.cwd(),
    env: process.env,
    readLine: readFirstLine,
    stdout: outputTo(process.stdout),
    stderr: outputTo(process.stderr),
    signal: controller.signal,
    version: packageVersion(),
    exitCode: EXIT.ok,
  };
  try {
    const exitCode = await work(invocation);
    if (invocation.isServed === true) return exitCode;
    return interruptionOf(controller.signal)?.exitCode ?? exitCode;
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
  }
}

export function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8"));
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "";
}
