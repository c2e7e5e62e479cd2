import { type Command, Option } from "commander";
import { examples, execute, type Work } from "./command-parts.ts";
import type { FeaturesOptions } from "./commands/features.ts";
import type { InferCommandOptions } from "./commands/reco.ts";
import type { RecoExportOptions, RecoRegisterOptions } from "./commands/reco-exchange.ts";
import type { RecoShowOptions } from "./commands/reco-registry.ts";
import type { ServeOptions } from "./commands/serve.ts";
import type { Invocation } from "./invocation.ts";
import { addProjectOptions, addWriteOptions, numberOption } from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Commands of recommendations: features, models and their lists. */
export function addRecoCommands(program: Command, invocation: Invocation): void {
  const reco = program
    .command("reco")
    .description("recommendations: train, judge, promote and serve models")
    .helpCommand(false)
    .addHelpText("after", examples("run reco train", "run reco infer", "run reco show"));
  addServe(program, invocation);
  addWork(reco, invocation);
  addExchange(reco, invocation);
  addCollect(reco, invocation);
  addLoop(reco, invocation);
  addRegistry(reco, invocation);
  addExperiments(reco, invocation);
  const features = program
    .command("features")
    .description("what is known of users and tracks")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples("run features get --user 10006", "run features get --track 47864 --as-of 2026-10-03"),
    );
  addProjectOptions(features.command("get"))
    .description("features by key: the newest, or those of a time in the past")
    .option("--user <id>", "of a user")
    .option("--track <id>", "of a track; with --user also of the pair")
    .option("--as-of <moment>", "as they were known at that time (UTC)")
    .action(async (options: CommonOptions & FeaturesOptions) => {
      const { runFeaturesGet } = await import("./commands/features.ts");
      const work: Work = (workspace, terminal) => runFeaturesGet(workspace, terminal, options);
      await execute(invocation, { name: "features get", options, isRecorded: false, work });
    });
}

function addServe(program: Command, invocation: Invocation): void {
  addProjectOptions(program.command("serve"))
    .description("recommendations over HTTP from the lists that were made last, until it is stopped")
    .addOption(numberOption("--port <n>", "0 takes a free one", 0).default(4400))
    .option("--host <address>", "where others reach it, too: needs SILLON_TOKEN", "127.0.0.1")
    .addHelpText(
      "after",
      examples(
        "run serve",
        "SILLON_TOKEN=… run serve --host 0.0.0.0 --port 80",
        'curl "http://127.0.0.1:4400/v1/users/10006/recommendations?k=5"',
      ),
    )
    .action(async (options: CommonOptions & ServeOptions) => {
      const { runServe } = await import("./commands/serve.ts");
      const work: Work = (workspace, terminal) => runServe(workspace, terminal, options);
      await execute(invocation, { name: "serve", options, isRecorded: false, work });
    });
}

function addWork(reco: Command, invocation: Invocation): void {
  addWriteOptions(reco.command("train"))
    .description("tune, judge and register a model; it becomes champion when the gate lets it through")
    .option("--no-promote", "it stays challenger")
    .addHelpText("after", examples("run reco train", "run reco train --no-promote --json"))
    .action(async (options: CommonOptions & { promote?: boolean }) => {
      const { runRecoTrain } = await import("./commands/reco.ts");
      const work: Work = (workspace, terminal) => runRecoTrain(workspace, terminal, options);
      await execute(invocation, { name: "reco train", options, isRecorded: true, work });
    });
  addWriteOptions(reco.command("infer"))
    .description(
      "the champion's lists into raw_reco.recommendations and data/serving; only users with new listens",
    )
    .addOption(numberOption("--active <days>", "only users who listened in the last days", 1))
    .addOption(numberOption("--top <n>", "only the users who listen most", 1))
    .option("--full", "also users without new listens")
    .option("--challenger", "the challenger's lists, for the users of an experiment")
    .addHelpText("after", examples("run reco infer", "run reco infer --active 28", "run reco infer --full"))
    .action(async (options: CommonOptions & InferCommandOptions) => {
      const { runRecoInfer } = await import("./commands/reco.ts");
      const work: Work = (workspace) => runRecoInfer(workspace, options);
      await execute(invocation, { name: "reco infer", options, isRecorded: true, work });
    });
}

function addExchange(reco: Command, invocation: Invocation): void {
  addWriteOptions(reco.command("evaluate"))
    .description("measure a model by the newest days, and record it as an experiment")
    .argument("[version]", "v2, champion or challenger; the champion when left out")
    .addHelpText("after", examples("run reco evaluate", "run reco evaluate challenger --json"))
    .action(async (version: string | undefined, options: CommonOptions) => {
      const { runRecoEvaluate } = await import("./commands/reco-exchange.ts");
      const work: Work = (workspace, terminal) => runRecoEvaluate(workspace, terminal, version);
      await execute(invocation, { name: "reco evaluate", options, isRecorded: true, work });
    });
  addWriteOptions(reco.command("export"))
    .description("interactions and features as of a cut-off into files, for models that are made elsewhere")
    .option("--cutoff <moment>", "split, newest, inner_split, or a time that features are there for", "split")
    .addOption(new Option("--format <name>", "of the files").choices(["parquet", "csv"]).default("parquet"))
    .option("-o, --output <folder>", "where they go; target/reco-export when left out")
    .addHelpText(
      "after",
      examples("run reco export", "run reco export --cutoff newest --format csv -o features"),
    )
    .action(async (options: CommonOptions & RecoExportOptions) => {
      const { runRecoExport } = await import("./commands/reco-exchange.ts");
      const work: Work = (workspace, terminal) => runRecoExport(workspace, terminal, options);
      await execute(invocation, { name: "reco export", options, isRecorded: true, work });
    });
  addWriteOptions(reco.command("register"))
    .description("take a model that was made elsewhere through evaluation and gate into the registry")
    .option("--lists <file>", "lists: user_id, track_id, rank (Parquet, CSV or NDJSON)")
    .option("--factors <file>", "factors of tracks, by ALS: track_id, factors (Parquet or NDJSON)")
    .option("--name <text>", "whence it is, for the model's card; the file's name when left out")
    .option("--cutoff <moment>", "nothing from then on was learned from; as reco export takes it", "split")
    .option("--no-promote", "it stays challenger")
    .addHelpText(
      "after",
      examples(
        "run reco register --factors als.parquet --name 'implicit ALS'",
        "run reco register --lists lists.parquet",
      ),
    )
    .action(async (options: CommonOptions & RecoRegisterOptions) => {
      const { runRecoRegister } = await import("./commands/reco-exchange.ts");
      const work: Work = (workspace, terminal) => runRecoRegister(workspace, terminal, options);
      await execute(invocation, { name: "reco register", options, isRecorded: true, work });
    });
}

function addCollect(reco: Command, invocation: Invocation): void {
  addWriteOptions(reco.command("collect"))
    .description("feedback and answers that the serving API has stored, into raw_reco")
    .addHelpText("after", examples("run reco collect"))
    .action(async (options: CommonOptions) => {
      const { runRecoCollect } = await import("./commands/reco.ts");
      await execute(invocation, { name: "reco collect", options, isRecorded: true, work: runRecoCollect });
    });
}

function addLoop(reco: Command, invocation: Invocation): void {
  addWriteOptions(reco.command("drift"))
    .description("how far data and lists are from what the champion learned from, by PSI and JS distance")
    .addHelpText("after", examples("run reco drift", "run metrics show reco_drift_psi"))
    .action(async (options: CommonOptions) => {
      const { runRecoDrift } = await import("./commands/reco-drift.ts");
      await execute(invocation, { name: "reco drift", options, isRecorded: true, work: runRecoDrift });
    });
  addWriteOptions(reco.command("live"))
    .description("how the lists of champion and challenger do with listeners: success, coverage, strangers")
    .addHelpText("after", examples("run reco live", "run metrics show reco_success_ratio"))
    .action(async (options: CommonOptions) => {
      const { runRecoLive } = await import("./commands/reco-retrain.ts");
      const work: Work = (workspace, terminal) => runRecoLive(workspace, terminal);
      await execute(invocation, { name: "reco live", options, isRecorded: true, work });
    });
  addWriteOptions(reco.command("retrain"))
    .description(
      "train, judge and serve a new model when a rule of project.yml says so; roll back one that fails",
    )
    .option("--dry-run", "only say what would be done, and why")
    .addHelpText("after", examples("run reco retrain", "run reco retrain --dry-run"))
    .action(async (options: CommonOptions & { dryRun?: boolean }) => {
      const { runRecoRetrain } = await import("./commands/reco-retrain.ts");
      const work: Work = (workspace, terminal) => runRecoRetrain(workspace, terminal, options);
      await execute(invocation, { name: "reco retrain", options, isRecorded: true, work });
    });
  addProjectOptions(reco.command("audit"))
    .description("what became of models, when, by which run and why")
    .addOption(numberOption("--limit <n>", "entries at most", 1).default(20))
    .action(async (options: CommonOptions & { limit: number }) => {
      const { runRecoAudit } = await import("./commands/reco-audit.ts");
      const work: Work = (workspace, terminal) => runRecoAudit(workspace, terminal, options);
      await execute(invocation, { name: "reco audit", options, isRecorded: false, work });
    });
}

function addRegistry(reco: Command, invocation: Invocation): void {
  addProjectOptions(reco.command("ls"))
    .description("the models of the registry")
    .action(async (options: CommonOptions) => {
      const { runRecoLs } = await import("./commands/reco-registry.ts");
      await execute(invocation, { name: "reco ls", options, isRecorded: false, work: runRecoLs });
    });
  addProjectOptions(reco.command("show"))
    .description("a model's card, and what became of it")
    .argument("[version]", "v2, champion or challenger; the champion when left out")
    .option("-o, --output <file>", "as a page (HTML)")
    .option("--open", "as a page in the browser")
    .addHelpText("after", examples("run reco show", "run reco show v2 --open"))
    .action(async (version: string | undefined, options: CommonOptions & RecoShowOptions) => {
      const { runRecoShow } = await import("./commands/reco-registry.ts");
      const work: Work = (workspace) => runRecoShow(workspace, version, options);
      await execute(invocation, { name: "reco show", options, isRecorded: false, work });
    });
  addProjectOptions(reco.command("promote"))
    .description("make a model the champion")
    .argument("[version]", "v2; the challenger when left out")
    .option("--force", "though it does not pass the gate")
    .action(async (version: string | undefined, options: CommonOptions & { force?: boolean }) => {
      const { runRecoPromote } = await import("./commands/reco-registry.ts");
      const work: Work = (workspace) => runRecoPromote(workspace, version, options);
      await execute(invocation, { name: "reco promote", options, isRecorded: true, work });
    });
  addProjectOptions(reco.command("rollback"))
    .description("make the former champion the champion again")
    .action(async (options: CommonOptions) => {
      const { runRecoRollback } = await import("./commands/reco-registry.ts");
      await execute(invocation, { name: "reco rollback", options, isRecorded: true, work: runRecoRollback });
    });
}

function addExperiments(reco: Command, invocation: Invocation): void {
  addProjectOptions(reco.command("experiments"))
    .description("what was tried, with parameters, data, metrics and cost")
    .addOption(numberOption("--limit <n>", "experiments at most", 1).default(20))
    .action(async (options: CommonOptions & { limit: number }) => {
      const { runRecoExperiments } = await import("./commands/reco-registry.ts");
      const work: Work = (workspace, terminal) => runRecoExperiments(workspace, terminal, options);
      await execute(invocation, { name: "reco experiments", options, isRecorded: false, work });
    });
  addProjectOptions(reco.command("compare"))
    .description("two experiments side by side")
    .argument("<a>", "an experiment, such as e1")
    .argument("<b>", "another one")
    .action(async (left: string, right: string, options: CommonOptions) => {
      const { runRecoCompare } = await import("./commands/reco-registry.ts");
      const work: Work = (workspace, terminal) => runRecoCompare(workspace, terminal, { left, right });
      await execute(invocation, { name: "reco compare", options, isRecorded: false, work });
    });
}
