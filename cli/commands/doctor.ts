import { existsSync, statfsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemClock } from "../../core/context.ts";
import { EXIT, messageOf, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import type { SourceDefinition } from "../../core/sillon.ts";
import { endOfNode, isAtLeast } from "../../core/versions.ts";
import { engineVersion, openDuckdb } from "../../engines/duckdb.ts";
import { resolveBaseUrl } from "../../ingest/http/base-url.ts";
import { createHostGate } from "../../ingest/http/host-gate.ts";
import { openReader } from "../../ingest/ingest.ts";
import { loadSources } from "../../ingest/load-sources.ts";
import { modelsOf, testsOf } from "../../runner/graph/nodes.ts";
import { acquireLock } from "../../state/lock.ts";
import { readIngestSettings } from "../ingest-step.ts";
import { NEWER_NODE, unmaintained } from "../node-line.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { type CommonOptions, openGraph, openWorkspace, ownerOf, type Workspace } from "../workspace.ts";

/** What one look at the surroundings found. */
interface Finding {
  check: string;
  status: "ok" | "warning" | "failed";
  found: string;
  /** What to do about it; empty when all is right. */
  fix: string;
}

type Found = Omit<Finding, "check">;
const ok = (found: string): Found => ({ status: "ok", found, fix: "" });
const warning = (found: string, fix: string): Found => ({ status: "warning", found, fix });
const failed = (found: string, fix: string): Found => ({ status: "failed", found, fix });

/** `run doctor`: looks at everything that a run needs. Exit 1 when something of it fails. */
export async function runDoctor(terminal: Terminal, options: CommonOptions): Promise<Outcome> {
  const findings = [
    await attempt("node", async () => checkNode()),
    await attempt("engine", async () => ok(`DuckDB ${await engineVersion()}`)),
  ];
  let workspace: Workspace | undefined;
  findings.push(
    await attempt("project", async () => {
      workspace = openWorkspace(terminal, options);
      const { project, target, ctx } = workspace;
      return ok(`${project.name} in ${ctx.projectDir}, target ${target.name}`);
    }),
  );
  if (workspace !== undefined) findings.push(...(await checkWorkspace(workspace)));
  return outcomeOf(findings, { colors: terminal.colors, workspace });
}

async function checkWorkspace(workspace: Workspace): Promise<Finding[]> {
  return [
    await attempt("models", async () => {
      const { graph } = openGraph(workspace);
      return ok(`${plural(modelsOf(graph).length, "model")}, ${plural(testsOf(graph).length, "test")}`);
    }),
    await attempt("lock", () => checkLock(workspace)),
    await attempt("history", () => checkHistory(workspace)),
    await attempt("warehouse", () => checkWarehouse(workspace)),
    await attempt("disk", async () => checkDisk(workspace)),
    ...(await checkSources(workspace)),
  ];
}

/** A mistake that a check throws is what it found. */
async function attempt(check: string, work: () => Promise<Found>): Promise<Finding> {
  try {
    return { check, ...(await work()) };
  } catch (error) {
    const [first, ...others] = projectErrorsOf(error);
    if (first === undefined) return { check, ...failed(messageOf(error).split("\n")[0] ?? "", "") };
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    const found = `${first.where === undefined ? "" : `${first.where}  `}${first.message}${more}`;
    return { check, ...failed(found, first.hint ?? "") };
  }
}

const MINIMUM_NODE = "20.19";

function checkNode(): Found {
  const { node } = process.versions;
  if (!isAtLeast(node, MINIMUM_NODE)) return failed(`Node ${node}`, `install Node ${MINIMUM_NODE} or newer`);
  const ended = endOfNode(node, systemClock.now());
  return ended === undefined ? ok(`Node ${node}`) : warning(unmaintained(node, ended), NEWER_NODE);
}

async function checkLock({ ctx, folders }: Workspace): Promise<Found> {
  if (!existsSync(folders.lockFile)) return ok("no command ran here yet");
  try {
    (await acquireLock(ctx, folders.lockFile, { command: "run doctor", waitMs: 0 })).release();
    return ok("free");
  } catch (error) {
    if (!(error instanceof ProjectError) || error.exitCode !== EXIT.locked) throw error;
    return warning(error.why[0] ?? error.message, "wait for it to end; run show reads meanwhile");
  }
}

async function checkHistory(workspace: Workspace): Promise<Found> {
  const { stateFile } = workspace.folders;
  if (!existsSync(stateFile)) return ok("no command ran here yet");
  const [{ openState }, { listRuns }] = await Promise.all([
    import("../../state/database.ts"),
    import("../../state/runs.ts"),
  ]);
  const state = openState(stateFile, ownerOf(workspace));
  try {
    const [last] = await listRuns(state, 1);
    return ok(last === undefined ? "no command ran here yet" : `last: ${last.command}, ${last.status}`);
  } finally {
    await state.destroy();
  }
}

async function checkWarehouse({ ctx, target }: Workspace): Promise<Found> {
  const { path } = target.duckdb;
  if (path !== ":memory:" && !existsSync(resolve(ctx.projectDir, path)))
    return warning(`${path} does not exist yet`, "fill it: run pipeline");
  try {
    const engine = await openDuckdb(ctx, target.duckdb);
    try {
      return ok(`${path}, ${plural((await engine.relations()).size, "relation")}`);
    } finally {
      engine.close();
    }
  } catch (error) {
    if (!(error instanceof ProjectError) || error.exitCode !== EXIT.locked) throw error;
    return warning(error.why[0] ?? error.message, error.hint ?? "");
  }
}

const GIGABYTE = 1e9;
const LITTLE_GB = 2;
const TOO_LITTLE_GB = 0.2;

function checkDisk({ ctx, target }: Workspace): Found {
  const data = dirname(resolve(ctx.projectDir, target.duckdb.path));
  const { bavail, bsize } = statfsSync(existsSync(data) ? data : ctx.projectDir);
  const freeGb = (bavail * bsize) / GIGABYTE;
  const found = `${freeGb.toFixed(1)} GB free`;
  if (freeGb < TOO_LITTLE_GB) return failed(found, "free some space");
  return freeGb < LITTLE_GB ? warning(found, "free some space before a large load") : ok(found);
}

async function checkSources(workspace: Workspace): Promise<Finding[]> {
  const findings: Finding[] = [];
  const loaded = await attempt("sources", async () => {
    const { ctx } = workspace;
    const sources = await loadSources(ctx);
    for (const source of sources) {
      findings.push(
        await attempt(`source ${source.name}`, async () => {
          if (source.type !== undefined && source.type !== "rest") return reachSource(workspace, source);
          const { url, authorization, variable } = resolveBaseUrl(ctx, source);
          const isOpen = source.authentication === undefined;
          return reach(url, { authorization, variable, isOpen });
        }),
      );
    }
    return ok(plural(sources.length, "source"));
  });
  return [loaded, ...findings];
}

const REACH_TIMEOUT_MS = 5000;

/** A database or files: their reader looks. */
async function reachSource(workspace: Workspace, source: SourceDefinition): Promise<Found> {
  const { ctx } = workspace;
  const settings = readIngestSettings(workspace);
  const gateFor = () => createHostGate(ctx, settings);
  const reader = openReader(ctx, source, { settings, gateFor });
  try {
    return ok((await reader.reach?.(AbortSignal.timeout(REACH_TIMEOUT_MS))) ?? `of type ${source.type}`);
  } finally {
    await reader.close();
  }
}

/** Any answer shows that somebody is there. Only the base URL's credentials are tried: `isOpen` when it has all. */
async function reach(
  url: URL,
  {
    authorization,
    variable,
    isOpen,
  }: { authorization: string | undefined; variable: string; isOpen: boolean },
): Promise<Found> {
  const headers = authorization === undefined ? {} : { authorization };
  const signal = AbortSignal.timeout(REACH_TIMEOUT_MS);
  try {
    const { status, body } = await fetch(url, { headers, signal, redirect: "manual" });
    await body?.cancel();
    if (isOpen && (status === 401 || status === 403))
      return warning(`${url.origin} answers ${status}`, `correct the credentials in ${variable}`);
    if (status >= 500) return warning(`${url.origin} answers ${status}`, "look at the service");
    return ok(`${url.origin} answers`);
  } catch (error) {
    return failed(
      `${url.origin} cannot be reached: ${messageOf(error)}`,
      `start the service, or set ${variable} to its address`,
    );
  }
}

function outcomeOf(
  findings: readonly Finding[],
  { colors, workspace }: { colors: Colors; workspace: Workspace | undefined },
): Outcome {
  const count = (status: Finding["status"]) => findings.filter((one) => one.status === status).length;
  const summary = `${count("ok")} ok, ${count("warning")} warned, ${count("failed")} failed`;
  const paints = { ok: colors.green, warning: colors.yellow, failed: colors.red };
  const rows = findings.map(({ check, status, found }) => [check, paints[status](status), found]);
  const open = findings.filter(({ status }) => status !== "ok");
  const advice = open.flatMap(({ check, found, fix }) => [
    "",
    `${check}: ${found}`,
    ...(fix === "" ? [] : [`  to fix: ${fix}`]),
  ]);
  const text = [formatTable(["check", "result", "found"], rows, colors), ...advice, "", summary].join("\n");
  const mask = workspace?.ctx.secrets.mask ?? ((shown: string) => shown);
  return {
    exitCode: count("failed") > 0 ? EXIT.failed : EXIT.ok,
    summary,
    text: mask(text),
    json: { checks: findings.map((one) => ({ ...one, found: mask(one.found) })) },
  };
}
