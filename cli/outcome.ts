import { EXIT, type ExitCode, type ProjectError } from "../core/errors.ts";
import { hasFailed, isTestResult, type NodeResult } from "../runner/build/results.ts";
import type { TableQuality } from "../runner/quality/quality.ts";
import type { TestFailure } from "../state/failures.ts";
import { asNumber } from "./json.ts";

/** What a command answers. */
export interface Outcome {
  exitCode: ExitCode;
  /** One line for the history. */
  summary: string;
  /** For people, on stdout; empty when the command wrote its answer there itself. */
  text: string;
  /** For programs, on stdout with --json. */
  json: Record<string, unknown>;
  /** Of a command that works until a signal and finishes what it has begun: its end is no interruption. */
  isServed?: boolean;
  /** What the history keeps of the data tests. */
  failures?: TestFailure[];
  /** Of the tables that were tested. */
  quality?: TableQuality[];
  /** Ids of the nodes that did not come to a good end. */
  unfinished?: string[];
}

/** The tests among the results that failed or warned, with their failing rows. */
export function failuresOf(results: readonly NodeResult[]): TestFailure[] {
  return results.filter(isTestResult).flatMap(({ node, status, failures, sample }) => {
    if (status !== "fail" && status !== "warn") return [];
    const { columns, types, rows } = sample ?? { columns: [], types: [], rows: [] };
    const values = rows.map((row) => row.map((value, place) => asNumber(value, types[place])));
    return [{ test: node.id, name: node.name, status, failures: failures ?? 0, columns, rows: values }];
  });
}

/** Ids of the nodes that have failed, or were not run because others had. */
export function unfinishedOf(results: readonly NodeResult[]): string[] {
  return results.filter(hasFailed).map(({ node }) => node.id);
}

/** Failed parts make 1; a fault of the surroundings among them, such as a full disk, makes 4. */
export function exitCodeFor(results: readonly { error: ProjectError | null }[], isFailed: boolean): ExitCode {
  if (results.some(({ error }) => error?.exitCode === EXIT.environment)) return EXIT.environment;
  return isFailed ? EXIT.failed : EXIT.ok;
}
