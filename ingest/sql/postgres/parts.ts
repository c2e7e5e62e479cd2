import type { Context } from "../../../core/context.ts";
import type { SqlSourceDefinition } from "../../../core/sillon.ts";
import type { HostGate } from "../../http/host-gate.ts";
import type { IngestSettings } from "../../settings.ts";
import type { PostgresPlace } from "./connection.ts";

/** What it takes to read a server. */
export interface PostgresParts {
  ctx: Context;
  settings: IngestSettings;
  source: SqlSourceDefinition;
  place: PostgresPlace;
  /** Connections at once. */
  gate: HostGate;
}
