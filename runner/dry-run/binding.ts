import type { CompiledNode } from "../graph/compile.ts";
import type { PlacedSql } from "../graph/ephemeral.ts";

const HEAD = "select * from (\n";
const TAIL = "\n) as dry_run limit 0";

/** The node with queries that the engine binds and plans and gives no row of, and without its hooks. */
export function boundOnly({ incremental, ...compiled }: CompiledNode): CompiledNode {
  const full = { ...withoutResult(compiled), hooks: { pre: [], post: [] } };
  return incremental === undefined ? full : { ...full, incremental: boundOnly(incremental) };
}

function withoutResult<T extends PlacedSql>(query: T): T {
  const inside = (offset: number) => Math.min(Math.max(0, offset - HEAD.length), query.sql.length);
  return {
    ...query,
    sql: `${HEAD}${query.sql}${TAIL}`,
    placeOf: (offset) => query.placeOf(inside(offset)),
    callOf: (offset) => query.callOf?.(inside(offset)),
  };
}
