import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { EXIT } from "../../core/errors.ts";
import { RUN_VARIABLES } from "../../core/run-environment.ts";
import { deliverDue } from "../../monitor/alerts/deliver.ts";
import { readReport } from "../../monitor/report/read-report.ts";
import { renderReport } from "../../monitor/report/render.ts";
import type { Report } from "../../monitor/report/report.ts";
import { channelsOf, enqueueReport } from "../../monitor/report/send.ts";
import { loadMonitor, type MonitorSettings } from "../../monitor/settings.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
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
  send?: boolean;
  channel?: string[];
}

/** `run report`: what happened, as text, and as a page where a file or a browser is asked for. */
export async function runReport(
  workspace: Workspace,
  _terminal: Terminal,
  options: ReportOptions,
): Promise<Outcome> {
  const { ctx, folders } = workspace;
  const since = sinceTime(options.since, ctx.clock.now());
  const isSent = options.send === true || options.channel !== undefined;
  // Before anything is read or written: a wrong call does nothing.
  const settings = isSent ? loadMonitor(ctx.projectDir) : undefined;
  const channels = settings === undefined ? [] : channelsOf(settings, options.channel ?? []);
  const report = await withState(workspace, (state) => reportSince(workspace, state, since));
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
  if (settings !== undefined) notes.push(await send(workspace, { report, channels, settings }));
  return {
    exitCode: EXIT.ok,
    summary: report.answers.map((answer) => `${answer.question} ${answer.text}`).join("; "),
    text: notes.length === 0 ? text : notes.join("\n"),
    json: { ...report },
  };
}

async function withState<T>(workspace: Workspace, work: (state: StateDatabase) => Promise<T>): Promise<T> {
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    return await work(state);
  } finally {
    await state.destroy();
  }
}

async function reportSince(
  { ctx, project, folders: { logs } }: Workspace,
  state: StateDatabase,
  since: string,
): Promise<Report> {
  const parent = ctx.env[RUN_VARIABLES.run];
  const without = [ctx.invocationId, ...(parent === undefined ? [] : [parent])];
  await closeCrashedRuns(state, { logs, now: ctx.clock.now() });
  const stretch = { since, until: ctx.clock.now().toISOString() };
  return readReport(state, { project: project.name, stretch, without });
}

/** What became of it, for people. What does not get through now is sent later, by `run up` or `run alerts send`. */
async function send(
  workspace: Workspace,
  { report, channels, settings }: { report: Report; channels: readonly string[]; settings: MonitorSettings },
): Promise<string> {
  const { ctx } = workspace;
  if (channels.length === 0) {
    ctx.log.warn("report_unsent", "no channel takes the report: set one up below channels: of monitor.yml");
    return "the report was not sent";
  }
  return withState(workspace, async (state) => {
    await enqueueReport(ctx, state, { report, channels });
    const { failed, givenUp } = await deliverDue(ctx, state, settings);
    const waits = failed + givenUp === 0 ? "" : "; not all got through yet: see run alerts outbox";
    return `sent to ${channels.join(", ")}${waits}`;
  });
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
