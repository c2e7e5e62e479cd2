import { EXIT, ProjectError } from "../../core/errors.ts";
import { formatStreams, summarizeStreams } from "../answers.ts";
import { ingestStep, planIngest } from "../ingest-step.ts";
import { streamJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import type { CommonOptions, Workspace } from "../workspace.ts";

export interface IngestCommandOptions extends CommonOptions {
  failed?: boolean;
}

/** `run ingest [stream…]`: what the sources hold now, into the raw tables. */
export async function runIngest(
  workspace: Workspace,
  terminal: Terminal,
  streams: string[],
  options: IngestCommandOptions,
): Promise<Outcome> {
  const plan = await planIngest(workspace, streams, options);
  if (plan.sources.length === 0) throw sourcesMissing();
  const results = await withWarehouse(workspace, "run ingest", (engine) =>
    ingestStep(workspace, engine, plan),
  );
  if (results.length === 0) return nothingFailed();
  const summary = summarizeStreams(results);
  return {
    exitCode: exitCodeFor(
      results,
      results.some(({ status }) => status !== "ok"),
    ),
    summary,
    text: `${formatStreams(results, terminal.colors)}\n\n${summary}`,
    json: { streams: results.map(streamJson) },
  };
}

function nothingFailed(): Outcome {
  const summary = "nothing to load: the last load of every stream went well";
  return { exitCode: EXIT.ok, summary, text: summary, json: { streams: [] } };
}

function sourcesMissing(): ProjectError {
  return new ProjectError("SOURCES_MISSING", {
    message: "this project has no sources",
    where: "ingest/sources/",
    hint: "add a file such as ingest/sources/moovitamix.ts; docs/from-dlt.md shows one",
    exitCode: EXIT.usage,
  });
}
