import { existsSync } from "node:fs";
import { join } from "node:path";
import { all, type Ground, none, type Report } from "./case.ts";
import { type Ended, inPairs, runCommand } from "./command.ts";
import type { Files } from "./folders.ts";

/** A file with one mistake, and what has to be said of it. */
export interface Malformed {
  what: string;
  text: string | Uint8Array;
  /** Files that it needs beside it. */
  beside?: Files;
  /** `line:column`. */
  at: string;
  says: string;
  /** A part of the lines below the first one. */
  hint: string;
  /** Found while rendering, which begins when all files can be read. */
  isRendered?: boolean;
  /** 1 for what only the engine finds. */
  exitCode?: 1 | 2;
}

export interface ReportedError {
  where: string | null;
  message: string;
  why: string[];
  hint: string | null;
}

/** Whether the file's mistake is among the errors: at its place, and with its hint. */
export interface Found {
  hasPlace: boolean;
  hasHint: boolean;
}

export function findMistake(errors: readonly ReportedError[], file: string, one: Malformed): Found {
  const here = errors.filter(({ where }) => where === `${file}:${one.at}`);
  const told = here.filter(({ message }) => message.includes(one.says));
  const below = ({ why, hint }: ReportedError) => [...why, hint ?? ""].join("\n");
  return {
    hasPlace: told.length > 0,
    hasHint: told.some((error) => error.hint !== null && below(error).includes(one.hint)),
  };
}

export function errorsOf({ stdout, stderr, exitCode }: Ended): ReportedError[] {
  try {
    const document = JSON.parse(stdout) as {
      errors?: ReportedError[];
      models?: { error: ReportedError | null }[];
    };
    return [...(document.errors ?? []), ...(document.models ?? []).flatMap(({ error }) => error ?? [])];
  } catch {
    throw new Error(`exit ${exitCode} without a JSON answer: ${stderr.slice(0, 500)}`);
  }
}

/** Each file alone in a project, then as many as go together in one, whose mistakes all have to be told at once. */
export async function runMalformed(
  { size, projects }: Ground,
  {
    list,
    toFiles,
  }: { list: readonly Malformed[]; toFiles: (one: Malformed, index: number) => [file: string, files: Files] },
): Promise<Report> {
  const failures: string[] = [];
  const counts = { place: 0, hint: 0, exit: 0, executed: 0, together: 0 };
  const known = list.map((one, index) => ({ one, made: toFiles(one, index), exitCode: one.exitCode ?? 2 }));
  const atOnce = known.filter(({ one, exitCode }) => exitCode === 2 && !one.isRendered);
  const check = (errors: readonly ReportedError[], { one, made: [file] }: (typeof known)[number]): Found => {
    const found = findMistake(errors, file, one);
    if (found.hasPlace && found.hasHint) return found;
    const near = errors.filter(({ where }) => where?.startsWith(`${file}:`));
    failures.push(
      `${one.what} (${file}:${one.at}): ${JSON.stringify(near.length > 0 ? near : errors.slice(0, 3))}`,
    );
    return found;
  };
  const cwd = projects.make(Object.assign({}, ...atOnce.map(({ made: [, files] }) => files)));
  const ended = await runCommand(["models", "--json", "--quiet"], { cwd });
  const errors = errorsOf(ended);
  for (const entry of atOnce) if (check(errors, entry).hasPlace) counts.together++;
  if (existsSync(join(cwd, "data/warehouse.duckdb"))) counts.executed++;
  const alone =
    size === "full" ? known : known.filter(({ exitCode }, index) => exitCode === 1 || index % 8 === 0);
  await inPairs(alone, async (entry) => {
    const folder = projects.make(entry.made[1]);
    const result = await runCommand(["models", "--json", "--quiet"], { cwd: folder });
    const found = check(errorsOf(result), entry);
    if (found.hasPlace) counts.place++;
    if (found.hasHint) counts.hint++;
    if (result.exitCode !== entry.exitCode) failures.push(`${entry.one.what}: exit ${result.exitCode}`);
    else counts.exit++;
    if (entry.exitCode === 2 && existsSync(join(folder, "data/warehouse.duckdb"))) counts.executed++;
  });
  return {
    figures: [
      { name: "files", value: list.length },
      all("told_at_once", counts.together, atOnce.length),
      all("right_position", counts.place, alone.length),
      all("hint", counts.hint, alone.length),
      all("right_exit_code", counts.exit, alone.length),
      none("something_executed", counts.executed),
    ],
    failures,
  };
}
