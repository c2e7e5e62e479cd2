import { EXIT } from "../../core/errors.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import { logFile } from "../../state/retention.ts";
import { partsOf } from "../../state/runs.ts";
import { readable, readFrom } from "../log-files.ts";
import type { Outcome } from "../outcome.ts";
import { printableLines } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";
import { oneRun } from "./history.ts";

const FOLLOW_MS = 250;

/** `run logs ID`: what a run printed; followed until it ends. */
export async function runLogs(
  workspace: Workspace,
  terminal: Terminal,
  { id, isFollowed }: { id: string; isFollowed: boolean },
): Promise<Outcome> {
  const { ctx, folders, options } = workspace;
  const state = openState(folders.stateFile, ownerOf(workspace));
  try {
    const run = await oneRun(state, id, "run logs ID");
    const file = logFile(folders.logs, run.id);
    const lines: string[] = [];
    let offset = 0;
    let rest = "";
    const take = (isLast: boolean) => {
      for (let block = readFrom(file, offset); block.length > 0; block = readFrom(file, offset)) {
        offset += block.length;
        rest += block.toString("utf8");
        const whole = rest.split("\n");
        rest = whole.pop() ?? "";
        for (const line of whole) say(line);
      }
      if (isLast && rest !== "") say(rest);
    };
    const say = (line: string) => {
      const text = ctx.secrets.mask(printableLines(readable(line)));
      if (options.json) lines.push(text);
      else terminal.stdout.write(`${text}\n`);
    };
    while (isFollowed && !terminal.signal.aborted && (await isOpen(state, run.id))) {
      take(false);
      await ctx.clock.sleep(FOLLOW_MS, terminal.signal).catch(() => undefined);
    }
    take(true);
    const { steps } = await partsOf(state, run.id);
    const summary = `${run.status}${steps.length === 0 ? "" : `, ${steps.length} attempts`}`;
    return { exitCode: EXIT.ok, summary, text: "", json: { run_id: run.id, status: run.status, lines } };
  } finally {
    await state.destroy();
  }
}

async function isOpen(state: StateDatabase, id: string): Promise<boolean> {
  const row = await state.selectFrom("runs").select("status").where("id", "=", id).executeTakeFirst();
  return row?.status === "queued" || row?.status === "running";
}
