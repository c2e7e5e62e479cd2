import { EXIT, ProjectError } from "../../core/errors.ts";
import type { LogLevel } from "../../core/log.ts";
import { nearestLine } from "../../core/nearest.ts";
import { openState, type RunRow, type StateDatabase } from "../../state/database.ts";
import { logFile } from "../../state/retention.ts";
import { partsOf } from "../../state/runs.ts";
import { readFrom } from "../log-files.ts";
import { formatLine, isAtLevel, type LogLine, parseLine } from "../log-lines.ts";
import type { Outcome } from "../outcome.ts";
import { printableLines } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";
import { oneRun } from "./history.ts";

const FOLLOW_MS = 250;

export interface LogsOptions {
  isFollowed: boolean;
  /** Lines that are at least so severe. */
  level?: LogLevel | undefined;
  /** Lines about this node: its name, or `source.stream`. */
  node?: string | undefined;
}

/**
 * `run logs ID`: what a run printed; followed until it ends. What is asked by level or node is looked for in the logs of
 * the commands of a job's run too, which printed it as text. Throws LOG_NODE_UNKNOWN (exit 2).
 */
export async function runLogs(
  workspace: Workspace,
  terminal: Terminal,
  { id, isFollowed, level, node }: LogsOptions & { id: string },
): Promise<Outcome> {
  const { ctx, folders, options } = workspace;
  const state = openState(folders.stateFile, ownerOf(workspace));
  try {
    const run = await oneRun(state, id, "run logs ID");
    const isAsked = level !== undefined || node !== undefined;
    if (node !== undefined) await checkNode(state, run, node);
    const taken: LogLine[] = [];
    const say = (line: LogLine) => {
      if (level !== undefined && !isAtLevel(line, level)) return;
      if (node !== undefined && line.node !== node) return;
      const shown = { ...line, message: ctx.secrets.mask(printableLines(line.message)) };
      if (options.json) taken.push(shown);
      else terminal.stdout.write(`${formatLine(shown)}\n`);
    };
    const logs = new Map<string, (isLast: boolean) => void>();
    const take = async (isLast: boolean) => {
      const commands = isAsked ? await commandsOf(state, run) : [];
      for (const one of commands.length === 0 ? [run] : commands) {
        const read = logs.get(one.id) ?? reader(logFile(folders.logs, one.id), one, say);
        logs.set(one.id, read);
        read(isLast);
      }
    };
    while (isFollowed && !terminal.signal.aborted && (await isOpen(state, run.id))) {
      await take(false);
      await ctx.clock.sleep(FOLLOW_MS, terminal.signal).catch(() => undefined);
    }
    await take(true);
    const { steps } = await partsOf(state, run.id);
    const summary = `${run.status}${steps.length === 0 ? "" : `, ${steps.length} attempts`}`;
    const json = { run_id: run.id, status: run.status, lines: taken.map(formatLine), entries: taken };
    return { exitCode: EXIT.ok, summary, text: "", json };
  } finally {
    await state.destroy();
  }
}

type Origin = Pick<RunRow, "id" | "step">;

/** The commands that a job's run started, in their order. */
async function commandsOf(state: StateDatabase, run: RunRow): Promise<Origin[]> {
  return state
    .selectFrom("runs")
    .select(["id", "step"])
    .where("parent_id", "=", run.id)
    .orderBy("queued_at")
    .orderBy("id")
    .execute();
}

/** Says each line of a file once, those that are whole; at the end also what has no end. */
function reader(file: string, { id, step }: Origin, say: (line: LogLine) => void) {
  let offset = 0;
  let rest = Buffer.alloc(0);
  const sayLine = (text: string) => say(parseLine(text, { runId: id, step }));
  return (isLast: boolean) => {
    for (let block = readFrom(file, offset); block.length > 0; block = readFrom(file, offset)) {
      offset += block.length;
      const bytes = Buffer.concat([rest, block]);
      const end = bytes.lastIndexOf(10) + 1;
      rest = bytes.subarray(end);
      if (end > 0) for (const line of bytes.toString("utf8", 0, end - 1).split("\n")) sayLine(line);
    }
    if (isLast && rest.length > 0) sayLine(rest.toString("utf8"));
  };
}

async function checkNode(state: StateDatabase, run: RunRow, node: string): Promise<void> {
  const rows = await state
    .selectFrom("run_nodes")
    .innerJoin("runs", "runs.id", "run_nodes.run_id")
    .select(["run_nodes.node", "run_nodes.kind"])
    .where((where) => where.or([where("runs.id", "=", run.id), where("runs.parent_id", "=", run.id)]))
    .execute();
  // Of ids the part that the log calls them by.
  const names = rows.map((row) => (row.kind === "stream" ? row.node : (row.node.split(".")[2] ?? row.node)));
  const units = rows
    .filter(({ kind }) => kind === "unit_test")
    .map((row) => row.node.split(".").slice(3).join("."));
  if (names.length === 0 || names.includes(node) || units.includes(node)) return;
  throw new ProjectError("LOG_NODE_UNKNOWN", {
    message: `the run had nothing to do with "${node}"`,
    where: "--node",
    why: nearestLine(node, [...new Set([...names, ...units])]),
    hint: `give the name of a model or a test, or source.stream: run history show ${run.id.slice(0, 8)} lists them`,
    exitCode: EXIT.usage,
  });
}

async function isOpen(state: StateDatabase, id: string): Promise<boolean> {
  const row = await state.selectFrom("runs").select("status").where("id", "=", id).executeTakeFirst();
  return row?.status === "queued" || row?.status === "running";
}
