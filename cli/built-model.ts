import type { Context } from "../core/context.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { relationKey } from "../engines/engine.ts";
import type { CompileScope } from "../runner/graph/compile.ts";
import { type ModelNode, modelsOf } from "../runner/graph/nodes.ts";
import type { ReadView } from "./warehouse.ts";

/** The model that a command names. Throws MODEL_UNKNOWN (exit 2). */
export function findModel(scope: CompileScope, name: string, command: string): ModelNode {
  const models = modelsOf(scope.graph);
  const model = models.find((candidate) => candidate.name === name);
  if (model !== undefined) return model;
  const names = models.map((candidate) => candidate.name);
  throw new ProjectError("MODEL_UNKNOWN", {
    message: `no model "${name}" in this project`,
    where: command,
    why: nearestLine(name, names),
    hint: "correct the name; run models --help says how models are named",
    exitCode: EXIT.usage,
  });
}

/** Throws MODEL_NOT_BUILT when there are no rows of the model to read. */
export async function checkBuilt({ engine, origin }: ReadView, model: ModelNode): Promise<void> {
  if ((await engine.relations()).has(relationKey(model.relation))) return;
  const isPublished = origin === "published";
  throw new ProjectError("MODEL_NOT_BUILT", {
    message: isPublished
      ? `${model.name} is not among the published tables`
      : `${model.name} was never built`,
    where: model.file,
    hint: isPublished
      ? "wait until the command that holds the warehouse has ended"
      : `build it first: run models --select ${model.name}`,
  });
}

export function tellPublished(ctx: Context): void {
  ctx.log.info(
    "published_read",
    "another command holds the warehouse: these rows are from the published copy",
  );
}
