import { freeSpace } from "./aside.ts";

/** Exit codes of the command line; what each asks of a supervisor is in the README. */
export const EXIT = { ok: 0, failed: 1, usage: 2, locked: 3, environment: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ErrorDetails {
  message: string;
  /** `file:line:column`, a URL, or the name of a node. */
  where?: string | undefined;
  /** What was expected or tried: one line each. */
  why?: string[] | undefined;
  /** The next thing to type or change. */
  hint?: string | undefined;
  exitCode?: ExitCode | undefined;
  cause?: unknown;
}

/** A mistake or a fault that the user can act on. Anything else that is thrown is a bug and keeps its stack. */
export class ProjectError extends Error {
  override readonly name = "ProjectError";
  readonly code: string;
  readonly where: string | undefined;
  readonly why: string[];
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: string, details: ErrorDetails) {
    super(details.message, { cause: details.cause });
    this.code = code;
    this.where = details.where;
    this.why = details.why ?? [];
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? EXIT.failed;
  }
}

/** All mistakes found while loading or rendering a project, reported in one go. */
export class ProjectErrors extends Error {
  override readonly name = "ProjectErrors";
  readonly errors: ProjectError[];

  constructor(errors: ProjectError[]) {
    super(errors.map((error) => error.message).join("\n"));
    this.errors = errors;
  }
}

/** The mistakes behind whatever was thrown; empty when it is a bug and not a mistake of the project. */
export function projectErrorsOf(thrown: unknown): ProjectError[] {
  if (thrown instanceof ProjectErrors) return thrown.errors;
  if (thrown instanceof ProjectError) return [thrown];
  const fault = fileFault(thrown);
  return fault === undefined ? [] : [fault];
}

const FILE_FAULTS: Record<string, [what: string, hint: string]> = {
  ENOSPC: [
    "the disk is full",
    "free some space and run the command again: nothing that was committed is lost",
  ],
  EDQUOT: ["the quota of the disk is used up", "free some space and run the command again"],
  EACCES: ["no permission", "give this user the right to read and write it"],
  EPERM: ["not permitted", "give this user the right to read and write it"],
  EROFS: ["the file system is read-only", "run the project in a folder that can be written to"],
  ENOTDIR: ["a file stands where a folder is needed", "move that file away"],
  EISDIR: ["a folder stands where a file is needed", "move that folder away"],
  EMFILE: ["too many open files", "raise the limit of open files: ulimit -n"],
};

/** What the file system refused; undefined when something else was thrown. */
function fileFault(thrown: unknown): ProjectError | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  const isOfStore = thrown.code === "SQLITE_FULL";
  if (!isOfStore && !("syscall" in thrown)) return undefined;
  const [message, hint] = FILE_FAULTS[isOfStore ? "ENOSPC" : String(thrown.code)] ?? [];
  if (message === undefined) return undefined;
  const where = "path" in thrown ? String(thrown.path) : undefined;
  return new ProjectError(message === FILE_FAULTS.ENOSPC?.[0] ? "DISK_FULL" : "FILE_FAULT", {
    message,
    where,
    why: [thrown.message, ...(thrown.code === "ENOSPC" ? freeSpace(where) : [])],
    hint,
    exitCode: EXIT.environment,
    cause: thrown,
  });
}

const MAX_LINES = 15;

/** The three parts of a mistake: where and what, why, what to do. */
export function describeError(error: ProjectError): string {
  const place = error.where === undefined ? "" : `${error.where}  `;
  const [first = "", ...more] = error.message.split("\n");
  const why = [...more, ...error.why.flatMap((text) => text.split("\n"))].slice(0, MAX_LINES - 2);
  const hint = error.hint === undefined ? [] : [`to fix: ${error.hint}`];
  return [`${place}${first}`, ...[...why, ...hint].map((line) => `  ${line}`)].join("\n");
}

/** The text of anything thrown, with the causes that say more than the message itself. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const cause = thrown.cause instanceof Error ? thrown.cause.message : "";
  return cause && !thrown.message.includes(cause) ? `${thrown.message}: ${cause}` : thrown.message;
}
