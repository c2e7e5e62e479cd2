import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";

/** What a manifest of an earlier run says of a node; the keys are dbt's. */
const entrySchema = z.looseObject({
  unique_id: z.string(),
  depends_on: z.looseObject({ nodes: z.array(z.string()).optional() }).nullish(),
});
export type FormerEntry = z.output<typeof entrySchema>;

const entries = z.record(z.string(), entrySchema).default({});
const manifestSchema = z.object({
  nodes: entries,
  sources: entries,
  exposures: entries,
  unit_tests: entries,
  macros: z.record(z.string(), z.looseObject({ macro_sql: z.string().default("") })).default({}),
});

export interface FormerManifest {
  /** By id: models, tests, sources and all else that can be selected. */
  nodes: ReadonlyMap<string, FormerEntry>;
  /** The text of each macro, by id. */
  macros: ReadonlyMap<string, string>;
}

/** manifest.json of an earlier run, ours or dbt's. Throws STATE_MISSING or STATE_INVALID (exit 2). */
export function readFormerManifest(folder: string): FormerManifest {
  const { macros, ...kinds } = readArtifact(folder, "manifest.json", manifestSchema);
  return {
    nodes: new Map(Object.values(kinds).flatMap((kind) => Object.entries(kind))),
    macros: new Map(Object.entries(macros).map(([id, { macro_sql }]) => [id, macro_sql])),
  };
}

const resultsSchema = z.object({ results: z.array(z.object({ unique_id: z.string(), status: z.string() })) });

/** The status of every node in an earlier run_results.json, by id. */
export function readFormerStatuses(folder: string): Map<string, string> {
  const { results } = readArtifact(folder, "run_results.json", resultsSchema);
  return new Map(results.map(({ unique_id, status }) => [unique_id, status]));
}

const batch = z.tuple([z.string(), z.string()]);
const runSchema = z.object({
  metadata: z.looseObject({ invocation_id: z.string().nullish() }),
  args: z.record(z.string(), z.unknown()).default({}),
  results: z.array(
    z.object({
      unique_id: z.string(),
      status: z.string(),
      batch_results: z.object({ failed: z.array(batch).default([]) }).nullish(),
    }),
  ),
});
export type FormerResults = z.output<typeof runSchema>;

/** An earlier run_results.json as it is: what was asked for and what became of it. */
export function readFormerResults(folder: string): FormerResults {
  return readArtifact(folder, "run_results.json", runSchema);
}

const sourcesSchema = z.object({
  results: z.array(z.object({ unique_id: z.string(), max_loaded_at: z.string().nullish() })),
});

/** When the newest record of every source was loaded, by id, in milliseconds. */
export function readLoadTimes(folder: string): Map<string, number> {
  const { results } = readArtifact(folder, "sources.json", sourcesSchema);
  return new Map(
    results.flatMap(({ unique_id, max_loaded_at }) =>
      max_loaded_at ? [[unique_id, Date.parse(max_loaded_at)] as const] : [],
    ),
  );
}

function readArtifact<T extends z.ZodType>(folder: string, name: string, schema: T): z.output<T> {
  const file = join(folder, name);
  if (!existsSync(file)) {
    throw new ProjectError("STATE_MISSING", {
      message: `there is no ${name}`,
      where: file,
      hint: "give --state a folder that holds the artifacts of an earlier run, such as a copy of target/",
      exitCode: EXIT.usage,
    });
  }
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    if (error instanceof Error && "syscall" in error) throw error;
    throw new ProjectError("STATE_INVALID", {
      message: `this is no ${name} of dbt or of this program`,
      where: file,
      why: [error instanceof z.ZodError ? z.prettifyError(error).split("\n", 2).join(" ") : messageOf(error)],
      hint: "copy it again from the run that wrote it",
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}
