import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { onTestFinished } from "vitest";
import { planGraph, type Which } from "../../cli/plan.ts";
import type { RunOptions } from "../../cli/run-options.ts";
import { runPlan } from "../../cli/steps.ts";
import { createTerminal } from "../../cli/terminal.ts";
import { withWarehouse } from "../../cli/warehouse.ts";
import { type CommonOptions, openGraph, openWorkspace } from "../../cli/workspace.ts";
import type { Value } from "../../engines/engine.ts";
import { isTestResult, type NodeResult } from "../../runner/build/results.ts";

export interface RunsOptions extends RunOptions {
  common?: CommonOptions;
  which?: Which;
}

/** A project in a temporary folder whose commands run one after another, as from the command line. */
export interface Project {
  folder: string;
  warehouse: string;
  write(files: Readonly<Record<string, string>>): void;
  /** Runs a command and returns all results. */
  results(options?: RunsOptions): Promise<NodeResult[]>;
  /** What a command ran, by name, and why; what it reused is left out. */
  ran(options?: RunsOptions): Promise<Record<string, string>>;
  /** Statements of the project's own, such as those of a load. */
  own(...sql: string[]): Promise<void>;
  /** Statements of somebody else, while no command runs. */
  outside(...sql: string[]): Promise<void>;
  rows(sql: string): Promise<Value[][]>;
}

const SILENT = { isTty: false, write: () => {}, flush: async () => {} };

export function createReuseProject(files: Readonly<Record<string, string>>): Project {
  const folder = mkdtempSync(join(tmpdir(), "sillon-reuse-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const warehouse = join(folder, "data/w.duckdb");
  const write: Project["write"] = (changed) => {
    for (const [name, content] of Object.entries(changed)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
  };
  write(files);
  const open = (common: CommonOptions = {}) => {
    const streams = { stdout: SILENT, stderr: SILENT, signal: new AbortController().signal };
    const terminal = { cwd: folder, env: {}, invocation: "build", isQuiet: true, isDebug: false };
    const story = { logFormat: "text" as const, holdsErrors: false, readLine: () => "" };
    return openWorkspace(createTerminal({ ...terminal, ...story, ...streams }), common);
  };
  const results: Project["results"] = async ({ common, which = "build", ...options } = {}) => {
    const workspace = open(common);
    const plan = planGraph(workspace, openGraph(workspace), options);
    return (await runPlan(workspace, plan, { command: "run build", which })).results;
  };
  return {
    folder,
    warehouse,
    write,
    results,
    ran: async (options) => Object.fromEntries((await results(options)).flatMap(outcomeOf)),
    own: (...sql) =>
      withWarehouse(open(), "run ingest", async (engine) => {
        const session = await engine.openSession();
        for (const statement of sql) await session.run(statement);
      }),
    outside: async (...sql) => {
      const instance = await DuckDBInstance.create(warehouse);
      const connection = await instance.connect();
      for (const statement of sql) await connection.run(statement);
      connection.closeSync();
      instance.closeSync();
    },
    rows: (sql) =>
      withWarehouse(open(), "run show", async (engine) => {
        const session = await engine.openSession();
        return (await session.query(sql)).rows;
      }),
  };
}

function outcomeOf(result: NodeResult): [string, string][] {
  const { node, status } = result;
  if (isTestResult(result)) return result.isReused === true ? [] : [[node.name, status]];
  if (status === "reused") return [];
  return [[node.name, status === "success" ? (result.why ?? "") : status]];
}
