import type { Transaction } from "kysely";
import type { StateTables } from "../../state/database.ts";
import type { Incident } from "../../state/incidents.ts";
import type { Severity } from "../../state/monitor-tables.ts";
import type { MonitorSettings } from "../settings.ts";
import type { Lineage } from "./lineage.ts";

export type Changes = Transaction<StateTables>;

export interface Settling {
  project: string;
  settings: MonitorSettings;
  lineage: Lineage;
  runId: string | null;
}

/** An incident while findings are sorted into it. */
export interface Open extends Omit<Incident, "parts"> {
  isNew: boolean;
  /** Names of channels that its findings are for; null is all. */
  wanted: Set<string> | null;
  parts: Map<string, { title: string; message: string; severity: Severity; isBad: boolean }>;
  /** The title of the incident that it became a part of. */
  joined?: string;
  /** How severe it was before this run made it worse. */
  formerSeverity?: Severity;
}
