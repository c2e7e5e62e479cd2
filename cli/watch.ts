import { findProjectDir } from "../core/config.ts";
import { EXIT } from "../core/errors.ts";
import { changedSince, fingerprintsOf } from "../runner/graph/fingerprints.ts";
import type { SelectionOptions } from "../runner/select/select.ts";
import { type CommandSpec, executeCommand, recorded, reportFailure, terminalOf } from "./execute.ts";
import type { Invocation } from "./invocation.ts";
import type { Outcome } from "./outcome.ts";
import { KINDS, type Which } from "./plan.ts";
import { chooseNodes } from "./selection.ts";
import type { Terminal } from "./terminal.ts";
import { isPartOf, PROJECT_FILES, profilesElsewhere, type Saves, watchFiles } from "./watch-files.ts";
import { type CommonOptions, openGraph, type Workspace } from "./workspace.ts";

export interface WatchSpec extends CommandSpec {
  options: CommonOptions & SelectionOptions;
  /** What the command runs. */
  which: Which;
}

/** What was run last, for the next save to compare with. */
interface Watched {
  /** Without those of nodes that have failed, which are tried again; undefined until a run began. */
  fingerprints: ReadonlyMap<string, string> | undefined;
  /** Of the nodes that there were. */
  ids: ReadonlySet<string>;
  workspace: Workspace | undefined;
}

/**
 * Runs a command, then, after each save, what changed and what depends on it, until the program is stopped.
 * What did not come to a good end is tried again after each save. What is saved during a run is run after it. A project with mistakes is reported, and waits for its correction.
 */
export async function executeWatch(invocation: Invocation, spec: WatchSpec): Promise<void> {
  const watched: Watched = { fingerprints: undefined, ids: new Set(), workspace: undefined };
  const terminal = terminalOf(invocation, spec.options);
  let saves: Saves | undefined;
  try {
    const projectDir = findProjectDir(invocation.cwd, spec.options.projectDir);
    const { profilesDir } = spec.options;
    saves = await watchFiles(projectDir, {
      others: profilesElsewhere(projectDir, { profilesDir, cwd: invocation.cwd, env: invocation.env }),
      signal: invocation.signal,
      isPart: (path) => isPartOf(watched.workspace?.project, path),
    });
    for (let saved: string[] = []; !invocation.signal.aborted; saved = await saves.next()) {
      if (saved.length > 0) announce(terminal, saved);
      await runChanged({ ...invocation, holdsErrors: true }, spec, { watched, saved });
      if (!invocation.signal.aborted) tell(terminal, "watch_waiting", "waiting for changes (Ctrl-C ends)");
    }
  } catch (error) {
    invocation.exitCode = reportFailure(terminal, spec, { error });
  } finally {
    await saves?.close();
  }
}

async function runChanged(
  invocation: Invocation,
  spec: WatchSpec,
  { watched, saved }: { watched: Watched; saved: readonly string[] },
): Promise<void> {
  const work: CommandSpec["work"] = async (workspace, terminal) => {
    watched.workspace = workspace;
    const scope = openGraph(workspace);
    const { graph } = scope;
    const present = fingerprintsOf(workspace.ctx, scope);
    const former = saved.some(isOfAll) ? undefined : watched.fingerprints;
    const only = former === undefined ? undefined : changedSince(former, { graph, present });
    const part = { ...workspace, scope, ...(only === undefined ? {} : { only }) };
    const gone = [...watched.ids].filter((id) => !present.has(id));
    if (gone.length > 0) tellGone(workspace, gone);
    const chosen = chooseNodes(part, scope, { ...spec.options, mayBeEmpty: true });
    const isNothing =
      only !== undefined &&
      ![...chosen].some((id) => KINDS[spec.which].some((kind) => kind === graph.nodes.get(id)?.kind));
    const outcome = isNothing ? NOTHING : await runPart(part, terminal, spec);
    const unfinished = new Set(outcome.unfinished);
    watched.fingerprints = new Map([...present].filter(([id]) => !unfinished.has(id)));
    watched.ids = new Set(present.keys());
    return outcome;
  };
  await executeCommand(invocation, { ...spec, isRecorded: false, work });
}

const NOTHING: Outcome = {
  exitCode: EXIT.ok,
  summary: "nothing to run",
  text: "nothing to run: no node changed",
  json: {},
};

function runPart(workspace: Workspace, terminal: Terminal, spec: WatchSpec): Promise<Outcome> {
  return spec.isRecorded ? recorded(workspace, terminal, spec) : spec.work(workspace, terminal);
}

function isOfAll(path: string): boolean {
  return PROJECT_FILES.some((file) => path === file || path.endsWith(`/${file}`));
}

function tellGone({ ctx }: Workspace, ids: readonly string[]): void {
  const tables = ids.filter((id) => !/^(unit_)?test\./.test(id));
  if (tables.length === 0) return;
  ctx.log.info("nodes_gone", `no longer in the project: ${tables.join(", ")}; what was built of it stays`, {
    ids: tables,
  });
}

const NAMED_FILES = 5;

/** On a terminal each run begins on a clear screen. */
function announce(terminal: Terminal, saved: readonly string[]): void {
  if (terminal.stdout.isTty && terminal.stderr.isTty) terminal.stdout.write("\u001b[2J\u001b[H");
  const more = saved.length - NAMED_FILES;
  const names = [...saved.slice(0, NAMED_FILES), ...(more > 0 ? [`${more} more`] : [])];
  tell(terminal, "files_saved", `saved: ${names.join(", ")}`);
}

function tell(terminal: Terminal, event: string, message: string): void {
  terminal.story.sink({ level: "info", event, message, fields: {} });
}
