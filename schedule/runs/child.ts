import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, ftruncateSync, openSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { Environment } from "../../core/context.ts";
import { makeFolder } from "../../core/durable.ts";
import { messageOf } from "../../core/errors.ts";
import { isAlive, type ProcessIdentity, processesWith, processStart } from "../../core/processes.ts";
import { RUN_VARIABLES, TOKEN_VARIABLES } from "../../core/run-environment.ts";

export interface ChildSpec {
  /** The program, and what comes before the words of the command. */
  program: readonly string[];
  words: readonly string[];
  cwd: string;
  env: Environment;
  runId: string;
  step: string;
  logFile: string;
  logBytes: number;
  /** A line above its output. */
  head: string;
}

/** How a process ended. Exit code and signal are null when it could not be started. */
export interface ChildEnd {
  exitCode: number | null;
  signal: string | null;
  /** Why it could not be started. */
  problem?: string;
}

/** Starts a command in a process group of its own; what it prints goes to the log, also when the scheduler is gone. */
export function startChild(spec: ChildSpec, onEnd: (end: ChildEnd) => void): ProcessIdentity | undefined {
  const [program = "", ...before] = spec.program;
  let log: number | undefined;
  try {
    makeFolder(dirname(spec.logFile), { mode: 0o700 });
    log = openSync(spec.logFile, "a", 0o600);
    writeSync(log, `${spec.head}\n`);
    const child = spawn(program, [...before, ...spec.words], {
      cwd: spec.cwd,
      env: environmentOf(spec),
      stdio: ["ignore", log, log],
      detached: true,
    });
    return follow(child, onEnd);
  } catch (error) {
    onEnd({ exitCode: null, signal: null, problem: messageOf(error) });
    return undefined;
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

function follow(child: ChildProcess, onEnd: (end: ChildEnd) => void): ProcessIdentity | undefined {
  child.on("error", (error) => {
    if (child.pid === undefined) onEnd({ exitCode: null, signal: null, problem: messageOf(error) });
  });
  child.on("exit", (exitCode, signal) => onEnd({ exitCode, signal }));
  // It may outlive the scheduler, which does not wait for it.
  child.unref();
  return child.pid === undefined ? undefined : { pid: child.pid, start: processStart(child.pid) };
}

function environmentOf({ env, runId, step, logBytes }: ChildSpec): NodeJS.ProcessEnv {
  const { [TOKEN_VARIABLES.full]: _full, [TOKEN_VARIABLES.read]: _read, ...others } = env;
  const own = {
    NO_COLOR: "1",
    [RUN_VARIABLES.run]: runId,
    [RUN_VARIABLES.step]: step,
    [RUN_VARIABLES.logBytes]: String(logBytes),
  };
  return { ...others, ...own };
}

/** The process that a step of a run has started, when nobody wrote down which; null where there is none. */
export function findChild(runId: string, step: string): ProcessIdentity | null {
  const members = new Set(processesWith(RUN_VARIABLES.step, step).map(({ pid }) => pid));
  const [first] = processesWith(RUN_VARIABLES.run, runId)
    .filter(({ pid }) => members.has(pid))
    .sort((a, b) => Number(a.start) - Number(b.start));
  return first ?? null;
}

/** Sends a signal to a command and what it has started. */
export function signalTree({ pid, start }: ProcessIdentity, signal: NodeJS.Signals): void {
  for (const target of [-pid, pid]) {
    try {
      // Only a leader that lives tells for sure whose group this is.
      if (isAlive({ pid, start })) process.kill(target, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Ends whatever still lives of a run, also what left its process group. */
export function sweepRun(runId: string): void {
  for (const { pid } of processesWith(RUN_VARIABLES.run, runId)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

const CUT = "\n[the log was cut here: see log_mb in schedule.yml]\n";

/** Cuts a log that has grown beyond its limit, whoever still writes to it. */
export function capLog(file: string, maxBytes: number): void {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) <= maxBytes) return;
  const log = openSync(file, "r+");
  try {
    ftruncateSync(log, maxBytes - CUT.length);
    writeSync(log, CUT, maxBytes - CUT.length);
  } finally {
    closeSync(log);
  }
}
