import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../core/context.ts";
import { EXIT, messageOf, ProjectError, ProjectErrors, projectErrorsOf } from "../core/errors.ts";
import { codeProblem, loadProjectCode, placeInCode } from "../core/project-code.ts";
import type { SourceDefinition } from "../core/sillon.ts";
import { parseDefinition } from "./definitions/source.ts";

const SOURCES_FOLDER = "ingest/sources";

/**
 * Every source of the project: what each `ingest/sources/*.ts` exports as `source`. Throws ProjectErrors, all
 * mistakes at once (exit 2): SOURCE_UNREADABLE, SOURCE_MISSING, SOURCE_INVALID, SOURCE_REPEATED, STREAM_REPEATED.
 */
export async function loadSources(ctx: Context): Promise<SourceDefinition[]> {
  const folder = join(ctx.projectDir, SOURCES_FOLDER);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts") && !file.endsWith(".d.ts"));
  const found: { path: string; source: SourceDefinition }[] = [];
  const errors: ProjectError[] = [];
  for (const file of files.sort()) {
    const path = `${SOURCES_FOLDER}/${file}`;
    try {
      const source = parseSource(path, await loadModule(ctx, path));
      const twin = found.find((other) => other.source.name === source.name);
      if (twin !== undefined) errors.push(sourceRepeated(path, source.name, twin.path));
      errors.push(...repeatedStreams(path, source));
      found.push({ path, source });
    } catch (error) {
      const mistakes = projectErrorsOf(error);
      if (mistakes.length === 0) throw error;
      errors.push(...mistakes);
    }
  }
  if (errors.length > 0) throw new ProjectErrors(errors);
  return found.map(({ source }) => source);
}

async function loadModule(ctx: Context, path: string): Promise<unknown> {
  try {
    return loadProjectCode(ctx, path);
  } catch (error) {
    throw usageError("SOURCE_UNREADABLE", {
      message: `cannot be loaded: ${codeProblem(messageOf(error))}`,
      where: placeInCode(ctx, error, path),
      hint: "correct the file: it is TypeScript that exports a source",
      cause: error,
    });
  }
}

function parseSource(path: string, loaded: unknown): SourceDefinition {
  const exported = z.looseObject({ source: z.unknown() }).safeParse(loaded).data?.source;
  if (exported === undefined) {
    throw usageError("SOURCE_MISSING", {
      message: 'exports no "source"',
      where: path,
      hint: "write: export const source = defineSource({ … })",
    });
  }
  const parsed = parseDefinition(exported);
  if ("source" in parsed) return parsed.source;
  throw usageError("SOURCE_INVALID", {
    message: "the source is not defined as it has to be",
    where: path,
    why: parsed.mistakes,
    hint: "correct these members of the definition",
  });
}

function sourceRepeated(path: string, sourceName: string, otherPath: string): ProjectError {
  return usageError("SOURCE_REPEATED", {
    message: `a second source named "${sourceName}"`,
    where: path,
    why: [`the first one is in ${otherPath}`],
    hint: "give one of them another name: it names the schema of the raw tables",
  });
}

function repeatedStreams(path: string, source: SourceDefinition): ProjectError[] {
  const names = source.streams.map((stream) => stream.name);
  const repeated = new Set(names.filter((one, index) => names.indexOf(one) !== index));
  return [...repeated].map((one) =>
    usageError("STREAM_REPEATED", {
      message: `two streams named "${one}"`,
      where: path,
      hint: "give one of them another name: it names the raw table",
    }),
  );
}

function usageError(code: string, details: ConstructorParameters<typeof ProjectError>[1]): ProjectError {
  return new ProjectError(code, { ...details, exitCode: EXIT.usage });
}
