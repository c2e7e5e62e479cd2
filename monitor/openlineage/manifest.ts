import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const column = z.looseObject({
  name: z.string(),
  description: z.string().default(""),
  data_type: z.string().nullish(),
});
const nodeSchema = z.looseObject({
  unique_id: z.string(),
  resource_type: z.string(),
  name: z.string(),
  database: z.string().nullish(),
  schema: z.string().nullish(),
  /** Of what is built; sources have an identifier. */
  alias: z.string().nullish(),
  identifier: z.string().nullish(),
  relation_name: z.string().nullish(),
  description: z.string().default(""),
  original_file_path: z.string().default(""),
  columns: z.record(z.string(), column).catch({}),
  depends_on: z.object({ nodes: z.array(z.string()).default([]) }).catch({ nodes: [] }),
  attached_node: z.string().nullish(),
  column_name: z.string().nullish(),
  test_metadata: z.looseObject({ name: z.string() }).nullish(),
  config: z.looseObject({ severity: z.string().nullish() }).catch({}),
});
export type ManifestNode = z.output<typeof nodeSchema>;

const manifestSchema = z.object({
  metadata: z.object({ invocation_id: z.string().nullish() }),
  nodes: z.record(z.string(), nodeSchema),
  sources: z.record(z.string(), nodeSchema),
  unit_tests: z.record(z.string(), nodeSchema).catch({}),
});
const resultsSchema = z.object({
  metadata: z.object({ invocation_id: z.string().nullish() }),
  results: z.array(
    z.object({
      unique_id: z.string(),
      timing: z.array(z.object({ started_at: z.string(), completed_at: z.string() })).default([]),
      compiled_code: z.string().nullish(),
    }),
  ),
});

/** What a command left in target/ about its nodes. */
export interface RunArtifacts {
  nodes: ReadonlyMap<string, ManifestNode>;
  results: ReadonlyMap<string, { startedAt: Date | null; endedAt: Date | null; sql: string | null }>;
}

/** The artifacts that this command wrote; null when it wrote none. */
export function readRunArtifacts(target: string, invocationId: string): RunArtifacts | null {
  const results = resultsSchema.safeParse(readJson(join(target, "runs", invocationId, "run_results.json")));
  if (!results.success) return null;
  const manifest = manifestSchema.safeParse(readJson(join(target, "manifest.json")));
  if (!manifest.success || manifest.data.metadata.invocation_id !== invocationId) return null;
  const { nodes, sources, unit_tests } = manifest.data;
  return {
    nodes: new Map(Object.entries({ ...nodes, ...sources, ...unit_tests })),
    results: new Map(
      results.data.results.map(({ unique_id, timing: [first], compiled_code }) => [
        unique_id,
        {
          startedAt: first === undefined ? null : new Date(first.started_at),
          endedAt: first === undefined ? null : new Date(first.completed_at),
          sql: compiled_code ?? null,
        },
      ]),
    ),
  };
}

function readJson(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : null;
}
