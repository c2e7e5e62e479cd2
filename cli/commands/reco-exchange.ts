import { existsSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { makeFolder, writeDurably } from "../../core/durable.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { exportParts, findCutoff } from "../../reco/exchange/export.ts";
import { type Registration, registerModel } from "../../reco/exchange/register.ts";
import { readErased } from "../../reco/feedback/erased.ts";
import { evaluateVersion } from "../../reco/train/evaluate-version.ts";
import { weightsOf } from "../../reco/train/interactions.ts";
import { collectStep } from "../collect-step.ts";
import type { Outcome } from "../outcome.ts";
import { plural } from "../print.ts";
import { type RecoPlace, trainOptions, withReco } from "../reco-step.ts";
import type { Terminal } from "../terminal.ts";
import { exportFile } from "../warehouse.ts";
import type { Workspace } from "../workspace.ts";
import { moveFile } from "./export.ts";
import { formatJudgement, judgementJson } from "./reco.ts";
import { modelOf } from "./reco-registry.ts";

/** `run reco evaluate [VERSION]`: a version measured by the newest days, as an experiment. */
export async function runRecoEvaluate(
  workspace: Workspace,
  { colors }: Terminal,
  version: string | undefined,
): Promise<Outcome> {
  const { model, found } = await withReco(workspace, "run reco evaluate", async (place) => {
    const model = await modelOf(place.state, version, "run reco evaluate");
    const options = await trainOptions(workspace, place);
    return { model, found: await evaluateVersion(workspace.ctx, place, model, options) };
  });
  const { experiment, judgement, split, hasSeenTest } = found;
  const { discover, popularity } = judgement;
  const summary = `model v${model.version}: ndcg ${discover.metrics.ndcg.toFixed(3)}, popularity ${popularity.metrics.ndcg.toFixed(3)} (experiment ${experiment})`;
  const seen = hasSeenTest
    ? ["it may have learned from these days: the figures are too good to be believed", ""]
    : [];
  return {
    exitCode: EXIT.ok,
    summary,
    text: [
      `v${model.version} (${model.kind}) by what was listened from ${split.from.slice(0, 10)} until ${split.until.slice(0, 10)}`,
      "",
      formatJudgement(found, colors),
      "",
      ...seen,
      summary,
    ].join("\n"),
    json: {
      experiment,
      model_version: model.version,
      kind: model.kind,
      split,
      has_seen_test: hasSeenTest,
      ...judgementJson(found),
    },
  };
}

export interface RecoExportOptions {
  cutoff: string;
  format: "parquet" | "csv";
  output?: string;
}

interface ExportedFile {
  name: string;
  rows: number;
  columns: { name: string; type: string }[];
}

/** `run reco export`: what was known before a cut-off, as files; `manifest.json` comes last and says what they are. */
export async function runRecoExport(
  workspace: Workspace,
  terminal: Terminal,
  { cutoff: wanted, format, output }: RecoExportOptions,
): Promise<Outcome> {
  const folder =
    output === undefined ? join(workspace.folders.target, "reco-export") : resolve(terminal.cwd, output);
  const { cutoff, files } = await withReco(workspace, "run reco export", async (place) => {
    await collectStep(workspace, place);
    const cutoff = await findCutoff(place.source, wanted);
    makeFolder(workspace.folders.target);
    makeFolder(folder);
    const manifest = join(folder, "manifest.json");
    rmSync(manifest, { force: true });
    const files = await writeParts(workspace, place, { cutoff, format, folder });
    const { dataVersion } = await trainOptions(workspace, place);
    writeDurably(
      manifest,
      `${JSON.stringify({ cutoff, data_version: dataVersion, format, files }, null, 2)}\n`,
    );
    return { cutoff, files };
  });
  const summary = `${plural(files.length, "file")} as of ${cutoff} in ${output ?? "target/reco-export"}`;
  const lines = files.map(({ name, rows }) => `  ${name}  ${plural(rows, "row")}`);
  return {
    exitCode: EXIT.ok,
    summary,
    text: [summary, ...lines].join("\n"),
    json: { cutoff, format, folder, files },
  };
}

async function writeParts(
  workspace: Workspace,
  { source, settings }: RecoPlace,
  { cutoff, format, folder }: { cutoff: string; format: "parquet" | "csv"; folder: string },
): Promise<ExportedFile[]> {
  const { engine, session } = source;
  const isErased = readErased(workspace.folders.feedbackFile);
  const parts = await exportParts(source, { cutoff, weights: weightsOf(settings), isErased });
  // The engine may write this file only.
  const unfinished = exportFile(workspace, format);
  const files: ExportedFile[] = [];
  try {
    for (const { name, query } of parts) {
      const rows = await engine.copyTo(unfinished, { query }, format);
      const described = await session.query(`select column_name, column_type from (describe ${query})`);
      const columns = described.rows.map(([column, type]) => ({ name: String(column), type: String(type) }));
      moveFile(unfinished, join(folder, `${name}.${format}`));
      files.push({ name: `${name}.${format}`, rows, columns });
    }
  } finally {
    rmSync(unfinished, { force: true });
  }
  return files;
}

export interface RecoRegisterOptions {
  lists?: string;
  factors?: string;
  name?: string;
  cutoff: string;
  promote?: boolean;
}

/** `run reco register`: a model that was made elsewhere, through evaluation and gate. */
export async function runRecoRegister(
  workspace: Workspace,
  { cwd, colors }: Terminal,
  { lists, factors, name, cutoff, promote = true }: RecoRegisterOptions,
): Promise<Outcome> {
  const shown = lists ?? factors;
  if (shown === undefined || (lists !== undefined && factors !== undefined)) throw registerUsage();
  const file = resolve(cwd, shown);
  if (!existsSync(file)) throw missingFile(shown);
  const given = { kind: lists === undefined ? ("factors" as const) : ("lists" as const), file, shown };
  const found = await withReco(
    workspace,
    "run reco register",
    async (place) => {
      await collectStep(workspace, place);
      const options = await trainOptions(workspace, place);
      const promotes = options.promotes && promote;
      return registerModel(workspace.ctx, place, {
        ...options,
        promotes,
        given,
        name: name ?? basename(file),
        cutoff,
      });
    },
    { reads: [file] },
  );
  const summary = summarizeRegistration(found);
  const left =
    found.unknown === 0
      ? []
      : [`${plural(found.unknown, "row")} of users or tracks that are not known here, left out`, ""];
  return {
    exitCode: EXIT.ok,
    summary,
    text: [formatJudgement(found, colors), "", ...left, summary].join("\n"),
    json: {
      experiment: found.experiment,
      model_version: found.version,
      kind: found.kind,
      promoted: found.isPromoted,
      unknown_rows: found.unknown,
      split: found.split,
      ...judgementJson(found),
    },
  };
}

function summarizeRegistration({ version, kind, checks, isPromoted, experiment }: Registration): string {
  const failed = checks.filter(({ isMet }) => !isMet);
  const fate = isPromoted
    ? "promoted to champion"
    : failed.length > 0
      ? `stays challenger: ${failed.map(({ text }) => text).join("; ")}`
      : "registered as challenger";
  return `model v${version} registered (${kind}), ${fate} (experiment ${experiment})`;
}

function registerUsage(): ProjectError {
  return new ProjectError("RECO_USAGE", {
    message: "name one file: --lists or --factors",
    where: "run reco register",
    hint: "run reco register --factors als.parquet",
    exitCode: EXIT.usage,
  });
}

function missingFile(shown: string): ProjectError {
  return new ProjectError("RECO_FILE_INVALID", {
    message: "there is no such file",
    where: shown,
    hint: "correct the path",
    exitCode: EXIT.usage,
  });
}
