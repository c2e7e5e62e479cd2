import { EXIT, ProjectError, ProjectErrors } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { type Rows, relationKey, SqlError } from "../../engines/engine.ts";
import { type CompiledNode, type CompileScope, compileInline } from "../../runner/compile.ts";
import { isEphemeral } from "../../runner/ephemeral.ts";
import { sqlProjectError } from "../../runner/models.ts";
import { modelsOf } from "../../runner/nodes.ts";
import { toCell } from "../answers.ts";
import { rowJson } from "../json.ts";
import type { Outcome } from "../outcome.ts";
import { formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type ReadView, type Workspace, withReadView } from "../workspace.ts";

export interface ShowOptions {
  inline?: string;
  limit: number;
}

/** `run show MODEL` and `run show --inline SQL`: rows, from the published copy while the warehouse is held. */
export async function runShow(
  workspace: Workspace,
  terminal: Terminal,
  { model, options }: { model: string | undefined; options: ShowOptions },
): Promise<Outcome> {
  if ((model === undefined) === (options.inline === undefined)) throw showUsage();
  const scope = openGraph(workspace);
  const query =
    model === undefined
      ? compileInline(workspace.ctx, scope, options.inline ?? "")
      : modelQuery(scope, model);
  const { rows, origin } = await withReadView(workspace, "run show", async (view) => ({
    rows: await previewRows(view, query, { model, limit: options.limit, scope }),
    origin: view.origin,
  }));
  if (origin === "published") {
    workspace.ctx.log.info(
      "published_read",
      "another command holds the warehouse: these rows are from the published copy",
    );
  }
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

function showUsage(): ProjectError {
  return new ProjectError("SHOW_USAGE", {
    message: "name a model, or give --inline SQL, not both",
    where: "run show",
    hint: `run show fct_listens, or run show --inline "select 1"`,
    exitCode: EXIT.usage,
  });
}

function modelQuery(scope: CompileScope, name: string): CompiledNode {
  const models = modelsOf(scope.graph);
  const model = models.find((candidate) => candidate.name === name);
  if (model === undefined) {
    throw new ProjectErrors([
      new ProjectError("MODEL_UNKNOWN", {
        message: `no model "${name}" in this project`,
        where: "run show",
        why: nearestLine(
          name,
          models.map((candidate) => candidate.name),
        ),
        hint: "correct the name; run models --help says how models are named",
        exitCode: EXIT.usage,
      }),
    ]);
  }
  if (isEphemeral(model)) {
    throw new ProjectError("MODEL_EPHEMERAL", {
      message: `"${name}" is ephemeral: there is no table of it to show`,
      where: model.file,
      hint: `run show --inline "select * from {{ ref('${name}') }}"`,
      exitCode: EXIT.usage,
    });
  }
  return { sql: `select * from ${scope.dialect.nameOf(model.relation)}`, placeOf: () => model.file };
}

async function previewRows(
  { engine, origin }: ReadView,
  query: CompiledNode,
  of: { model: string | undefined; limit: number; scope: CompileScope },
): Promise<Rows> {
  const node = modelsOf(of.scope.graph).find(({ name }) => name === of.model);
  if (node !== undefined && !(await engine.relations()).has(relationKey(node.relation))) {
    throw new ProjectError("MODEL_NOT_BUILT", {
      message:
        origin === "published"
          ? `${node.name} is not among the published tables`
          : `${node.name} was never built`,
      where: node.file,
      hint:
        origin === "published"
          ? "wait until the command that holds the warehouse has ended"
          : `build it first: run models --select ${node.name}`,
    });
  }
  const session = await engine.openSession();
  const head = "select * from (\n";
  try {
    return await session.query(`${head}${query.sql}\n) as preview limit ${of.limit}`);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const inside = error.inside({ start: head.length, length: query.sql.length });
    throw sqlProjectError("SHOW_SQL", inside, { compiled: query, fallback: "--inline:1:1" });
  } finally {
    session.close();
  }
}
