import { type Dialect, type Rows, type Session, SqlError } from "../../engines/engine.ts";
import type { UnitTestNode } from "../graph/nodes.ts";
import { compareRows, type Difference } from "./difference.ts";
import type { Fixture } from "./fixture.ts";
import { columnsOfFixture, columnUnknown, fixtureError, statementOf, withCellErrors } from "./inputs.ts";
import { rowsQuery } from "./rows-sql.ts";

interface Compared {
  dialect: Dialect;
  test: UnitTestNode;
  /** All that the model yields. */
  actual: Rows;
}

/**
 * Compares the columns that the expectation names, its values as values of the result's types. Null when the rows
 * are as expected. Throws UNIT_TEST_COLUMN, UNIT_TEST_VALUE, UNIT_TEST_FIXTURE.
 */
export async function differenceOf(session: Session, of: Compared): Promise<Difference | null> {
  const { test, actual } = of;
  const columns = await expectedColumns(session, test.expect);
  const places = placesIn(actual, columns ?? actual.columns, of);
  const chosen: Rows = {
    columns: places.map((place) => actual.columns[place] ?? ""),
    types: places.map((place) => actual.types[place] ?? ""),
    rows: actual.rows.map((row) => places.map((place) => row[place] ?? null)),
  };
  return compareRows(await expectedRows(session, of, chosen), chosen);
}

/** Null: no rows are expected, and any would be wrong. */
async function expectedColumns(session: Session, expect: Fixture): Promise<string[] | null> {
  if (expect.kind === "sql") return columnsOfFixture(session, expect);
  return expect.columns.length === 0 ? null : expect.columns;
}

function placesIn(actual: Rows, columns: readonly string[], { test }: Compared): number[] {
  const byName = new Map(actual.columns.map((name, place) => [name.toLowerCase(), place]));
  return columns.map((column) => {
    const place = byName.get(column.toLowerCase());
    if (place !== undefined) return place;
    const label = `what is expected of ${test.subject.split(".").slice(2).join(".")}`;
    throw columnUnknown(test.expect, { column, label, names: actual.columns });
  });
}

async function expectedRows(
  session: Session,
  { dialect, test: { expect } }: Compared,
  { columns, types }: Rows,
): Promise<Rows> {
  if (expect.kind === "sql") {
    const list = columns.map(
      (name, index) => `cast(${dialect.quote(name)} as ${types[index]}) as ${dialect.quote(name)}`,
    );
    return session
      .query(`select ${list.join(", ")} from (\n${statementOf(expect)}\n) as expected`)
      .catch((error) => {
        throw error instanceof SqlError ? fixtureError(error, expect) : error;
      });
  }
  if (expect.rows.length === 0) return { columns, types, rows: [] };
  const filled = columns.map((name, place) => ({ name, type: types[place] ?? null, place }));
  return withCellErrors(session, { dialect, fixture: expect, columns: filled }, () =>
    session.query(rowsQuery(dialect, expect, filled)),
  );
}
