import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { writeCatalog } from "../../artifacts/catalog.ts";
import { writeManifest } from "../../artifacts/manifest.ts";
import { EXIT } from "../../core/errors.ts";
import type { CatalogRelation } from "../../engines/engine.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { catalogContent } from "../../runner/to-artifacts/catalog.ts";
import { manifestContent } from "../../runner/to-artifacts/manifest.ts";
import { manifestOptions, writeCompilation } from "../artifacts-step.ts";
import type { Outcome } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import { plural } from "../print.ts";
import { chooseNodes } from "../selection.ts";
import { nothingBuilt, withWarehouse } from "../warehouse.ts";
import { openGraph, type Workspace } from "../workspace.ts";

export interface DocsOptions extends SelectionOptions {
  /** `--no-compile` makes it false. */
  compile?: boolean;
  emptyCatalog?: boolean;
}

/** `run docs generate`: manifest.json, and catalog.json with the tables and columns that are there. */
export async function runDocs(workspace: Workspace, options: DocsOptions): Promise<Outcome> {
  const { ctx, folders } = workspace;
  const scope = openGraph(workspace);
  const selected = chooseNodes(workspace, scope, { ...options, mayBeEmpty: true });
  const plan = options.compile === false ? undefined : planGraph(workspace, scope, {});
  const relations = options.emptyCatalog ? [] : await catalogRelations(workspace);
  const catalog = catalogContent(scope, selected, relations);
  if (plan !== undefined) writeCompilation(workspace, plan);
  else writeManifest(ctx, folders.target, manifestContent(scope, new Map(), manifestOptions(workspace)));
  writeCatalog(ctx, folders.target, catalog);
  const [tables, sources] = [catalog.nodes.length, catalog.sources.length];
  const summary = `${plural(tables, "table")} and ${plural(sources, "source")} in catalog.json`;
  return {
    exitCode: EXIT.ok,
    summary,
    text: summary,
    json: { catalog: resolve(folders.target, "catalog.json"), nodes: tables, sources },
  };
}

/** Throws WAREHOUSE_MISSING (exit 1). */
async function catalogRelations(workspace: Workspace): Promise<CatalogRelation[]> {
  const warehouse = resolve(workspace.ctx.projectDir, workspace.target.duckdb.path);
  if (!existsSync(warehouse)) throw nothingBuilt(warehouse);
  return withWarehouse(workspace, "run docs", (engine) => engine.catalog());
}
