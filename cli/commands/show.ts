import { parseAsOf } from "../../core/as-of.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { type Rows, SqlError } from "../../engines/engine.ts";
import { sqlProjectError } from "../../runner/build/models.ts";
import { type CompiledNode, type CompileScope, compileInline } from "../../runner/graph/compile.ts";
import { isEphemeral } from "../../runner/graph/ephemeral.ts";
import type { RelationNode } from "../../runner/graph/nodes.ts";
import { toCell } from "../answers.ts";
import { asQueries, checkAsOf } from "../as-of.ts";
import { rowJson } from "../json.ts";
import { checkBuilt, findRelation, tellPublished } from "../named-relation.ts";
import type { Outcome } from "../outcome.ts";
import { formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { type ReadView, withReadView, withWarehouse } from "../warehouse.ts";
import { openGraph, type Workspace } from "../workspace.ts";

export interface ShowOptions {
  inline?: string;
  asOf?: string;
  limit: number;
}

/** `run show NAME` and `run show --inline SQL`: rows, from the published copy while the warehouse is held. */
export async function runShow(
  workspace: Workspace,
  terminal: Terminal,
  { model, options }: { model: string | undefined; options: ShowOptions },
): Promise<Outcome> {
  if ((model === undefined) === (options.inline === undefined)) throw showUsage();
  const scope = openGraph(workspace);
  if (options.asOf !== undefined) return showAsOf(workspace, terminal, { model, options, scope });
  const node = model === undefined ? undefined : findRelation(scope, model, "run show");
  const query =
    node === undefined ? compileInline(workspace.ctx, scope, options.inline ?? "") : rowsQuery(scope, node);
  const { rows, origin } = await withReadView(workspace, "run show", async (view) => {
    if (node !== undefined) await checkBuilt(view, node);
    return { rows: await previewRows(view, query, options.limit), origin: view.origin };
  });
  if (origin === "published") tellPublished(workspace.ctx);
  return shown(rows, origin, terminal);
}

function shown(rows: Rows, origin: ReadView["origin"], terminal: Terminal): Outcome {
  return {
    exitCode: EXIT.ok,
    summary: plural(rows.rows.length, "row"),
    text: formatTable(
      rows.columns,
      rows.rows.map((row) => row.map(toCell)),
      terminal.colors,
    ),
    json: {
      from: origin,
      columns: rows.columns,
      types: rows.types,
      rows: rows.rows.map((row) => rowJson(rows, row)),
    },
  };
}

/** What the model's or the command line's query makes of the sources as they were; no table of a model is read. */
async function showAsOf(
  workspace: Workspace,
  terminal: Terminal,
  { model, options, scope }: { model: string | undefined; options: ShowOptions; scope: CompileScope },
): Promise<Outcome> {
  const asOf = parseAsOf(options.asOf ?? "");
  const then = { ...scope, graph: asQueries(scope.graph), asOf };
  const sql =
    model === undefined ? (options.inline ?? "") : asOfQuery(findRelation(scope, model, "run show"));
  const query = compileInline(workspace.ctx, then, sql);
  const rows = await withWarehouse(workspace, "run show --as-of", async (engine) => {
    await checkAsOf(workspace.ctx, engine, asOf);
    const view = { engine, origin: "warehouse" as const };
    return previewRows(view, query, options.limit);
  });
  return shown(rows, "warehouse", terminal);
}

function showUsage(): ProjectError {
  return new ProjectError("SHOW_USAGE", {
    message: "name a model, seed, snapshot or source, or give --inline SQL, not both",
    where: "run show",
    hint: `run show fct_listens, or run show --inline "select 1"`,
    exitCode: EXIT.usage,
  });
}

/** The sources keep what was; seeds and snapshots are what they are now. */
function asOfQuery(node: RelationNode): string {
  if (node.kind === "model") return `select * from {{ ref('${node.name}') }}`;
  if (node.kind === "source") return `select * from {{ source('${node.sourceName}', '${node.name}') }}`;
  throw new ProjectError("SHOW_USAGE", {
    message: `"${node.name}" is a ${node.kind}: it cannot be read as of another time`,
    where: "run show",
    hint: "leave --as-of out, or name a model or a source",
    exitCode: EXIT.usage,
  });
}

function rowsQuery({ dialect }: CompileScope, node: RelationNode): CompiledNode {
  if (node.kind === "model" && isEphemeral(node)) {
    throw new ProjectError("MODEL_EPHEMERAL", {
      message: `"${node.name}" is ephemeral: there is no table of it to show`,
      where: node.file,
      hint: `run show --inline "select * from {{ ref('${node.name}') }}"`,
      exitCode: EXIT.usage,
    });
  }
  return { sql: `select * from ${dialect.nameOf(node.relation)}`, placeOf: () => node.file };
}

async function previewRows(view: ReadView, query: CompiledNode, limit: number): Promise<Rows> {
  const session = await view.engine.openSession();
  const head = "select * from (\n";
  try {
    return await session.query(`${head}${query.sql}\n) as preview limit ${limit}`);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const inside = error.inside({ start: head.length, length: query.sql.length });
    throw sqlProjectError("SHOW_SQL", inside, { compiled: query, fallback: "--inline:1:1" });
  } finally {
    session.close();
  }
}
