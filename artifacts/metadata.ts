import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Context } from "../core/context.ts";
import { makeFolder, renameDurably } from "../core/durable.ts";
import { maskDocument } from "../core/secrets.ts";

/** The release of dbt whose artifact formats these are. */
const DBT_VERSION = "1.12.6";

export interface ArtifactMetadata {
  dbt_schema_version: string;
  dbt_version: string;
  generated_at: string;
  invocation_id: string;
  invocation_started_at: string;
  env: Record<string, string>;
}

const CUSTOM_ENV = "DBT_ENV_CUSTOM_ENV_";

export function artifactMetadata(
  ctx: Context,
  schema: "manifest/v12" | "run-results/v6" | "sources/v3" | "catalog/v1",
): ArtifactMetadata {
  const custom = Object.entries(ctx.env).filter(([name]) => name.startsWith(CUSTOM_ENV));
  return {
    dbt_schema_version: `https://schemas.getdbt.com/dbt/${schema}.json`,
    dbt_version: DBT_VERSION,
    generated_at: ctx.clock.now().toISOString(),
    invocation_id: ctx.invocationId,
    invocation_started_at: ctx.startedAt.toISOString(),
    env: Object.fromEntries(custom.map(([name, value]) => [name.slice(CUSTOM_ENV.length), value ?? ""])),
  };
}

/** Writes a document whole, to each of the files: a reader, even after the power failed, finds the former one or this one. Secrets in its texts are masked. */
export function writeArtifact(ctx: Context, files: readonly string[], document: unknown): void {
  const text = JSON.stringify(maskDocument(ctx.secrets, document));
  for (const file of files) {
    makeFolder(dirname(file));
    const unfinished = `${file}.${process.pid}.tmp`;
    writeFileSync(unfinished, text, { flush: true });
    renameDurably(unfinished, file);
  }
}
