import type { Session } from "../../engines/engine.ts";
import type { Breaches } from "./tally.ts";

/** Keys of what is to be landed that came more than once; `landed` is for SQL. */
export async function repeatedKeys(session: Session, landed: string): Promise<Breaches> {
  const { rows } = await session.query(
    `select count(*) over (), "key", page, "position" from (
  select "key", page, "position", row_number() over (partition by "key" order by page, "position") as place
  from ${landed} as landed where reason is null
) as placed where place = 2 order by page, "position" limit 1`,
  );
  const [count = 0, key, page, position] = rows[0] ?? [];
  if (Number(count) === 0) return { count: 0, first: null };
  const first = { key: String(key), page: Number(page), position: Number(position), what: "came before" };
  return { count: Number(count), first };
}
