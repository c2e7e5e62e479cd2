import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { type CliResult, copyProject, run } from "./cli.ts";

/** One mistake in a copy of this project, and what the command line has to say of it. */
export interface Mistake {
  args?: string;
  env?: Record<string, string>;
  /** Files that are written. */
  write?: Record<string, string>;
  /** A file, a text in it, and what stands there instead. */
  replace?: [file: string, text: string, by: string];
  remove?: string;
  exitCode?: number;
  /** How the first line begins; when it holds no place, the place of `at` in that file comes after it. */
  where: string;
  at?: string;
  message: string;
  help: string;
}

/** A copy of the project with the mistake in it. */
export function prepare({ write = {}, replace, remove }: Mistake): string {
  const folder = copyProject();
  for (const [file, text] of Object.entries(write)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  if (replace !== undefined) {
    const [file, text, by] = replace;
    const before = readFileSync(join(folder, file), "utf8");
    expect(before).toContain(text);
    writeFileSync(join(folder, file), before.replace(text, by));
  }
  if (remove !== undefined) rmSync(join(folder, remove), { recursive: true });
  return folder;
}

/** Makes the mistake and runs the command. */
export async function make(mistake: Mistake): Promise<CliResult & { cwd: string }> {
  const cwd = prepare(mistake);
  const words = (mistake.args ?? "models").match(/'[^']*'|\S+/g) ?? [];
  const args = words.map((word) => word.replace(/^'|'$/g, ""));
  return { cwd, ...(await run(args, { cwd, ...(mistake.env === undefined ? {} : { env: mistake.env }) })) };
}

function placeIn(cwd: string, { where, at }: Mistake): string {
  if (at === undefined) return where;
  const before = readFileSync(join(cwd, where), "utf8").split(at, 1)[0] ?? "";
  const lines = before.split("\n");
  return `${where}:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** What holds for every mistake. */
export function expectHelpful({ cwd, stderr }: CliResult & { cwd: string }, mistake: Mistake): void {
  const { message, help } = mistake;
  const [first = ""] = stderr.split("\n");
  expect(first.slice(0, placeIn(cwd, mistake).length)).toBe(placeIn(cwd, mistake));
  expect(first).toContain(message);
  expect(stderr).toContain(help);
  expect(stderr).toMatch(/\n {2}(to fix: |\(Did you mean )/);
  expect(stderr).not.toMatch(/^ {4}at |node:internal|mistake in sillon/m);
  expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(15);
}
