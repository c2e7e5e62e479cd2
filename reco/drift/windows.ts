import type { RecoSource } from "../tables.ts";
import type { Compared, Stretch } from "./samples.ts";

/**
 * The last stretch of `windowDays` that is over, and the one before it, the newest first, as far as they
 * lie after the cut-off of the model: none while no day has ended since then. The reference is the last `referenceDays` of what the model learned from.
 */
export async function readWindows(
  { session, engine, tables }: RecoSource,
  {
    cutoff,
    newest,
    windowDays,
    referenceDays,
  }: { cutoff: string; newest: string; windowDays: number; referenceDays: number },
): Promise<Compared[]> {
  const moments = Array.from({ length: 2 }, (_, place) => ({
    from: earlier(newest, (place + 1) * windowDays),
    until: earlier(newest, place * windowDays),
  })).filter(({ until }) => until > cutoff);
  const windows: Compared[] = [];
  for (const { from, until } of moments) {
    const { rows } = await session.query(
      `select cast(max(cutoff) as varchar) from ${tables.featUsers}
where cutoff <= cast(${engine.literal(until)} as timestamp) and cutoff > cast(${engine.literal(cutoff)} as timestamp)`,
    );
    const found = rows[0]?.[0];
    windows.push({
      cutoff,
      reference: before(cutoff, referenceDays),
      shortReference: before(cutoff, windowDays),
      current: { from: from < cutoff ? cutoff : from, until },
      features: typeof found === "string" ? found : null,
    });
  }
  return windows;
}

function before(until: string, days: number): Stretch {
  return { from: earlier(until, days), until };
}

/** `2026-10-31 00:00:00`, so many days before. */
export function earlier(moment: string, days: number): string {
  const time = Date.parse(`${moment.replace(" ", "T")}Z`) - days * 86_400_000;
  return new Date(time).toISOString().slice(0, 19).replace("T", " ");
}
