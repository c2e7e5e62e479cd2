import { EXIT, type ExitCode, type ProjectError } from "../core/errors.ts";

/** What a command answers. */
export interface Outcome {
  exitCode: ExitCode;
  /** One line for the history. */
  summary: string;
  /** For people, on stdout; empty when the command wrote its answer there itself. */
  text: string;
  /** For programs, on stdout with --json. */
  json: Record<string, unknown>;
}

/** Failed parts make 1; a fault of the surroundings among them, such as a full disk, makes 4. */
export function exitCodeFor(results: readonly { error: ProjectError | null }[], isFailed: boolean): ExitCode {
  if (results.some(({ error }) => error?.exitCode === EXIT.environment)) return EXIT.environment;
  return isFailed ? EXIT.failed : EXIT.ok;
}
