import { join } from "node:path";
import type { Context } from "../core/context.ts";
import { artifactMetadata, writeArtifact } from "./metadata.ts";

/** What a database knows of one table or view; keys as in dbt's catalog version 1. */
export interface CatalogEntry {
  unique_id: string;
  metadata: {
    type: string;
    schema: string;
    name: string;
    database: string | null;
    comment: string | null;
    owner: string | null;
  };
  columns: Record<string, { type: string; index: number; name: string; comment: string | null }>;
  stats: Record<string, CatalogStat>;
}

export interface CatalogStat {
  id: string;
  label: string;
  value: boolean | string | number | null;
  include: boolean;
  description: string;
}

/** Writes target/catalog.json. */
export function writeCatalog(
  ctx: Context,
  target: string,
  content: { nodes: readonly CatalogEntry[]; sources: readonly CatalogEntry[] },
): void {
  const byId = (entries: readonly CatalogEntry[]) =>
    Object.fromEntries(entries.map((entry) => [entry.unique_id, entry]));
  writeArtifact(ctx, [join(target, "catalog.json")], {
    metadata: artifactMetadata(ctx, "catalog/v1"),
    nodes: byId(content.nodes),
    sources: byId(content.sources),
    errors: null,
  });
}
