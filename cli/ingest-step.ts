import { resolve } from "node:path";
import { z } from "zod";
import type { SourceDefinition } from "../core/sillon.ts";
import { validateYaml } from "../core/yaml.ts";
import type { Engine } from "../engines/engine.ts";
import type { LoadBounds } from "../ingest/load-plan.ts";
import type { StreamProgress } from "../ingest/progress.ts";
import type { Tape } from "../ingest/recording/tape.ts";
import { type IngestSettings, ingestSettings } from "../ingest/settings.ts";
import type { StreamResult } from "../ingest/stream-result.ts";
import { noteStreams } from "./lineage-notes.ts";
import { showProgress } from "./progress.ts";
import type { Workspace } from "./workspace.ts";

/** What `run ingest` needs, read and checked before anything is opened. */
export interface IngestPlan {
  sources: SourceDefinition[];
  settings: IngestSettings;
  streams: string[];
  /** Streams whose last load failed, and those never loaded. */
  onlyFailed: boolean;
  bounds: LoadBounds;
  /** Where the exchange with services is kept, or comes from. */
  tape?: Tape | undefined;
}

/** Whether the engine should be able to read PostgreSQL by itself. */
export function readsPostgres({ sources, streams }: IngestPlan): boolean {
  return sources.some(
    ({ type, name, streams: own }) =>
      type === "postgres" &&
      (streams.length === 0 ||
        own.some((one) => streams.includes(one.name) || streams.includes(`${name}.${one.name}`))),
  );
}

/** The folder of a recording to make, or of one to replay. */
export interface Recording {
  record?: string | undefined;
  replay?: string | undefined;
}

export async function planIngest(
  workspace: Workspace,
  streams: string[],
  {
    failed = false,
    bounds = {},
    recording = {},
  }: { failed?: boolean; bounds?: LoadBounds; recording?: Recording } = {},
): Promise<IngestPlan> {
  const { ctx } = workspace;
  const settings = readIngestSettings(workspace);
  // Commands that load nothing do without the HTTP client.
  const [{ checkIngest }, { loadSources }] = await Promise.all([
    import("../ingest/ingest.ts"),
    import("../ingest/load-sources.ts"),
  ]);
  const tape = await playerOf(workspace, recording);
  const plan = { sources: await loadSources(ctx), settings, streams, onlyFailed: failed, bounds, tape };
  checkIngest(ctx, plan);
  return { ...plan, tape: tape ?? (await recorderOf(workspace, recording, settings)) };
}

/** Throws RECORDING_MISSING, RECORDING_DAMAGED (exit 2). */
async function playerOf({ cwd }: Workspace, { replay }: Recording): Promise<Tape | undefined> {
  if (replay === undefined) return undefined;
  const { createPlayer } = await import("../ingest/recording/player.ts");
  return createPlayer(resolve(cwd, replay));
}

/** Throws RECORDING_EXISTS (exit 2). */
async function recorderOf(
  { ctx, cwd }: Workspace,
  { record }: Recording,
  settings: IngestSettings,
): Promise<Tape | undefined> {
  if (record === undefined) return undefined;
  const { createRecorder } = await import("../ingest/recording/recorder.ts");
  return createRecorder(ctx, resolve(cwd, record), settings);
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
  const progress: StreamProgress[] = [];
  const shown = showProgress(workspace, progress);
  try {
    return await ingest(workspace.ctx, engine, { ...plan, progress });
  } finally {
    shown.stop();
    noteStreams(workspace, plan.sources, progress);
  }
}
