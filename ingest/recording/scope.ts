import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { SourceDefinition } from "../../core/sillon.ts";

/** A database across the network is no part of a recording. Throws REPLAY_UNSUITED (exit 2). */
export function checkReplay(source: SourceDefinition): void {
  if (source.type !== "postgres") return;
  throw new ProjectError("REPLAY_UNSUITED", {
    message: `the source "${source.name}" is a PostgreSQL database, of which no recording holds anything`,
    where: `source ${source.name}`,
    why: ["--replay runs without network; requests over HTTP are recorded, local files are read as they are"],
    hint: "name the streams to replay: run ingest SOURCE.STREAM --replay FOLDER",
    exitCode: EXIT.usage,
  });
}

/** Tells of the sources whose exchange goes not over HTTP: they are loaded all the same. */
export function tellUnrecorded(ctx: Context, sources: Iterable<SourceDefinition>): void {
  for (const source of sources) {
    const what = unrecorded(source);
    if (what === undefined) continue;
    ctx.log.warn("source_unrecorded", `${source.name}: loaded and not recorded: ${what}`, {
      source: source.name,
    });
  }
}

function unrecorded(source: SourceDefinition): string | undefined {
  if (source.type === "postgres") return "it is a database, which a replay refuses";
  if (source.type === "sqlite") return "it is a local file, which a replay reads as it is then";
  if (source.type !== "files") return undefined;
  const isLocal = source.streams.some(({ path }) => !/^https?:\/\//i.test(path));
  return isLocal ? "its local files, which a replay reads as they are then" : undefined;
}
