import { EXIT, ProjectError } from "../../core/errors.ts";
import { openState, type RunRow } from "../../state/database.ts";
import { listFailures, type TestFailure } from "../../state/failures.ts";
import { closeCrashedRuns, findRuns, listRuns } from "../../state/runs.ts";
import { toCell } from "../answers.ts";
import { rowJson } from "../json.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatSeconds, formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";

/** `run history ID`: one run, and the rows that broke its data tests. */
export async function runHistoryOf(workspace: Workspace, terminal: Terminal, id: string): Promise<Outcome> {
  const state = openState(workspace.folders.stateFile);
  try {
    await closeCrashedRuns(state);
    const [run, ...others] = await findRuns(state, id);
    if (run === undefined || others.length > 0) throw unclearRun(id, others);
    const failures = await listFailures(state, run.id);
    const summary = run.summary ?? run.status;
    return {
      exitCode: EXIT.ok,
      summary,
      text: [
        formatRuns([run], terminal.colors),
        ...failures.map((failure) => formatFailure(failure, terminal.colors)),
      ].join("\n\n"),
      json: {
        run: { ...run, seconds: secondsOf(run) },
        tests: failures.map(({ test, name, status, failures, columns, rows }) => ({
          unique_id: test,
          name,
          status,
          failures,
          failing_rows: rows.map((row) => rowJson({ columns, types: [] }, row)),
        })),
      },
    };
  } finally {
    await state.destroy();
  }
}

function unclearRun(id: string, others: readonly RunRow[]): ProjectError {
  return new ProjectError("RUN_UNKNOWN", {
    message: others.length > 0 ? `several runs begin with "${id}"` : `no run begins with "${id}"`,
    where: "run history ID",
    hint: others.length > 0 ? "give more of the id" : "run history lists the ids",
    exitCode: EXIT.usage,
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

/** `run history`: the commands that ran here and what became of them, the newest first. */
export async function runHistory(
  workspace: Workspace,
  terminal: Terminal,
  options: { limit: number },
): Promise<Outcome> {
  const state = openState(workspace.folders.stateFile);
  try {
    await closeCrashedRuns(state);
    const runs = await listRuns(state, options.limit);
    return {
      exitCode: EXIT.ok,
      summary: plural(runs.length, "run"),
      text:
        runs.length === 0
          ? "no command ran here yet: start with run pipeline"
          : formatRuns(runs, terminal.colors),
      json: { runs: runs.map((run) => ({ ...run, seconds: secondsOf(run) })) },
    };
  } finally {
    await state.destroy();
  }
}

function formatRuns(runs: readonly RunRow[], colors: Colors): string {
  const paint = { success: colors.green, failed: colors.red, crashed: colors.red } as Record<
    string,
    (text: string) => string
  >;
  const rows = runs.map((run) => {
    const seconds = secondsOf(run);
    return [
      run.started_at.replace("T", " ").replace(/\.\d+Z$/, ""),
      run.invocation,
      (paint[run.status] ?? String)(run.status),
      seconds === null ? "–" : formatSeconds(seconds),
      run.exit_code === null ? "–" : String(run.exit_code),
      run.id.slice(0, 8),
    ];
  });
  const table = formatTable(["started (UTC)", "command", "status", "time", "exit", "id"], rows, colors);
  const [newest] = runs;
  return newest?.summary ? `${table}\n\nlast: ${newest.summary}` : table;
}

function secondsOf(run: RunRow): number | null {
  if (run.ended_at === null) return null;
  return (Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000;
}
