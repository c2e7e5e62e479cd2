import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { Outcome } from "../outcome.ts";
import type { Terminal } from "../terminal.ts";
import { starterFiles } from "./starter-files.ts";

/** `run init NAME`: a folder with a project that `run pipeline` builds and tests at once, without a network. */
export async function runInit(terminal: Terminal, name: string, version: string): Promise<Outcome> {
  const folder = resolve(terminal.cwd, name);
  const project = basename(folder).replace(/\W/g, "_");
  if (!/^[A-Za-z_]/.test(project)) {
    throw initError("INIT_NAME", {
      message: `"${name}" cannot name a project`,
      where: "run init",
      hint: "begin it with a letter: run init shop",
    });
  }
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw initError("INIT_EXISTS", {
      message: "the folder is not empty",
      where: folder,
      hint: "give another name, or empty the folder",
    });
  }
  const files = Object.entries(starterFiles(project, version));
  for (const [path, text] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { flag: "wx" });
  }
  const summary = `${files.length} files in ${name}`;
  const lines = files.map(([path]) => `  ${path}`);
  return {
    exitCode: EXIT.ok,
    summary,
    text: [`${summary}:`, ...lines, "", ...nextSteps(name)].join("\n"),
    json: { folder, project, files: files.map(([path]) => path) },
  };
}

function nextSteps(name: string): string[] {
  return [
    "next:",
    `  cd ${name}`,
    "  npx run pipeline               builds the models, tests them, publishes the marts",
    "  npx run show fct_daily_sales   shows the result",
    "  npx run doctor                 when something does not work",
  ];
}

function initError(code: string, details: { message: string; where: string; hint: string }): ProjectError {
  return new ProjectError(code, { ...details, exitCode: EXIT.usage });
}
