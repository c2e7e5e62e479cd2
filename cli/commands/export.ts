import { copyFileSync, createReadStream, rmSync, statSync } from "node:fs";
import { dirname, extname, resolve } from "node:path";
import { makeFolder, renameDurably, syncPath } from "../../core/durable.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { type FileFormat, SqlError } from "../../engines/engine.ts";
import { sqlProjectError } from "../../runner/build/models.ts";
import type { RelationNode } from "../../runner/graph/nodes.ts";
import type { Output } from "../invocation.ts";
import { checkBuilt, findRelation, tellPublished } from "../named-relation.ts";
import type { Outcome } from "../outcome.ts";
import { plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import { exportFile, type ReadView, withReadView } from "../warehouse.ts";
import { openGraph, type Workspace } from "../workspace.ts";

export interface ExportOptions {
  format?: FileFormat;
  output?: string;
}

/** `run export NAME`: all its rows as a file or on stdout, from the published copy while the warehouse is held. */
export async function runExport(
  workspace: Workspace,
  terminal: Terminal,
  { model, options }: { model: string; options: ExportOptions },
): Promise<Outcome> {
  const format = formatOf(options, { isJson: workspace.options.json ?? false });
  const node = findRelation(openGraph(workspace), model, "run export");
  const { ctx, folders } = workspace;
  makeFolder(folders.target);
  // The engine may write this file only; whoever reads the output never sees a part of it.
  const unfinished = exportFile(workspace, format);
  try {
    const { rows, origin } = await withReadView(workspace, "run export", async (view) => ({
      rows: await writeRows(view, node, { file: unfinished, format }),
      origin: view.origin,
    }));
    if (origin === "published") tellPublished(ctx);
    const sizeBytes = statSync(unfinished).size;
    const output = options.output === undefined ? null : resolve(terminal.cwd, options.output);
    if (output === null) await sendFile(unfinished, terminal.stdout);
    else moveFile(unfinished, output);
    const summary = `${plural(rows, "row")} of ${model} as ${format}`;
    return {
      exitCode: EXIT.ok,
      summary,
      text: output === null ? "" : `${summary}: ${options.output}`,
      json: { from: origin, model, format, output, rows, size_bytes: sizeBytes },
    };
  } finally {
    rmSync(unfinished, { force: true });
  }
}

const ENDINGS: Record<string, FileFormat> = {
  ".parquet": "parquet",
  ".csv": "csv",
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
};

function formatOf({ format, output }: ExportOptions, { isJson }: { isJson: boolean }): FileFormat {
  const chosen = format ?? ENDINGS[extname(output ?? "").toLowerCase()] ?? "csv";
  if (output !== undefined || (chosen !== "parquet" && !isJson)) return chosen;
  throw new ProjectError("EXPORT_USAGE", {
    message: isJson ? "with --json the rows need a file to go to" : "parquet cannot be written to stdout",
    where: "run export",
    hint: `give a file: --output rows.${chosen}`,
    exitCode: EXIT.usage,
  });
}

async function writeRows(
  view: ReadView,
  node: RelationNode,
  { file, format }: { file: string; format: FileFormat },
): Promise<number> {
  await checkBuilt(view, node);
  try {
    return await view.engine.copyTo(file, node.relation, format);
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const compiled = { sql: "", placeOf: () => node.file };
    throw sqlProjectError("EXPORT_SQL", error, { compiled, fallback: `${node.file}:1:1` });
  }
}

async function sendFile(file: string, output: Output): Promise<void> {
  for await (const part of createReadStream(file, "utf8")) {
    output.write(String(part));
    await output.flush();
  }
}

/** In one step, to another file system as well. */
export function moveFile(from: string, to: string): void {
  makeFolder(dirname(to));
  syncPath(from);
  try {
    renameDurably(from, to);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
    // Another file system: beside its place first, so that the last step is a rename there too.
    const beside = `${to}.part`;
    try {
      copyFileSync(from, beside);
      syncPath(beside);
      renameDurably(beside, to);
    } finally {
      rmSync(beside, { force: true });
    }
  }
}
