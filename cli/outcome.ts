import { EXIT, type ExitCode } from "../core/errors.ts";

/** What a command answers. */
export interface Outcome {
  exitCode: ExitCode;
  /** One line for the history. */
  summary: string;
  /** For people, on stdout. */
  text: string;
  /** For programs, on stdout with --json. */
  json: Record<string, unknown>;
}

export function exitCodeFor(isFailed: boolean): ExitCode {
  return isFailed ? EXIT.failed : EXIT.ok;
}
