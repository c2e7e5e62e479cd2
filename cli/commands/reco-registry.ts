import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { makeFolder, writeDurably } from "../../core/durable.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { readArtefact } from "../../reco/registry/artefact.ts";
import type { GateCheck } from "../../reco/registry/gate.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import {
  findExperiment,
  findModel,
  listExperiments,
  listModelEvents,
  listModels,
  moveChampion,
  readAliases,
} from "../../state/registry.ts";
import type { ExperimentRow, ModelRow } from "../../state/registry-tables.ts";
import { openFile } from "../open-file.ts";
import type { Outcome } from "../outcome.ts";
import { formatSeconds, formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";

type Figures = Record<string, Record<string, number | number[]>>;

async function withState<T>(workspace: Workspace, work: (state: StateDatabase) => Promise<T>): Promise<T> {
  const state = openState(workspace.folders.stateFile);
  try {
    return await work(state);
  } finally {
    await state.destroy();
  }
}

/** `run reco ls`: the versions of the registry, the newest first. */
export async function runRecoLs(workspace: Workspace, { colors }: Terminal): Promise<Outcome> {
  return withState(workspace, async (state) => {
    const models = await listModels(state);
    const aliases = await readAliases(state);
    const namesOf = ({ version }: ModelRow) =>
      Object.entries(aliases)
        .filter(([, pointed]) => pointed === version)
        .map(([alias]) => alias);
    const rows = models.map((model) => {
      const metrics: Figures = JSON.parse(model.metrics);
      return [
        `v${model.version}`,
        namesOf(model).join(", "),
        model.kind,
        numberOf(metrics.discover?.ndcg),
        numberOf(metrics.popularity?.ndcg),
        model.cutoff.slice(0, 10),
        model.experiment_id,
        model.created_at.slice(0, 16).replace("T", " "),
      ];
    });
    const head = ["model", "alias", "kind", "ndcg", "popularity", "data until", "experiment", "made (UTC)"];
    return {
      exitCode: EXIT.ok,
      summary: plural(models.length, "model"),
      text: rows.length === 0 ? "no model yet: run reco train" : formatTable(head, rows, colors),
      json: { models: models.map((model) => ({ ...modelJson(model), aliases: namesOf(model) })) },
    };
  });
}

export interface RecoShowOptions {
  output?: string;
  open?: boolean;
}

/** `run reco show [VERSION]`: the card of a version, the champion's when none is given; also as a page. */
export async function runRecoShow(
  workspace: Workspace,
  version: string | undefined,
  { output, open = false }: RecoShowOptions = {},
): Promise<Outcome> {
  return withState(workspace, async (state) => {
    const model = await modelOf(state, version, "run reco show");
    const events = (await listModelEvents(state)).filter((event) => event.version === model.version);
    const card = join(workspace.ctx.projectDir, model.artefact, "..", "model-card.md");
    const trail = events.map(({ at, action }) => `- ${at.slice(0, 19).replace("T", " ")} ${action}`);
    const head = existsSync(card) ? readFileSync(card, "utf8").trimEnd() : `# Model v${model.version}`;
    const text = `${head}\n\n## What became of it\n\n${trail.join("\n")}`;
    const title = `Model v${model.version}`;
    const page =
      output !== undefined || open ? await writePage(workspace, { title, text, output }) : undefined;
    const isOpen = page !== undefined && open && (await openFile(page, workspace.ctx.env));
    return {
      exitCode: EXIT.ok,
      summary: `model v${model.version}`,
      text: page === undefined ? text : openedText(output ?? page, { open, isOpen }),
      json: {
        ...modelJson(model),
        events: events.map(({ reason, ...event }) => ({ ...event, reason: JSON.parse(reason) })),
      },
    };
  });
}

function openedText(file: string, { open, isOpen }: { open: boolean; isOpen: boolean }): string {
  if (!open) return `written to ${file}`;
  return isOpen ? `opened ${file}` : `no browser was found: open ${file}`;
}

async function writePage(
  { cwd, folders }: Workspace,
  { title, text, output }: { title: string; text: string; output: string | undefined },
): Promise<string> {
  const { cardPage } = await import("../card-page.ts");
  const file = output === undefined ? join(folders.target, "model-card.html") : resolve(cwd, output);
  makeFolder(dirname(file));
  writeDurably(file, cardPage(title, text));
  return file;
}

/** `run reco promote [VERSION]`: makes a version, the challenger when none is given, the champion. */
export async function runRecoPromote(
  workspace: Workspace,
  version: string | undefined,
  { force = false }: { force?: boolean },
): Promise<Outcome> {
  return withState(workspace, async (state) => {
    const wanted = version ?? String((await readAliases(state)).challenger ?? "");
    const model = await modelOf(state, wanted === "" ? undefined : wanted, "run reco promote");
    const failed = (JSON.parse(model.gate) as GateCheck[]).filter(({ isMet }) => !isMet); // as training wrote it
    if (failed.length > 0 && !force)
      throw new ProjectError("RECO_GATE", {
        message: `model v${model.version} does not pass the gate`,
        where: "run reco promote",
        why: failed.map(({ text }) => text),
        hint: "train a better one, or promote it all the same with --force",
        exitCode: EXIT.failed,
      });
    await move(workspace, state, { model, action: "promoted", reason: force ? "--force" : "gate passed" });
    return moved(model, "is the champion");
  });
}

/** `run reco rollback`: the champion before the present one is the champion again. */
export async function runRecoRollback(workspace: Workspace): Promise<Outcome> {
  return withState(workspace, async (state) => {
    const { champion } = await readAliases(state);
    const events = await listModelEvents(state);
    const last = events.find(
      ({ action, version, former }) =>
        action === "promoted" && version === champion && former !== null && former !== version,
    );
    const former = last?.former;
    const model = former == null ? undefined : await findModel(state, former);
    if (model === undefined)
      throw new ProjectError("RECO_NO_FORMER", {
        message: "there is no champion before the present one",
        where: "run reco rollback",
        hint: "run reco ls lists the versions, run reco promote VERSION takes one of them",
        exitCode: EXIT.failed,
      });
    await move(workspace, state, { model, action: "rolled_back", reason: `from v${champion}` });
    return moved(model, "is the champion again");
  });
}

/** Only a whole artefact becomes the champion. */
async function move(
  { ctx }: Workspace,
  state: StateDatabase,
  { model, action, reason }: { model: ModelRow; action: "promoted" | "rolled_back"; reason: string },
): Promise<void> {
  readArtefact(join(ctx.projectDir, model.artefact), {
    checksum: model.checksum,
    shape: JSON.parse(model.shape),
  });
  await moveChampion(ctx, state, { version: model.version, action, reason: JSON.stringify(reason) });
}

function moved({ version }: ModelRow, what: string): Outcome {
  const summary = `model v${version} ${what}`;
  return {
    exitCode: EXIT.ok,
    summary,
    text: `${summary}; run reco infer makes its lists`,
    json: { model_version: version },
  };
}

/** The version that a command names, as `v2`, `2`, `champion` or `challenger`; the champion when it names none. Throws RECO_MODEL_UNKNOWN (exit 2). */
export async function modelOf(
  state: StateDatabase,
  version: string | undefined,
  where: string,
): Promise<ModelRow> {
  const aliases = await readAliases(state);
  const named = version === "challenger" ? aliases.challenger : aliases.champion;
  const isAlias = version === undefined || version === "champion" || version === "challenger";
  const number = isAlias ? named : Number(version.replace(/^v/, ""));
  const model =
    number === undefined || !Number.isSafeInteger(number) ? undefined : await findModel(state, number);
  if (model !== undefined) return model;
  const known = (await listModels(state)).map((row) => `v${row.version}`);
  throw new ProjectError("RECO_MODEL_UNKNOWN", {
    message: version === undefined ? "there is no such model yet" : `no model "${version}" in the registry`,
    where,
    why: known.length === 0 ? [] : [`there are ${known.join(", ")}`],
    hint: known.length === 0 ? "train one first: run reco train" : "run reco ls lists them",
    exitCode: EXIT.usage,
  });
}

/** `run reco experiments`: what was tried, the newest first. */
export async function runRecoExperiments(
  workspace: Workspace,
  { colors }: Terminal,
  { limit }: { limit: number },
): Promise<Outcome> {
  return withState(workspace, async (state) => {
    const experiments = await listExperiments(state, limit);
    const rows = experiments.map((row) => {
      const metrics: Figures = JSON.parse(row.metrics);
      return [
        row.id,
        row.command,
        numberOf(metrics.discover?.ndcg),
        numberOf(metrics.discover?.recall),
        numberOf(metrics.popularity?.ndcg),
        String(JSON.parse(row.data_version).hash ?? ""),
        row.code_hash,
        formatSeconds(row.seconds),
        `${Math.round(row.memory_mb)} MB`,
      ];
    });
    const head = ["experiment", "command", "ndcg", "recall", "popularity", "data", "code", "time", "memory"];
    return {
      exitCode: EXIT.ok,
      summary: plural(experiments.length, "experiment"),
      text: rows.length === 0 ? "no experiment yet: run reco train" : formatTable(head, rows, colors),
      json: { experiments: experiments.map(experimentJson) },
    };
  });
}

/** `run reco compare A B`: parameters and metrics of two experiments side by side. */
export async function runRecoCompare(
  workspace: Workspace,
  { colors }: Terminal,
  ids: { left: string; right: string },
): Promise<Outcome> {
  return withState(workspace, async (state) => {
    const [left, right] = [await experimentOf(state, ids.left), await experimentOf(state, ids.right)];
    const flat = [left, right].map(flatExperiment);
    const names = [...new Set(flat.flatMap((row) => Object.keys(row)))];
    const rows = names.map((name) => {
      const [own, other] = flat.map((row) => row[name]);
      const difference =
        typeof own === "number" && typeof other === "number"
          ? signed(other - own)
          : own === other
            ? ""
            : "differs";
      return [name, cell(own), cell(other), difference];
    });
    const isSameSplit = left.split === right.split && left.data_version === right.data_version;
    const remark = isSameSplit
      ? ""
      : "\n\nnot of the same data and split: the figures cannot be compared as they stand";
    return {
      exitCode: EXIT.ok,
      summary: `${left.id} and ${right.id} compared`,
      text: `${formatTable(["", left.id, right.id, "difference"], rows, colors)}${remark}`,
      json: { same_split: isSameSplit, experiments: [left, right].map(experimentJson) },
    };
  });
}

async function experimentOf(state: StateDatabase, id: string): Promise<ExperimentRow> {
  const found = await findExperiment(state, id);
  if (found !== undefined) return found;
  throw new ProjectError("RECO_EXPERIMENT_UNKNOWN", {
    message: `no experiment "${id}"`,
    where: "run reco compare",
    hint: "run reco experiments lists them",
    exitCode: EXIT.usage,
  });
}

function flatExperiment(row: ExperimentRow): Record<string, string | number> {
  const { measure, als, weights } = JSON.parse(row.recipe);
  const metrics: Figures = JSON.parse(row.metrics);
  const figures = Object.entries(metrics).flatMap(([shelf, values]) =>
    Object.entries(values).flatMap(([name, value]): [string, number][] =>
      typeof value === "number" ? [[`${shelf} ${name}`, value]] : [],
    ),
  );
  const parameters = Object.entries({ ...als, ...weights }).map(([name, value]) => [name, String(value)]);
  return {
    data: String(JSON.parse(row.data_version).hash ?? ""),
    code: row.code_hash,
    measure: String(measure),
    ...Object.fromEntries(parameters),
    ...Object.fromEntries(figures),
    seconds: row.seconds,
  };
}

function cell(value: string | number | undefined): string {
  if (value === undefined) return "–";
  return typeof value === "number" && !Number.isInteger(value) ? value.toFixed(4) : String(value);
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${Number.isInteger(value) ? value : value.toFixed(4)}`;
}

function numberOf(value: number | number[] | undefined): string {
  return typeof value === "number" ? value.toFixed(4) : "–";
}

function modelJson(model: ModelRow) {
  const { version, metrics, lineage, gate, shape, ...rest } = model;
  const parsed = { metrics, lineage, gate, shape };
  const objects = Object.fromEntries(Object.entries(parsed).map(([name, text]) => [name, JSON.parse(text)]));
  return { model_version: version, ...rest, ...objects };
}

function experimentJson({ recipe, trials, data_version, split, metrics, ...rest }: ExperimentRow) {
  const parsed = { recipe, trials, data_version, split, metrics };
  const objects = Object.fromEntries(Object.entries(parsed).map(([name, text]) => [name, JSON.parse(text)]));
  return { ...rest, ...objects };
}
