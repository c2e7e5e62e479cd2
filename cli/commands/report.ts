import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { EXIT } from "../../core/errors.ts";
import { RUN_VARIABLES } from "../../core/run-environment.ts";
import { readReport } from "../../monitor/report/read-report.ts";
import { renderReport } from "../../monitor/report/render.ts";
import type { Report } from "../../monitor/report/report.ts";
import { openState } from "../../state/database.ts";
import { closeCrashedRuns } from "../../state/runs.ts";
import { openFile } from "../open-file.ts";
import type { Outcome } from "../outcome.ts";
import { sinceTime } from "../since.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";

export interface ReportOptions {
  since: string;
  open?: boolean;
  output?: string;
}

/** `run report`: what happened, as text, and as a page where a file or a browser is asked for. */
export async function runReport(
  workspace: Workspace,
  _terminal: Terminal,
  options: ReportOptions,
): Promise<Outcome> {
  const report = await reportSince(workspace, options.since);
  const { ctx, folders } = workspace;
  const text = renderReport(report, "text", ctx.projectDir);
  const notes: string[] = [];
  if (options.output !== undefined) {
    const file = resolve(workspace.cwd, options.output);
    write(file, renderFor(report, file, ctx.projectDir));
    notes.push(`written to ${options.output}`);
  }
  if (options.open) {
    const file = join(folders.target, "report.html");
    write(file, renderReport(report, "html", ctx.projectDir));
    const isOpen = await openFile(file, ctx.env);
    notes.push(isOpen ? `opened ${file}` : `no browser was found: open ${file}`);
  }
  return {
    exitCode: EXIT.ok,
    summary: report.answers.map((answer) => `${answer.question} ${answer.text}`).join("; "),
    text: notes.length === 0 ? text : notes.join("\n"),
    json: { ...report },
  };
}

async function reportSince(workspace: Workspace, since: string): Promise<Report> {
  const { ctx, folders, project } = workspace;
  const now = ctx.clock.now();
  const stretch = { since: sinceTime(since, now), until: now.toISOString() };
  const parent = ctx.env[RUN_VARIABLES.run];
  const without = [ctx.invocationId, ...(parent === undefined ? [] : [parent])];
  const state = openState(folders.stateFile, ownerOf(workspace));
  try {
    await closeCrashedRuns(state);
    return await readReport(state, { project: project.name, stretch, without });
  } finally {
    await state.destroy();
  }
}

/** By the name of the file: a text, the JSON document, or a page. */
function renderFor(report: Report, file: string, projectDir: string): string {
  const extension = extname(file).toLowerCase();
  if (extension === ".json") return JSON.stringify(report, undefined, 2);
  return renderReport(report, extension === ".txt" ? "text" : "html", projectDir);
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${text}\n`);
}
