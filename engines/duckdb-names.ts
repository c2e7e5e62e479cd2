export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

/** An expression that is `value`. DuckDB reads a statement up to the first NUL, so that one is written as a call. */
export function literal(value: string): string {
  if (!value.includes("\0")) return `'${value.replaceAll("'", "''")}'`;
  return `(${value.split("\0").map(literal).join(" || chr(0) || ")})`;
}
