import type { Engine } from "../engines/engine.ts";
import type { CompileScope } from "../runner/graph/compile.ts";
import { isEphemeral } from "../runner/graph/ephemeral.ts";
import { type ModelNode, modelsOf } from "../runner/graph/nodes.ts";
import { publishRelease, type Release } from "../runner/publish.ts";
import { chooseNodes } from "./selection.ts";
import type { Workspace } from "./workspace.ts";

/** The models that `publish.select` of project.yml shows to readers. */
export function modelsToPublish(workspace: Workspace, scope: CompileScope): ModelNode[] {
  const selected = chooseNodes(workspace, scope, { select: [workspace.project.publish.select] });
  return modelsOf(scope.graph).filter((model) => selected.has(model.id) && !isEphemeral(model));
}

export async function publishStep(
  workspace: Workspace,
  engine: Engine,
  models: readonly ModelNode[],
): Promise<Release> {
  const { ctx, folders, project } = workspace;
  return publishRelease(ctx, engine, { folder: folders.published, models, keep: project.publish.keep });
}
