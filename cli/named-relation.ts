import type { Context } from "../core/context.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { relationKey } from "../engines/engine.ts";
import type { CompileScope } from "../runner/graph/compile.ts";
import { modelsOf, type RelationNode, seedsOf, snapshotsOf, sourcesOf } from "../runner/graph/nodes.ts";
import type { ReadView } from "./warehouse.ts";

/** The model, seed, snapshot or source (`moovitamix.tracks`) that a command names. Throws MODEL_UNKNOWN (exit 2). */
export function findRelation({ graph }: CompileScope, name: string, command: string): RelationNode {
  const byName = new Map<string, RelationNode>(
    [...sourcesOf(graph), ...snapshotsOf(graph), ...seedsOf(graph), ...modelsOf(graph)].map((node) => [
      node.kind === "source" ? `${node.sourceName}.${node.name}` : node.name,
      node,
    ]),
  );
  const found = byName.get(name);
  if (found !== undefined) return found;
  throw new ProjectError("MODEL_UNKNOWN", {
    message: `no model, seed, snapshot or source "${name}" in this project`,
    where: command,
    why: nearestLine(name, [...byName.keys()]),
    hint: "correct the name; a source is named with its table, as in moovitamix.tracks",
    exitCode: EXIT.usage,
  });
}

const BUILT_BY = { model: "models", seed: "seed", snapshot: "snapshot" } as const;

/** Throws MODEL_NOT_BUILT when there are no rows of it to read. */
export async function checkBuilt({ engine, origin }: ReadView, node: RelationNode): Promise<void> {
  if ((await engine.relations()).has(relationKey(node.relation))) return;
  const isPublished = origin === "published";
  const isSource = node.kind === "source";
  throw new ProjectError("MODEL_NOT_BUILT", {
    message: isPublished
      ? `${node.name} is not among the published tables`
      : `${node.name} was never ${isSource ? "loaded" : "built"}`,
    where: node.file,
    hint: isPublished
      ? "wait until the command that holds the warehouse has ended"
      : isSource
        ? "load it first: run ingest"
        : `build it first: run ${BUILT_BY[node.kind]} --select ${node.name}`,
  });
}

export function tellPublished(ctx: Context): void {
  ctx.log.info(
    "published_read",
    "another command holds the warehouse: these rows are from the published copy",
  );
}
