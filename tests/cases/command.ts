import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Ended {
  /** As a shell shows it: 128 and the signal's number when a signal ended the process. */
  exitCode: number;
  stdout: string;
  stderr: string;
  seconds: number;
}

export interface Started {
  ended: Promise<Ended>;
  /** To the whole process group. */
  signal(name: NodeJS.Signals): void;
  isRunning(): boolean;
  pid: number | undefined;
  /** The process's arguments as other programs see them; empty where the system does not tell. */
  cmdline(): string;
}

export interface CommandOptions {
  cwd: string;
  env?: Record<string, string>;
  /** `name:nth:kill|error|stall`. */
  fault?: string;
  /** What it reads on standard input. */
  input?: string;
}

const SIGNALS: Record<string, number> = { SIGINT: 130, SIGTERM: 143, SIGKILL: 137 };

/** Starts the compiled command line in a process group of its own. */
export function startCommand(
  args: readonly string[],
  { cwd, env = {}, fault, input }: CommandOptions,
): Started {
  const startedAt = performance.now();
  const { PATH = "", HOME = "", TMPDIR = tmpdir() } = process.env;
  const condition = fault === undefined ? [] : ["--conditions=sillon-faults"];
  const child = spawn(process.execPath, [...condition, MAIN, ...args], {
    cwd,
    env: { PATH, HOME, TMPDIR, ...(fault === undefined ? {} : { RUN_FAULT: fault }), ...env },
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    detached: true,
  });
  // A command that reads nothing may have ended before.
  child.stdin?.on("error", () => {}).end(input);
  return {
    pid: child.pid,
    ended: ended(child, startedAt),
    signal: (name) => sendSignal(child, name),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    cmdline: () => {
      const file = `/proc/${child.pid}/cmdline`;
      return existsSync(file) ? readFileSync(file, "utf8") : "";
    },
  };
}

function ended(child: ChildProcess, startedAt: number): Promise<Ended> {
  const output = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) =>
      resolve({
        exitCode: code ?? SIGNALS[signal ?? ""] ?? -1,
        ...output,
        seconds: (performance.now() - startedAt) / 1000,
      }),
    );
  });
}

function sendSignal({ pid, exitCode, signalCode }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

/** Runs the compiled command line to its end. */
export function runCommand(args: readonly string[], options: CommandOptions): Promise<Ended> {
  return startCommand(args, options).ended;
}

/** Does `work` with each of `items`, two at a time: a command mostly uses one core. Results keep their order. */
export async function inPairs<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = [...items.entries()];
  const worker = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      results[next[0]] = await work(next[1]);
  };
  await Promise.all([worker(), worker()]);
  return results;
}
