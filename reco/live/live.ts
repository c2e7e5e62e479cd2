import type { StateDatabase } from "../../state/database.ts";
import { type ModelAlias, readAliases } from "../../state/registry.ts";
import type { RecoSettings } from "../settings.ts";
import { type Outcomes, readSettled, readSuccess, type Success, timeIn } from "./success.ts";

/** How a version does with listeners on a shelf, in the last days whose outcomes are known. */
export interface LiveShelf extends Success {
  version: number;
  alias: ModelAlias;
  shelf: string;
  /** Of its first days, where those are over before the last ones begin. */
  first: Success | null;
  /** The share of all tracks that were shown, and the share of the lists that went to strangers. */
  coverage: number;
  fallbackRatio: number;
  lists: number;
}

const DAY_MS = 86_400_000;

/** Of champion and challenger, as far as they were shown. */
export async function readLive(
  outcomes: Outcomes,
  state: StateDatabase,
  { live, tracks }: { live: RecoSettings["live"]; tracks: string },
): Promise<LiveShelf[]> {
  const aliases = await readAliases(state);
  const shelves: LiveShelf[] = [];
  for (const alias of ["champion", "challenger"] as const) {
    const version = aliases[alias];
    if (version === undefined) continue;
    const settled = await readSettled(outcomes, version);
    if (settled === undefined) continue;
    const settledAfter = shifted(outcomes.now, -live.window_days);
    const last = await readSuccess(outcomes, version, { settledAfter });
    const firstUntil = shifted(settled.first, live.window_days);
    const first =
      firstUntil <= settledAfter
        ? await readSuccess(outcomes, version, { settledUntil: firstUntil })
        : new Map<string, Success>();
    const reach = await readReach(outcomes, { version, settledAfter, tracks });
    for (const [shelf, success] of last)
      shelves.push({
        version,
        alias,
        shelf,
        ...success,
        first: first.get(shelf) ?? null,
        ...(reach.get(shelf) ?? { coverage: 0, fallbackRatio: 0, lists: 0 }),
      });
  }
  return shelves;
}

async function readReach(
  { source: { engine, session }, impressions, now }: Outcomes,
  { version, settledAfter, tracks }: { version: number; settledAfter: string; tracks: string },
): Promise<Map<string, Pick<LiveShelf, "coverage" | "fallbackRatio" | "lists">>> {
  const time = timeIn(engine);
  const { rows } = await session.query(
    `select shelf, count(distinct track_id) / greatest(1, cast((select count(*) from ${tracks}) as double)),
  count(distinct list_key) filter (where is_fallback) / cast(count(distinct list_key) as double), count(distinct list_key)
from ${impressions}
where model_version = ${version} and attributed_until > ${time(settledAfter)} and attributed_until <= ${time(now)}
group by shelf`,
  );
  return new Map(
    rows.map(([shelf, coverage, fallbackRatio, lists]) => [
      String(shelf),
      { coverage: Number(coverage), fallbackRatio: Number(fallbackRatio), lists: Number(lists) },
    ]),
  );
}

export function shifted(iso: string, days: number): string {
  return new Date(Date.parse(iso) + days * DAY_MS).toISOString();
}
