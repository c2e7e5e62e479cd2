import { ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { SqlStreamDefinition } from "../../core/sillon.ts";

/** Throws COLUMN_UNKNOWN when the stream names a column that its rows do not have. */
export function checkColumns(name: string, stream: SqlStreamDefinition, columns: readonly string[]): void {
  const named = [
    ...stream.key.map((column) => ["key", column]),
    ...(stream.updatedAt === undefined ? [] : [["updatedAt", stream.updatedAt]]),
    ...(stream.cursor === undefined ? [] : [["cursor", stream.cursor.field]]),
  ];
  for (const [member, column = ""] of named) {
    if (columns.includes(column)) continue;
    throw new ProjectError("COLUMN_UNKNOWN", {
      message: `${name}: unknown column "${column}" in ${member}`,
      where: name,
      why: [...nearestLine(column, columns), `columns: ${columns.join(", ")}`],
      hint: "correct the name in the source's definition; capitals matter",
    });
  }
}

/** TABLE_UNKNOWN, to be thrown. */
export function tableUnknown(name: string, table: string, known: readonly string[]): ProjectError {
  return new ProjectError("TABLE_UNKNOWN", {
    message: `${name}: unknown table "${table}"`,
    where: name,
    why: nearestLine(table, known),
    hint: "correct the table in the source's definition, or let the user of the connection read it; capitals matter",
  });
}
