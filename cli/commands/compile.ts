import { EXIT, ProjectError } from "../../core/errors.ts";
import { compileInline } from "../../runner/graph/compile.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { writeCompilation } from "../artifacts-step.ts";
import type { Outcome } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import { plural } from "../print.ts";
import { openGraph, type Workspace } from "../workspace.ts";

export interface CompileOptions extends SelectionOptions {
  inline?: string;
}

/** `run compile`: the SQL of what is selected, without a warehouse; of one node, or `--inline`, on stdout. */
export function runCompile(workspace: Workspace, options: CompileOptions): Outcome {
  const scope = openGraph(workspace);
  if (options.inline !== undefined) {
    if (options.select ?? options.exclude ?? options.selector) throw inlineWithSelection();
    const { sql } = compileInline(workspace.ctx, scope, options.inline);
    return { exitCode: EXIT.ok, summary: "1 query compiled", text: sql, json: { compiled: sql } };
  }
  const plan = planGraph(workspace, scope, options);
  const compiled = writeCompilation(workspace, plan);
  const nodes = [...compiled].flatMap(([id, { sql }]) => {
    const node = scope.graph.nodes.get(id);
    return node === undefined ? [] : [{ id, name: node.name, kind: node.kind, sql }];
  });
  const subjects = nodes.filter(({ kind }) => kind !== "test");
  const [only] = subjects.length > 0 ? subjects : nodes;
  const isOne = (subjects.length || nodes.length) === 1;
  const tests = nodes.length - subjects.length;
  const summary = `${plural(subjects.length, "model")} and ${plural(tests, "test")} compiled into target/compiled`;
  return {
    exitCode: EXIT.ok,
    summary,
    text: isOne && only !== undefined ? only.sql : summary,
    json: { nodes: nodes.map(({ id, name, sql }) => ({ unique_id: id, name, compiled: sql })) },
  };
}

function inlineWithSelection(): ProjectError {
  return new ProjectError("COMPILE_USAGE", {
    message: "--inline goes with no selection",
    where: "run compile",
    hint: "leave one of them out",
    exitCode: EXIT.usage,
  });
}
