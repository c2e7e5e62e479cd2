import { EXIT } from "../../core/errors.ts";
import { openState, type RunRow } from "../../state/database.ts";
import { closeCrashedRuns, listRuns } from "../../state/runs.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatSeconds, formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";

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
