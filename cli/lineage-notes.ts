import type { Context } from "../core/context.ts";
import { messageOf } from "../core/errors.ts";
import type { SourceDefinition } from "../core/sillon.ts";
import type { CatalogRelation, Engine } from "../engines/engine.ts";
import type { StreamProgress } from "../ingest/progress.ts";
import type { LoadedStream } from "../monitor/openlineage/told.ts";

/** What is noted while a command runs. */
export interface LineageNotes {
  /** The tables and views of the warehouse after the nodes were run. */
  relations: CatalogRelation[];
  engine: { name: string; version: string } | null;
  streams: LoadedStream[];
}

/** Notes what a load read, where anybody asks. */
export function noteStreams(
  { ctx, lineage }: { ctx: Context; lineage?: LineageNotes },
  sources: readonly SourceDefinition[],
  progress: readonly StreamProgress[],
): void {
  if (lineage === undefined) return;
  for (const one of progress) {
    const source = sources.find(({ name }) => name === one.source);
    const stream = source?.streams.find(({ name }) => name === one.stream);
    if (source !== undefined && stream !== undefined && one.startedMs > 0)
      lineage.streams.push({ source, stream, startedAt: new Date(one.startedMs), env: ctx.env });
  }
}

/** Notes the columns of all tables, where anybody asks. */
export async function noteRelations(
  ctx: Context,
  lineage: LineageNotes | undefined,
  engine: Engine,
): Promise<void> {
  if (lineage === undefined) return;
  try {
    const { engineVersion } = await import("../engines/duckdb.ts");
    lineage.engine = { name: "DuckDB", version: (await engineVersion()).replace(/^v/, "") };
    lineage.relations = await engine.catalog();
  } catch (error) {
    if (!ctx.signal.aborted) ctx.log.debug("lineage_columns", messageOf(error));
  }
}
