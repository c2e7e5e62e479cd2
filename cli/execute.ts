import { faultPoint } from "#faults";
import type { Environment } from "../core/context.ts";
import {
  describeError,
  EXIT,
  type ExitCode,
  messageOf,
  type ProjectError,
  projectErrorsOf,
} from "../core/errors.ts";
import { RUN_VARIABLES } from "../core/run-environment.ts";
import { createSecrets, maskDocument, type Secrets } from "../core/secrets.ts";
import type { CommandStatus } from "../state/runs.ts";
import { type Invocation, interruptionOf } from "./invocation.ts";
import { errorJson } from "./json.ts";
import { planLineage, type ToldRun } from "./lineage-run.ts";
import { warnOfNode } from "./node-line.ts";
import type { Outcome } from "./outcome.ts";
import type { EndedRun } from "./run-metrics.ts";
import { nodesOf } from "./run-nodes.ts";
import { createTerminal, type Terminal } from "./terminal.ts";
import { type CommonOptions, openWorkspace, ownerOf, patienceOf, type Workspace } from "./workspace.ts";

export interface CommandSpec {
  name: string;
  options: CommonOptions;
  /** Whether `run history` shows it. */
  isRecorded: boolean;
  work: (workspace: Workspace, terminal: Terminal) => Promise<Outcome>;
}

/** Runs a command on its project: prints what it answers or what went wrong, and remembers it. */
export async function executeCommand(invocation: Invocation, spec: CommandSpec): Promise<void> {
  const terminal = terminalOf(invocation, spec.options);
  let workspace: Workspace | undefined;
  try {
    workspace = openWorkspace(terminal, spec.options);
    warnOfNode(workspace.ctx, terminal);
    const strict = { ...spec, work: withWarnings(spec.work) };
    // What a job's step runs is a part of the job's history, whatever it is.
    const outcome =
      spec.isRecorded || workspace.ctx.env[RUN_VARIABLES.run] !== undefined
        ? await recorded(workspace, terminal, strict)
        : await strict.work(workspace, terminal);
    terminal.story.clear();
    answer(terminal, spec, outcome, workspace);
    terminal.story.release();
    invocation.exitCode = outcome.exitCode;
    invocation.isServed = outcome.isServed ?? false;
  } catch (error) {
    terminal.story.clear();
    terminal.story.release();
    invocation.exitCode = reportFailure(terminal, spec, {
      error,
      secrets: workspace?.ctx.secrets ?? createSecrets(),
      invocationId: workspace?.ctx.invocationId,
    });
  }
}

/** Runs a command that answers like the others but opens no project, or finds out whether it can. */
export async function executeOutside(
  invocation: Invocation,
  spec: Pick<CommandSpec, "name" | "options"> & { work: (terminal: Terminal) => Promise<Outcome> },
): Promise<void> {
  const terminal = terminalOf(invocation, spec.options);
  const secrets = createSecrets();
  try {
    const { exitCode, summary, text, json } = await spec.work(terminal);
    terminal.story.clear();
    if (spec.options.json)
      writeDocument(terminal, secrets, { command: spec.name, exit_code: exitCode, summary, ...json });
    else if (text !== "") terminal.stdout.write(`${text}\n`);
    invocation.exitCode = exitCode;
  } catch (error) {
    invocation.exitCode = reportFailure(terminal, spec, { error, secrets });
  }
}

/** Runs a command that needs no project. */
export async function executeBare(
  invocation: Invocation,
  work: (terminal: Terminal) => Promise<ExitCode>,
): Promise<void> {
  const terminal = terminalOf(invocation, {});
  try {
    invocation.exitCode = await work(terminal);
  } catch (error) {
    invocation.exitCode = reportFailure(
      terminal,
      { name: "api", options: {} },
      { error, secrets: createSecrets() },
    );
  }
}

/** The outputs as the options of a command ask for them. */
export function terminalOf(invocation: Invocation, options: CommonOptions): Terminal {
  const { cwd, env, readLine, stdout, stderr, signal, argv, clock } = invocation;
  const isQuiet = options.quiet ?? false;
  return createTerminal({
    cwd,
    env,
    readLine,
    stdout,
    stderr,
    signal,
    clock,
    invocation: argv.join(" "),
    isQuiet,
    isDebug: options.debug ?? false,
    logFormat: options.logFormat ?? "text",
    holdsErrors: invocation.holdsErrors ?? false,
  });
}

function answer(terminal: Terminal, spec: CommandSpec, outcome: Outcome, { ctx }: Workspace): void {
  const stopped = outcome.isServed === true ? undefined : interruptionOf(terminal.signal);
  const exitCode = stopped?.exitCode ?? outcome.exitCode;
  if (!spec.options.json) {
    if (outcome.text !== "") terminal.stdout.write(`${ctx.secrets.mask(outcome.text)}\n`);
  } else {
    const head = { invocation_id: ctx.invocationId, exit_code: exitCode, summary: outcome.summary };
    writeDocument(terminal, ctx.secrets, { command: spec.name, ...head, ...outcome.json });
  }
}

function writeDocument(terminal: Terminal, secrets: Secrets, document: Record<string, unknown>): void {
  terminal.stdout.write(`${JSON.stringify(maskDocument(secrets, document), undefined, 2)}\n`);
}

/** Prints the mistakes, or the stack of a bug, and returns the exit code that fits. */
export function reportFailure(
  terminal: Terminal,
  spec: Pick<CommandSpec, "name" | "options">,
  {
    error,
    secrets = createSecrets(),
    invocationId,
  }: { error: unknown; secrets?: Secrets; invocationId?: string | undefined },
): ExitCode | number {
  const stopped = interruptionOf(terminal.signal);
  const mistakes = stopped === undefined ? projectErrorsOf(error) : [];
  const exitCode = stopped?.exitCode ?? exitCodeOf(mistakes);
  const say = (event: string, text: string, fields: Record<string, unknown> = {}) =>
    terminal.story.write({
      level: "error",
      event,
      message: secrets.mask(text),
      fields: maskDocument(secrets, fields) as Record<string, unknown>, // its shape stays
      ...(invocationId === undefined ? {} : { invocationId }),
    });
  for (const mistake of mistakes) say(mistake.code, describeError(mistake), errorJson(mistake));
  if (stopped !== undefined)
    say("INTERRUPTED", `${stopped.message}: finished tables are whole, the rest is as it was`);
  else if (mistakes.length === 0) say("INTERNAL", describeBug(error));
  else if (spec.options.debug && error instanceof Error) say("STACK", error.stack ?? "");
  if (spec.options.json) {
    const code = stopped === undefined ? "INTERNAL" : "INTERRUPTED";
    const errors =
      mistakes.length > 0
        ? mistakes.map(errorJson)
        : [{ code, message: stopped?.message ?? messageOf(error) }];
    writeDocument(terminal, secrets, { command: spec.name, exit_code: exitCode, errors });
  }
  return exitCode;
}

/** The exit code that asks most of whoever watches. */
function exitCodeOf(mistakes: readonly ProjectError[]): number {
  return mistakes.length === 0 ? EXIT.failed : Math.max(...mistakes.map(({ exitCode }) => exitCode));
}

function describeBug(error: unknown): string {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `this is a mistake in sillon, not in your project; please report it with these lines:\n${detail}`;
}

/** The work of a command, failed when one of its warnings is an error. */
function withWarnings(work: CommandSpec["work"]): CommandSpec["work"] {
  return async (workspace, terminal) => {
    const outcome = await work(workspace, terminal);
    const hasFailed = outcome.exitCode === EXIT.ok && workspace.warnings.raised.length > 0;
    return hasFailed ? { ...outcome, exitCode: EXIT.failed } : outcome;
  };
}

/** Runs the command as an entry of the history. */
export async function recorded(given: Workspace, terminal: Terminal, spec: CommandSpec): Promise<Outcome> {
  const lineage = await planLineage(given, spec.name);
  const workspace = lineage === null ? given : { ...given, lineage: lineage.notes };
  const { ctx, folders, invocation, runLog } = workspace;
  // Commands that keep no history do without the store.
  const [
    { openState },
    { startRun, endRun, keepNodes },
    { keepFailures },
    { logFile, pruneDaily },
    reserve,
    { monitorRun },
  ] = await Promise.all([
    import("../state/database.ts"),
    import("../state/runs.ts"),
    import("../state/failures.ts"),
    import("../state/retention.ts"),
    import("../state/reserve.ts"),
    import("./monitor-run.ts"),
  ]);
  const state = openState(folders.stateFile, ownerOf(workspace), patienceOf(ctx, WRITING_MS));
  let told: ToldRun | undefined;
  reserve.keepReserve(folders.stateFile);
  const keep = (write: () => Promise<void>) => reserve.withReserve(folders.stateFile, write);
  const end = async (
    ended: Pick<EndedRun, "outcome" | "error">,
    [status, exitCode, summary]: [CommandStatus, number, string],
  ) => {
    const usage = ownUsage();
    noteInLog(workspace, "run_ended", `${status}: ${ctx.secrets.mask(summary)}`, {
      status,
      exit_code: exitCode,
    });
    await keep(() => endRun(ctx, state, { status, exitCode, summary, usage }));
    await monitorRun(workspace, state, { ...ended, command: spec.name, status, usage, summary });
    await told?.end({ ...ended, status, summary });
  };
  try {
    await pruneDaily(state, folders.logs, ctx.startedAt);
    await startRun(ctx, state, { command: spec.name, invocation, parent: parentOf(ctx.env) });
    runLog.open(logFile(folders.logs, ctx.invocationId), {
      runId: ctx.invocationId,
      step: parentOf(ctx.env)?.step ?? null,
    });
    noteInLog(workspace, "run_started", `run ${ctx.secrets.mask(invocation)}`);
    told = await lineage?.begin(state);
    const outcome = await spec.work(workspace, terminal);
    await keep(() => keepFailures(ctx, state, outcome.failures ?? []));
    await keep(() => keepNodes(ctx, state, nodesOf(outcome)));
    await faultPoint("run.end");
    const stopped = interruptionOf(ctx.signal);
    if (stopped !== undefined)
      await end({ outcome }, ["interrupted", stopped.exitCode, `${stopped.message}; ${outcome.summary}`]);
    else
      await end({ outcome }, [
        outcome.exitCode === EXIT.ok ? "success" : "failed",
        outcome.exitCode,
        outcome.summary,
      ]);
    return outcome;
  } catch (error) {
    const stopped = interruptionOf(ctx.signal);
    const message = messageOf(error);
    runLog.sink({
      level: "error",
      event: "run_failed",
      message: ctx.secrets.mask(message),
      fields: {},
      invocationId: ctx.invocationId,
    });
    if (stopped !== undefined)
      await end({ outcome: undefined, error }, ["interrupted", stopped.exitCode, stopped.message]);
    else await end({ outcome: undefined, error }, ["failed", exitCodeOf(projectErrorsOf(error)), message]);
    throw error;
  } finally {
    runLog.close();
    await state.destroy();
  }
}

/** What a command has done by then took longer. */
const WRITING_MS = 60_000;

/** Says in the run's log alone what a terminal shows by itself. */
function noteInLog(
  { runLog, ctx }: Workspace,
  event: string,
  message: string,
  fields: Record<string, unknown> = {},
): void {
  runLog.sink({ level: "info", event, message, fields, invocationId: ctx.invocationId });
}

/** The step of a job that this command is, when the scheduler started it. */
function parentOf(env: Environment): { id: string; step: string | null } | undefined {
  const id = env[RUN_VARIABLES.run];
  return id === undefined ? undefined : { id, step: env[RUN_VARIABLES.step] ?? null };
}

function ownUsage(): { cpuSeconds: number; peakMemoryBytes: number } {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return { cpuSeconds: (userCPUTime + systemCPUTime) / 1_000_000, peakMemoryBytes: maxRSS * 1024 };
}
