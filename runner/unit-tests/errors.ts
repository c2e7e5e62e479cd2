import { EXIT, ProjectError } from "../../core/errors.ts";

interface Problem {
  message: string;
  why?: string[] | undefined;
  hint: string;
}

/** A mistake in the declaration of a unit test: nothing is run. */
export function declarationError(code: string, where: string, problem: Problem): ProjectError {
  return new ProjectError(code, { ...problem, where, exitCode: EXIT.usage });
}

/** A mistake that shows when the test is run: it could not be, and the others go on. */
export function runError(code: string, where: string, problem: Problem & { cause?: unknown }): ProjectError {
  return new ProjectError(code, { ...problem, where });
}
