import type { Context } from "../core/context.ts";
import { type ProjectError, projectErrorsOf } from "../core/errors.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import { type Engine, relationKey } from "../engines/engine.ts";
import { hasCursorPerParent, planOfList } from "./child-parts.ts";
import { type CursorState, readCursor } from "./cursor/state.ts";
import { type LoadBounds, type LoadPlan, planLoad } from "./load-plan.ts";
import { parentRecords } from "./raw/parent-records.ts";
import { rawTables } from "./raw/tables.ts";
import type { Batch, Parent, Reader, StreamRange } from "./reader.ts";

/** What a load of a stream would be. */
export interface StreamPreview {
  source: string;
  stream: string;
  mode: LoadPlan["mode"];
  range: LoadPlan["range"];
  /** The stored cursor. */
  cursor: string | null;
  /** Records of the first page, and the pages that it announces; null when the source does not say. */
  firstRecords: number;
  pages: number | null;
  error: ProjectError | null;
}

export interface PreviewJob {
  ctx: Context;
  /** Null when there is no warehouse yet. */
  engine: Engine | null;
  source: SourceDefinition;
  stream: StreamDefinition;
  reader: Reader;
  bounds: LoadBounds;
  /** Of a child stream: its parent, and whether the load would begin with it. */
  parent: { name: string; isChosen: boolean } | undefined;
}

/** The first page came. */
class Seen extends Error {
  override readonly name = "Seen";
}

/** Asks for the first page of a stream and throws it away. A fault of the source is a result. */
export async function previewStream(job: PreviewJob): Promise<StreamPreview> {
  const { ctx, engine, source, stream, reader } = job;
  const state = await storedCursor(job);
  const plan = planLoad(stream, { bounds: job.bounds, state, isOfFiles: source.type === "files" });
  const preview: StreamPreview = {
    source: source.name,
    stream: stream.name,
    mode: plan.mode,
    range: plan.range,
    cursor: plan.known?.text ?? null,
    firstRecords: 0,
    pages: null,
    error: null,
  };
  const session = await engine?.openSession();
  try {
    await reader.read({
      stream: stream.name,
      range: { ...plan.range, limit: 1 },
      readsAgain: plan.readsAgain,
      warehouse:
        engine === null || session === undefined
          ? null
          : { engine, session, tables: rawTables(engine, source.name) },
      traffic: { requests: 0, retries: 0, sizeBytes: 0 },
      signal: ctx.signal,
      parents: () => parentsOf(job, plan.range),
      restart: async () => {},
      onBatch: async ({ records, lastNumber }: Batch) => {
        preview.firstRecords = records.length;
        preview.pages = Number.isFinite(lastNumber) ? lastNumber : null;
        throw new Seen();
      },
    });
  } catch (error) {
    ctx.signal.throwIfAborted();
    const [known] = projectErrorsOf(error);
    if (known === undefined && !(error instanceof Seen)) throw error;
    const isAwaited = known?.code === "PARENT_MISSING" && job.parent?.isChosen === true;
    preview.error = isAwaited ? null : (known ?? null);
  } finally {
    session?.close();
  }
  return preview;
}

async function* parentsOf(
  { engine, source, stream, parent, bounds }: PreviewJob,
  range: StreamRange,
): AsyncGenerator<Parent> {
  if (parent === undefined) throw new Error(`${stream.name} has no parent`);
  const names = { source: source.name, stream: stream.name, parent: parent.name };
  for await (const one of parentRecords({ engine, ...names, loading: undefined })) {
    const ownRange = hasCursorPerParent(stream) ? planOfList(stream, bounds, one).range : range;
    yield { key: one.key, text: one.text, range: { ...ownRange, limit: 1 } };
  }
}

async function storedCursor({ engine, source, stream }: PreviewJob): Promise<CursorState> {
  const nothing = { cursor: null, loadedAt: null };
  if (engine === null || stream.cursor === undefined || hasCursorPerParent(stream)) return nothing;
  const tables = rawTables(engine, source.name);
  const relations = await engine.relations();
  if (!relations.has(relationKey({ schema: tables.schema, name: "_loads" }))) return nothing;
  const session = await engine.openSession();
  try {
    return await readCursor({ engine, session, tables, stream: stream.name }, stream.cursor);
  } finally {
    session.close();
  }
}
