import type { ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { type Dialect, type Relation, type Session, SqlError } from "../../engines/engine.ts";
import type { KnownColumns } from "./column-types.ts";
import { runError } from "./errors.ts";
import type { Fixture, RowsFixture, SqlFixture } from "./fixture.ts";
import { castSql, type FilledColumn, isLossy, rowsQuery } from "./rows-sql.ts";

interface Given {
  dialect: Dialect;
  fixture: Fixture;
  known: KnownColumns;
  /** What the rows are of, for people: `ref('orders')`. */
  label: string;
}

/** Puts the rows of a fixture into a table of the columns that the real one has; what they do not name is null. */
export async function createInput(session: Session, relation: Relation, given: Given): Promise<void> {
  const { dialect, fixture } = given;
  if (fixture.kind === "sql") {
    const query = await sqlRowsQuery(session, { ...given, fixture });
    await session.replaceTable(relation, query).catch((error) => {
      throw error instanceof SqlError ? fixtureError(new SqlError(error.message, {}), fixture) : error;
    });
    return;
  }
  const columns = filledColumns(fixture, given);
  await withCellErrors(session, { dialect, fixture, columns }, () =>
    session.replaceTable(relation, rowsQuery(dialect, fixture, columns)),
  );
}

/** Runs what casts the rows; when it fails, finds the value at fault. Throws UNIT_TEST_VALUE. */
export async function withCellErrors<T>(
  session: Session,
  of: { dialect: Dialect; fixture: RowsFixture; columns: readonly FilledColumn[] },
  work: () => Promise<T>,
): Promise<T> {
  const lossy = lossyCell(of);
  if (lossy !== undefined) throw lossy;
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw (await wrongCell(session, of)) ?? error;
  }
}

function filledColumns(fixture: RowsFixture, { known, label }: Given): FilledColumn[] {
  const places = new Map(fixture.columns.map((name, place) => [name.toLowerCase(), place]));
  const names = known.columns.map(({ name }) => name);
  const isKnown = new Set(names.map((name) => name.toLowerCase()));
  const more = fixture.columns.filter((name) => !isKnown.has(name.toLowerCase()));
  const [unknown] = more;
  if (unknown !== undefined && !known.isOpen) throw columnUnknown(fixture, { column: unknown, label, names });
  return [
    ...known.columns.map(({ name, type, fits = null }) => {
      const place = places.get(name.toLowerCase()) ?? null;
      return { name, type: type ?? (place === null ? fits : null), place };
    }),
    ...more.map((name) => ({ name, type: null, place: places.get(name.toLowerCase()) ?? null })),
  ];
}

/** A column that rows name and their relation does not have. */
export function columnUnknown(
  fixture: Fixture,
  { column, label, names }: { column: string; label: string; names: readonly string[] },
): ProjectError {
  const row = fixture.kind === "rows" ? firstRowWith(fixture, column) : 0;
  const where = fixture.kind === "rows" ? fixture.placeOf(row, column) : fixture.where;
  return runError("UNIT_TEST_COLUMN", where, {
    message: `${label} has no column "${column}"`,
    why: [...nearestLine(column, names), `its columns: ${names.join(", ")}`],
    hint: "correct the name, or remove it",
  });
}

function firstRowWith({ rows, columns }: RowsFixture, column: string): number {
  const place = columns.indexOf(column);
  return Math.max(
    0,
    rows.findIndex((row) => row[place] !== null),
  );
}

function* cellsOf({ fixture, columns }: { fixture: RowsFixture; columns: readonly FilledColumn[] }) {
  for (const [row, values] of fixture.rows.entries()) {
    for (const { name, type, place } of columns) {
      const value = place === null ? null : (values[place] ?? null);
      if (value !== null && type !== null) yield { row, name, type, value };
    }
  }
}

function lossyCell(of: { fixture: RowsFixture; columns: readonly FilledColumn[] }): ProjectError | undefined {
  for (const cell of cellsOf(of)) if (isLossy(cell.value, cell.type)) return valueError(of.fixture, cell);
  return undefined;
}

async function wrongCell(
  session: Session,
  of: { dialect: Dialect; fixture: RowsFixture; columns: readonly FilledColumn[] },
): Promise<ProjectError | undefined> {
  for (const cell of cellsOf(of)) {
    const failed = await session
      .query(`select ${castSql(of.dialect, cell.value, cell.type)}`)
      .then(() => false)
      .catch(() => true);
    if (failed) return valueError(of.fixture, cell);
  }
  return undefined;
}

function valueError(
  fixture: RowsFixture,
  { row, name, type, value }: { row: number; name: string; type: string; value: unknown },
): ProjectError {
  return runError("UNIT_TEST_VALUE", fixture.placeOf(row, name), {
    message: `${JSON.stringify(value)} is not of type ${type}`,
    why: [`row ${row + 1}, column "${name}"`],
    hint: "correct the value, or the data_type of the column",
  });
}

async function sqlRowsQuery(session: Session, given: Given & { fixture: SqlFixture }): Promise<string> {
  const { dialect, fixture, known, label } = given;
  const sql = statementOf(fixture);
  const found = await columnsOfFixture(session, fixture);
  const names = known.columns.map(({ name }) => name);
  const types = new Map(known.columns.map(({ name, type }) => [name.toLowerCase(), type]));
  const unknown = found.find((name) => !types.has(name.toLowerCase()));
  if (unknown !== undefined && !known.isOpen) throw columnUnknown(fixture, { column: unknown, label, names });
  const isGiven = new Set(found.map((name) => name.toLowerCase()));
  const list = [
    ...found.map((name) => {
      const type = types.get(name.toLowerCase());
      const column = dialect.quote(name);
      return type ? `cast(${column} as ${type}) as ${column}` : column;
    }),
    ...known.columns
      .filter(({ name }) => !isGiven.has(name.toLowerCase()))
      .map(({ name, type }) => `cast(null as ${type ?? "varchar"}) as ${dialect.quote(name)}`),
  ];
  return `select ${list.join(", ")} from (\n${sql}\n) as given`;
}

/** The query of an SQL fixture, as a part of another. */
export function statementOf({ sql }: SqlFixture): string {
  return sql.replace(/[\s;]+$/, "");
}

/** The columns that an SQL fixture yields. Throws UNIT_TEST_FIXTURE. */
export async function columnsOfFixture(session: Session, fixture: SqlFixture): Promise<string[]> {
  try {
    return (await session.columnsOfQuery(statementOf(fixture))).map(({ name }) => name);
  } catch (error) {
    throw error instanceof SqlError ? fixtureError(error, fixture) : error;
  }
}

/** What the engine says of the SQL of a fixture. */
export function fixtureError(error: SqlError, fixture: SqlFixture): ProjectError {
  const [message = "", ...why] = error.message.split("\n").filter((line) => line.trim() !== "");
  return runError(
    "UNIT_TEST_FIXTURE",
    error.offset === undefined ? fixture.where : fixture.placeOf(error.offset),
    {
      message,
      why: why.slice(0, 3),
      hint: "correct the SQL of the rows: it stands alone, without ref and source",
      cause: error,
    },
  );
}
