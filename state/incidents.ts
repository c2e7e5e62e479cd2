import type { StateDatabase } from "./database.ts";
import type { IncidentPartRow, IncidentRow } from "./monitor-tables.ts";

export interface Incident extends Omit<IncidentRow, "affected" | "owners" | "channels"> {
  affected: string[];
  owners: { name: string; email: string | null }[];
  channels: string[];
  parts: IncidentPartRow[];
}

/** Incidents with their parts, open ones first, then the newest. */
export async function listIncidents(
  state: Pick<StateDatabase, "selectFrom">,
  { status, limit = 100 }: { status?: IncidentRow["status"] | undefined; limit?: number } = {},
): Promise<Incident[]> {
  let query = state.selectFrom("incidents").selectAll();
  if (status !== undefined) query = query.where("status", "=", status);
  const rows = await query
    .orderBy("status")
    .orderBy("opened_at", "desc")
    .orderBy("title")
    .orderBy("id")
    .limit(limit)
    .execute();
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  const parts = await state
    .selectFrom("incident_parts")
    .selectAll()
    .where("incident_id", "in", ids)
    .orderBy("since")
    .orderBy("key")
    .execute();
  return rows.map((row) => ({
    ...row,
    affected: JSON.parse(row.affected),
    owners: JSON.parse(row.owners),
    channels: JSON.parse(row.channels),
    parts: parts.filter((part) => part.incident_id === row.id),
  }));
}

/** An incident as programs see it. */
export function incidentJson({ parts, ...incident }: Incident) {
  return {
    ...incident,
    parts: parts.map(({ incident_id: _id, is_bad, ...part }) => ({ ...part, is_bad: is_bad === 1 })),
  };
}
