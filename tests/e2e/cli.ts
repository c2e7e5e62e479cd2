import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const MAIN = join(ROOT, "dist/cli/main.js");

export interface CliResult {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd: string;
  env?: Record<string, string>;
  /** Given the child as soon as it runs, to send signals. */
  onStart?: (child: ReturnType<typeof spawn>) => void;
}

/** Runs the compiled command line as its users do. */
export function run(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const { PATH = "", HOME = "", TMPDIR = tmpdir() } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd,
      env: { PATH, HOME, TMPDIR, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, ...output }));
    options.onStart?.(child);
  });
}

/** A temporary folder that goes when the test has ended. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sillon-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A copy of this repository's project, without what it has made. */
export function copyProject(folder = temporaryFolder()): string {
  for (const part of ["project.yml", "profiles.yml", "models", "tests/data", "ingest/sources"]) {
    mkdirSync(join(folder, part, ".."), { recursive: true });
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  return folder;
}
