import type { SqlStreamDefinition } from "../../core/sillon.ts";
import type { StreamRange } from "../reader.ts";

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** `shop.orders` as `"shop"."orders"`. */
export function quoteTable(table: string): string {
  return table.split(".").map(quoteName).join(".");
}

/** What stands behind FROM; `head` is what stands before the query itself. */
export function fromOf({ table, query = "" }: SqlStreamDefinition): { head: string; text: string } {
  if (table !== undefined) return { head: "", text: quoteTable(table) };
  const head = "(\n";
  return { head, text: `${head}${query.replace(/;\s*$/, "")}\n)` };
}

/**
 * WHERE, ORDER BY and LIMIT of a reading. Rows whose cursor is null are always among them, since nobody can say whether
 * they were read before. A stream with a cursor comes in its order, nulls last.
 */
export function tailOf(
  stream: SqlStreamDefinition,
  range: StreamRange,
  literal: (value: string | number) => string,
): string {
  const parts: string[] = [];
  if (stream.cursor !== undefined) {
    const column = quoteName(stream.cursor.field);
    const bounds = [
      ...(range.since === null ? [] : [`${column} >= ${literal(range.since)}`]),
      ...(range.until === null ? [] : [`${column} < ${literal(range.until)}`]),
    ];
    if (bounds.length > 0) parts.push(`where (${bounds.join(" and ")} or ${column} is null)`);
    parts.push(`order by ${column} is null, ${column}`);
  }
  if (range.limit !== null) parts.push(`limit ${range.limit}`);
  return parts.join(" ");
}
