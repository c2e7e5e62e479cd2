import { z } from "zod";
import type { SourceDefinition } from "../core/sillon.ts";
import { validateYaml } from "../core/yaml.ts";
import type { Engine } from "../engines/engine.ts";
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
}

export async function planIngest(
  { ctx, project }: Workspace,
  streams: string[],
  { failed = false }: { failed?: boolean } = {},
): Promise<IngestPlan> {
  const { ingest: settings } = validateYaml(
    project.file,
    z.looseObject({ ingest: ingestSettings.prefault({}) }),
  );
  // Commands that load nothing do without the HTTP client.
  const [{ checkIngest }, { loadSources }] = await Promise.all([
    import("../ingest/ingest.ts"),
    import("../ingest/load-sources.ts"),
  ]);
  const plan = { sources: await loadSources(ctx), settings, streams, onlyFailed: failed };
  checkIngest(ctx, plan);
  return plan;
}

export async function ingestStep(
  workspace: Workspace,
  engine: Engine,
  plan: IngestPlan,
): Promise<StreamResult[]> {
  const { ingest } = await import("../ingest/ingest.ts");
  return ingest(workspace.ctx, engine, plan);
}
