import { EXIT, ProjectError } from "../../core/errors.ts";
import {
  openState,
  type RunNodeRow,
  type RunRow,
  type StateDatabase,
  type StepRow,
} from "../../state/database.ts";
import { listFailures, type TestFailure } from "../../state/failures.ts";
import { runJson, stepJson } from "../../state/run-json.ts";
import type { RunStatus } from "../../state/run-statuses.ts";
import { closeCrashedRuns, findRuns, listRuns, partsOf } from "../../state/runs.ts";
import { toCell } from "../answers.ts";
import { rowJson } from "../json.ts";
import { logTail } from "../log-files.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatSeconds, formatTable, plural } from "../print.ts";
import { sinceTime } from "../since.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";

/** `run history show ID`: one run, its steps and nodes, and the rows that broke its data tests. */
export async function runHistoryOf(workspace: Workspace, terminal: Terminal, id: string): Promise<Outcome> {
  const { colors } = terminal;
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    await closeCrashedRuns(state, { logs: workspace.folders.logs, now: workspace.ctx.clock.now() });
    const run = await oneRun(state, id, "run history ID");
    const { steps, commands, nodes } = await partsOf(state, run.id);
    const failures: TestFailure[] = [];
    for (const one of [run, ...commands]) failures.push(...(await listFailures(state, one.id)));
    const bad = nodes.filter(({ status }) => !GOOD.includes(status));
    const tail = run.status === "success" || run.job === null ? [] : logTail(workspace.folders.logs, run.id);
    return {
      exitCode: EXIT.ok,
      summary: run.summary ?? run.status,
      text: [
        formatRuns([run], colors),
        ...(run.reason === null ? [] : [`${colors.bold("Why")}: ${run.reason}`]),
        ...(steps.length === 0 ? [] : [formatSteps(steps, colors)]),
        ...(nodes.length === 0 ? [] : [formatNodes(nodes, bad, colors)]),
        ...failures.map((failure) => formatFailure(failure, colors)),
        ...(tail.length === 0
          ? []
          : [
              `${colors.bold("Last lines")} (run logs ${run.id.slice(0, 8)})\n${tail.map((line) => `  ${line}`).join("\n")}`,
            ]),
      ].join("\n\n"),
      json: {
        run: { ...runJson(run), seconds: secondsOf(run) },
        steps: steps.map(stepJson),
        commands: commands.map((one) => ({ ...runJson(one), seconds: secondsOf(one) })),
        nodes,
        tests: failures.map(({ test, name, status, failures, columns, rows }) => ({
          unique_id: test,
          name,
          status,
          failures,
          failing_rows: rows.map((row) => rowJson({ columns, types: [] }, row)),
        })),
        log_tail: tail,
      },
    };
  } finally {
    await state.destroy();
  }
}

const BAD = ["failed", "crashed", "timed_out", "failed_to_start", "error", "fail"];
const GOOD = ["ok", "success", "pass", "reused"];

/** The one run whose id begins so. Throws RUN_UNKNOWN (exit 2). */
export async function oneRun(state: StateDatabase, id: string, where: string): Promise<RunRow> {
  const [run, ...others] = await findRuns(state, id);
  if (run !== undefined && others.length === 0) return run;
  throw new ProjectError("RUN_UNKNOWN", {
    message: others.length > 0 ? `several runs begin with "${id}"` : `no run begins with "${id}"`,
    where,
    hint: others.length > 0 ? "give more of the id" : "run history lists the ids",
    exitCode: EXIT.usage,
  });
}

function formatSteps(steps: readonly StepRow[], colors: Colors): string {
  const rows = steps.map((step) => {
    const seconds = secondsOf(step);
    return [
      step.attempt > 1 ? `${step.name} (attempt ${step.attempt})` : step.name,
      painted(step.status, colors),
      seconds === null ? "–" : formatSeconds(seconds),
      step.cpu_seconds === null ? "–" : formatSeconds(step.cpu_seconds),
      step.peak_memory_bytes === null ? "–" : `${Math.round(step.peak_memory_bytes / 1_048_576)} MB`,
      step.signal ?? (step.exit_code === null ? "–" : String(step.exit_code)),
      step.reason ?? "",
    ];
  });
  return formatTable(["step", "status", "time", "CPU", "memory", "exit", "why"], rows, colors);
}

function formatNodes(nodes: readonly RunNodeRow[], bad: readonly RunNodeRow[], colors: Colors): string {
  const kinds = [...new Set(nodes.map(({ kind }) => kind))];
  const counts = kinds.map((kind) =>
    plural(nodes.filter((node) => node.kind === kind).length, kind.replace("_", " ")),
  );
  const head = `${colors.bold("Nodes")}: ${counts.join(", ")}${bad.length === 0 ? "" : `; not good: ${bad.length}`}`;
  const rows = bad
    .filter(({ status }) => status !== "skipped")
    .map(({ node, status, message }) => [node, painted(status, colors), message?.split("\n")[0] ?? ""]);
  const table = rows.length === 0 ? [] : [formatTable(["node", "status", "why"], rows, colors)];
  return [head, ...table, ...formatSkipped(bad)].join("\n");
}

const MAX_NAMED = 5;

/** What was left out, by reason: often a hundred nodes because of one. */
function formatSkipped(bad: readonly RunNodeRow[]): string[] {
  const skipped = bad
    .filter(({ status }) => status === "skipped")
    .map(({ message, ...node }) => ({ ...node, reason: message?.split("\n")[0] ?? "" }));
  return [...new Set(skipped.map(({ reason }) => reason))].map((reason) => {
    const nodes = skipped.filter((node) => node.reason === reason);
    const kinds = [...new Set(nodes.map(({ kind }) => kind))].map((kind) => {
      const names = nodes.filter((node) => node.kind === kind).map(({ node }) => node.split(".")[2] ?? node);
      const count = plural(names.length, kind.replace("_", " "));
      if (kind.endsWith("test")) return count;
      return `${count} (${names.slice(0, MAX_NAMED).join(", ")}${names.length > MAX_NAMED ? ", …" : ""})`;
    });
    return `  skipped${reason === "" ? "" : ` because ${reason}`}: ${kinds.join("; ")}`;
  });
}

const FAILURE_WORDS = { fail: "FAILED", warn: "warning" } as const;

function formatFailure({ name, status, failures, columns, rows }: TestFailure, colors: Colors): string {
  const paint = status === "fail" ? colors.red : colors.yellow;
  const head = `${paint(FAILURE_WORDS[status])}  ${name} (${plural(failures, "row")})`;
  if (rows.length === 0) return head;
  const cells = rows.map((row) => row.map(toCell));
  return `${head}\n${formatTable(columns, cells, colors)}`;
}

export interface HistoryFilter {
  limit: number;
  job?: string;
  status?: RunStatus;
  since?: string;
}

/** `run history`: the commands and jobs that ran here and what became of them, the newest first. */
export async function runHistory(
  workspace: Workspace,
  terminal: Terminal,
  filter: HistoryFilter,
): Promise<Outcome> {
  const since = filter.since === undefined ? undefined : sinceTime(filter.since, workspace.ctx.clock.now());
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    await closeCrashedRuns(state, { logs: workspace.folders.logs, now: workspace.ctx.clock.now() });
    const runs = await listRuns(state, filter.limit, { job: filter.job, status: filter.status, since });
    const isFiltered = (filter.job ?? filter.status ?? since) !== undefined;
    const nothing = isFiltered ? "no run is like that" : "no command ran here yet: start with run pipeline";
    return {
      exitCode: EXIT.ok,
      summary: plural(runs.length, "run"),
      text: runs.length === 0 ? nothing : formatRuns(runs, terminal.colors),
      json: { runs: runs.map((run) => ({ ...runJson(run), seconds: secondsOf(run) })) },
    };
  } finally {
    await state.destroy();
  }
}

export function formatRuns(runs: readonly RunRow[], colors: Colors): string {
  const rows = runs.map((run) => {
    const seconds = secondsOf(run);
    return [
      (run.started_at ?? run.due_at ?? run.queued_at).replace("T", " ").replace(/\.\d+Z$/, ""),
      run.invocation,
      painted(run.status, colors),
      seconds === null ? "–" : formatSeconds(seconds),
      run.exit_code === null ? "–" : String(run.exit_code),
      run.id.slice(0, 8),
    ];
  });
  const table = formatTable(["started (UTC)", "command", "status", "time", "exit", "id"], rows, colors);
  const [newest] = runs;
  return newest?.summary ? `${table}\n\nlast: ${newest.summary}` : table;
}

function painted(status: string, colors: Colors): string {
  const words = status.replaceAll("_", " ");
  if (status === "success") return colors.green(words);
  if (status === "warn") return colors.yellow(words);
  return BAD.includes(status) ? colors.red(words) : words;
}

function secondsOf({ started_at, ended_at }: Pick<RunRow, "started_at" | "ended_at">): number | null {
  if (started_at === null || ended_at === null) return null;
  return (Date.parse(ended_at) - Date.parse(started_at)) / 1000;
}
