import { join } from "node:path";
import type { Context } from "../../core/context.ts";
import { ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { CsvValueError, type Session, SqlError } from "../../engines/engine.ts";
import type { SeedNode } from "../graph/nodes.ts";
import { executed, type Outcome } from "./outcome.ts";
import type { RelationResult } from "./results.ts";

/** Loads a seed in one step: readers see its former rows or the new ones. `isEmpty` leaves out all rows. */
export function loadSeed(
  ctx: Context,
  { session, thread }: { session: Session; thread: number },
  { node, isEmpty }: { node: SeedNode; isEmpty: boolean },
): Promise<RelationResult> {
  const work = async (): Promise<Outcome> => {
    const rows = await session.replaceTableFromCsv(node.relation, {
      path: join(ctx.projectDir, node.file),
      delimiter: node.config.delimiter,
      types: node.config.column_types,
      isEmpty,
    });
    return { status: "success", rows, error: null, reason: null };
  };
  const failureOf = (error: unknown) => ({ error: seedError(error, node) });
  return executed(ctx, { node, thread }, { work, failureOf });
}

/** What went wrong while a seed was loaded. */
export function seedError(error: unknown, node: SeedNode): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (error instanceof CsvValueError) return csvProjectError(error, node);
  if (!(error instanceof SqlError)) throw error;
  return new ProjectError("SEED_CSV", {
    ...csvMistake(error.message),
    where: `${node.file}:${/Line: (\d+)/.exec(error.message)?.[1] ?? "1:1"}`,
    hint: "correct the file, or its delimiter and column_types",
    cause: error,
  });
}

/** What the engine says of a line, in a sentence; its own words where they say something else. */
function csvMistake(text: string): { message: string; why: string[] } {
  const [told = text] = text.split(/^\s*Possible (?:fixes|solution).*/im);
  const [first = "", ...rest] = told.split("\n").filter((line) => line.trim() !== "");
  const original = /Original Line: ([\s\S]*?)\n(?:Expected Number|Value with)/.exec(told)?.[1]?.trimEnd();
  const why = original === undefined ? rest.slice(0, 3) : [`the line: ${original}`];
  const counts = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(told);
  if (counts !== null) return { message: `${fields(counts[2])}, and the header has ${counts[1]}`, why };
  if (/unterminated quote/i.test(told))
    return { message: "a quoted value does not end, or has something after its quote", why };
  return { message: first.replace(/^[A-Z][\w ]* Error: /, ""), why };
}

function fields(count = "no"): string {
  return count === "1" ? "the line has 1 field" : `the line has ${count} fields`;
}

function csvProjectError({ problem }: CsvValueError, node: SeedNode): ProjectError {
  if (problem.kind === "column") {
    return new ProjectError("SEED_COLUMN_UNKNOWN", {
      message: `column_types names "${problem.column}", and the file has no such column`,
      where: `${node.file}:1:1`,
      why: nearestLine(problem.column, problem.known),
      hint: `its columns are: ${problem.known.join(", ")}`,
    });
  }
  const { row, column, value, type } = problem;
  return new ProjectError("SEED_VALUE", {
    message: `"${column}" has ${JSON.stringify(value)}, which is not of type ${type}`,
    where: `${node.file}:${row + 1}`,
    why: [`row ${row} below the header`],
    hint: `correct the value, or give "${column}" another type under column_types`,
  });
}
