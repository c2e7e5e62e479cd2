import type { Context } from "../core/context.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import type { Engine } from "../engines/engine.ts";
import type { LoadBounds } from "./load-plan.ts";
import type { StreamProgress } from "./progress.ts";
import type { RawTables } from "./raw/tables.ts";
import type { Reader } from "./reader.ts";
import type { IngestSettings } from "./settings.ts";
import type { StreamResult } from "./stream-result.ts";

/** What it takes to load one stream. */
export interface StreamJob {
  ctx: Context;
  engine: Engine;
  settings: IngestSettings;
  source: SourceDefinition;
  stream: StreamDefinition;
  reader: Reader;
  tables: RawTables;
  bounds: LoadBounds;
  progress: StreamProgress;
  /** Of a child stream: its parent's name, and the load of it in this run, if there is one. */
  parent: { name: string; loading: Promise<StreamResult> | undefined } | undefined;
  /** What the code of all sources says, see `codeDigest`. */
  code: string | null;
  /** Lets one piece of work after another write to the source's tables. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}
