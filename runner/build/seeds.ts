import { join } from "node:path";
import type { Context } from "../../core/context.ts";
import { describeError, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { CsvValueError, type Engine, relationKey, type Session, SqlError } from "../../engines/engine.ts";
import { readsOf } from "../graph/ephemeral.ts";
import { type Graph, type ModelNode, type SeedNode, seedsOf } from "../graph/nodes.ts";
import { runInOrder } from "./execute.ts";
import type { SeedResult } from "./results.ts";
import { type SessionPool, withSession } from "./session-pool.ts";

/** The seeds that these models read and that were never loaded in this target. */
export async function missingSeeds(
  engine: Engine,
  graph: Graph,
  models: readonly ModelNode[],
): Promise<SeedNode[]> {
  const read = new Set(models.flatMap((model) => readsOf(graph, model)));
  const seeds = seedsOf(graph).filter((seed) => read.has(seed.id));
  if (seeds.length === 0) return [];
  const built = await engine.relations();
  return seeds.filter((seed) => !built.has(relationKey(seed.relation)));
}

/** Loads the seeds, each in one step: readers see its former rows or the new ones. `isEmpty` leaves out all rows. */
export async function loadSeedTables(
  ctx: Context,
  pool: SessionPool,
  seeds: readonly SeedNode[],
  { isEmpty = false }: { isEmpty?: boolean } = {},
): Promise<SeedResult[]> {
  if (seeds.length === 0) return [];
  await pool.engine.createSchemas(new Set(seeds.map((seed) => seed.relation.schema)));
  const byId = new Map(seeds.map((seed) => [seed.id, seed]));
  const results = await runInOrder([...byId.keys()], {
    dependencies: () => [],
    limit: pool.size,
    work: async (id) => {
      const node = byId.get(id);
      if (node === undefined) throw new Error(`no seed ${id} in this run`);
      const result = await withSession(pool, (session, thread) =>
        loadSeed(ctx, session, { node, thread, isEmpty }),
      );
      report(ctx, result);
      return result;
    },
  });
  return seeds.flatMap((seed) => results.get(seed.id) ?? []);
}

async function loadSeed(
  ctx: Context,
  session: Session,
  { isEmpty, ...of }: { node: SeedNode; thread: number; isEmpty: boolean },
): Promise<SeedResult> {
  const { node } = of;
  const startedAt = ctx.clock.now();
  const end = (outcome: Pick<SeedResult, "status" | "rows" | "error" | "reason">): SeedResult => {
    const endedAt = ctx.clock.now();
    const seconds = (endedAt.getTime() - startedAt.getTime()) / 1000;
    return { ...of, ...outcome, startedAt, endedAt, seconds };
  };
  const interrupted = {
    status: "skipped",
    rows: null,
    error: null,
    reason: "the run was interrupted",
  } as const;
  if (ctx.signal.aborted) return end(interrupted);
  try {
    const rows = await session.replaceTableFromCsv(node.relation, {
      path: join(ctx.projectDir, node.file),
      delimiter: node.config.delimiter,
      types: node.config.column_types,
      isEmpty,
    });
    return end({ status: "success", rows, error: null, reason: null });
  } catch (error) {
    if (ctx.signal.aborted) return end(interrupted);
    return end({ status: "error", rows: null, error: seedError(error, node), reason: null });
  }
}

function seedError(error: unknown, node: SeedNode): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (error instanceof CsvValueError) return csvProjectError(error, node);
  if (!(error instanceof SqlError)) throw error;
  const [message = "", ...why] = error.message.split("\n").filter((line) => line.trim() !== "");
  return new ProjectError("SEED_CSV", {
    message,
    where: `${node.file}:${/Line: (\d+)/.exec(message)?.[1] ?? "1:1"}`,
    why: why.slice(0, 3),
    hint: "correct the file, or its delimiter and column_types",
    cause: error,
  });
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

function report(ctx: Context, { node, status, rows, seconds, reason, error }: SeedResult): void {
  const fields = { seed: node.name, status, rows, seconds };
  if (status === "success") ctx.log.info("seed_loaded", `loaded ${node.name}`, fields);
  else if (status === "skipped") ctx.log.warn("seed_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (error !== null) ctx.log.error("seed_failed", describeError(error), fields);
}
