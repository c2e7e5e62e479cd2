import { z } from "zod";
import type { SourceDefinition } from "../core/sillon.ts";
import { validateYaml } from "../core/yaml.ts";
import type { Engine } from "../engines/engine.ts";
import type { LoadBounds } from "../ingest/load-plan.ts";
import { type IngestSettings, ingestSettings } from "../ingest/settings.ts";
import type { StreamResult } from "../ingest/stream-result.ts";
import type { Workspace } from "./workspace.ts";

/** What `run ingest` needs, read and checked before anything is opened. */
export interface IngestPlan {
  sources: SourceDefinition[];
  settings: IngestSettings;
  streams: string[];
  /** Streams whose last load failed, and those never loaded. */
  onlyFailed: boolean;
  bounds: LoadBounds;
}

export async function planIngest(
  workspace: Workspace,
  streams: string[],
  { failed = false, bounds = {} }: { failed?: boolean; bounds?: LoadBounds } = {},
): Promise<IngestPlan> {
  const { ctx } = workspace;
  const settings = readIngestSettings(workspace);
  // Commands that load nothing do without the HTTP client.
  const [{ checkIngest }, { loadSources }] = await Promise.all([
    import("../ingest/ingest.ts"),
    import("../ingest/load-sources.ts"),
  ]);
  const plan = { sources: await loadSources(ctx), settings, streams, onlyFailed: failed, bounds };
  checkIngest(ctx, plan);
  return plan;
}

/** The `ingest:` map of project.yml. Throws what is wrong with it (exit 2). */
export function readIngestSettings({ project }: Workspace): IngestSettings {
  return validateYaml(project.file, z.looseObject({ ingest: ingestSettings.prefault({}) })).ingest;
}

export async function ingestStep(
  workspace: Workspace,
  engine: Engine,
  plan: IngestPlan,
): Promise<StreamResult[]> {
  const { ingest } = await import("../ingest/ingest.ts");
  return ingest(workspace.ctx, engine, plan);
}
