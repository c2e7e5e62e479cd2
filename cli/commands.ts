import { Argument, type Command, Option } from "commander";
import { FAULTS_HELP } from "../moovitamix/faults.ts";
import type { SelectionOptions } from "../runner/select/select.ts";
import type { ApiCommandOptions } from "./commands/api.ts";
import type { CompileOptions } from "./commands/compile.ts";
import type { DocsOptions } from "./commands/docs.ts";
import type { ExportOptions } from "./commands/export.ts";
import type { IngestCommandOptions } from "./commands/ingest.ts";
import type { LsOptions } from "./commands/ls.ts";
import type { RetryOptions } from "./commands/retry.ts";
import type { ShowOptions } from "./commands/show.ts";
import type { CommandSpec } from "./execute.ts";
import { addIngestCommands } from "./ingest-commands.ts";
import type { Invocation } from "./invocation.ts";
import {
  addChoiceOptions,
  addEventTimeOptions,
  addFailFastOption,
  addFullRefreshOption,
  addGraphOptions,
  addProjectOptions,
  addSelectionOptions,
  addStoreFailuresOption,
  addWriteOptions,
  LS_OUTPUTS,
  numberOption,
} from "./options.ts";
import type { RunOptions } from "./run-options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Adds every command. Each loads what it needs when it is called, so that help and mistakes come at once. */
export function addCommands(program: Command, invocation: Invocation): void {
  addLoadCommands(program, invocation);
  addGraphCommands(program, invocation);
  addReadCommands(program, invocation);
  addSetupCommands(program, invocation);
  addStandIn(program, invocation);
}

type Work = CommandSpec["work"];

async function execute(invocation: Invocation, spec: CommandSpec): Promise<void> {
  const { executeCommand } = await import("./execute.ts");
  await executeCommand(invocation, spec);
}

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}\n`;
}

function addLoadCommands(program: Command, invocation: Invocation): void {
  addGraphOptions(program.command("demo"))
    .description("the whole job against a stand-in service that lives as long as the run")
    .addHelpText("after", examples("run demo", "MOOVITAMIX_URL=http://127.0.0.1:8000 run demo"))
    .action(async (options: CommonOptions) => {
      const { runDemo } = await import("./commands/demo.ts");
      await execute(invocation, { name: "demo", options, isRecorded: true, work: runDemo });
    });
  addRunOptions(program.command("pipeline"))
    .description("ingest, then all that build does, and, when it is green, publish")
    .addHelpText("after", examples("run pipeline", "run pipeline --select staging+ --json"))
    .action(async (options: CommonOptions & RunOptions) => {
      const { runPipeline } = await import("./commands/pipeline.ts");
      const work: Work = (workspace, terminal) => runPipeline(workspace, terminal, options);
      await execute(invocation, { name: "pipeline", options, isRecorded: true, work });
    });
  const ingest = addWriteOptions(program.command("ingest"))
    .description("load what the sources hold now into the raw tables")
    .argument("[streams...]", "tracks, moovitamix.users, …; all of them when left out")
    .option("--full", "whole lists, whatever the cursors say")
    .option("--since <value>", "from this value of the cursor on")
    .option("--until <value>", "up to before this value of the cursor")
    .addOption(numberOption("--limit <n>", "records of each stream at most", 1))
    .option("--dry-run", "ask for the first pages, say what would be loaded, and write nothing")
    .addHelpText("after", examples("run ingest", "run ingest tracks users", "run ingest status --json"))
    .action(async (streams: string[], options: CommonOptions & IngestCommandOptions) => {
      const { runIngest } = await import("./commands/ingest.ts");
      const work: Work = (workspace, terminal) => runIngest(workspace, terminal, { streams, options });
      await execute(invocation, { name: "ingest", options, isRecorded: options.dryRun !== true, work });
    });
  addIngestCommands(ingest, invocation, execute);
}

/** Options of commands that run everything. */
function addRunOptions(command: Command): Command {
  return addStoreFailuresOption(
    addEventTimeOptions(addFailFastOption(addFullRefreshOption(addSelectionOptions(command)))),
  );
}

function addGraphCommands(program: Command, invocation: Invocation): void {
  addRunOptions(program.command("build"))
    .description("seeds, snapshots, models and data tests in order; a failed test stops what comes after it")
    .option("--only-selected", "do not build parents that were never built")
    .addHelpText("after", examples("run build", "run build --select stg_users+ --fail-fast"))
    .action(async (options: CommonOptions & RunOptions) => {
      const { runBuild } = await import("./commands/build.ts");
      const work: Work = (workspace, terminal) => runBuild(workspace, terminal, options);
      await execute(invocation, { name: "build", options, isRecorded: true, work });
    });
  addEventTimeOptions(addFailFastOption(addFullRefreshOption(addSelectionOptions(program.command("models")))))
    .description("build models as tables and views, parents first")
    .option(
      "--as-of <moment>",
      "with sources as they were after a load: a time of loading (UTC) or a load id",
    )
    .option("--only-selected", "do not build parents that were never built")
    .addHelpText(
      "after",
      examples(
        "run models",
        "run models --select marts",
        "run models --select stg_tracks+ --exclude tag:slow",
      ),
    )
    .action(async (options: CommonOptions & RunOptions) => {
      const { runModels } = await import("./commands/models.ts");
      const work: Work = (workspace, terminal) => runModels(workspace, terminal, options);
      await execute(invocation, { name: "models", options, isRecorded: true, work });
    });
  addFailFastOption(addFullRefreshOption(addSelectionOptions(program.command("seed"))))
    .description("load the CSV files in seeds/ as tables")
    .addHelpText("after", examples("run seed", "run seed --select raw_customers"))
    .action(async (options: CommonOptions & SelectionOptions) => {
      const { runSeed } = await import("./commands/seed.ts");
      const work: Work = (workspace, terminal) => runSeed(workspace, terminal, options);
      await execute(invocation, { name: "seed", options, isRecorded: true, work });
    });
  addFailFastOption(addSelectionOptions(program.command("snapshot")))
    .description("keep what rows looked like: new versions of what changed since the last time")
    .addHelpText("after", examples("run snapshot", "run snapshot --select orders_snapshot"))
    .action(async (options: CommonOptions & SelectionOptions) => {
      const { runSnapshots } = await import("./commands/snapshot.ts");
      const work: Work = (workspace, terminal) => runSnapshots(workspace, terminal, options);
      await execute(invocation, { name: "snapshot", options, isRecorded: true, work });
    });
  addStoreFailuresOption(addFailFastOption(addSelectionOptions(program.command("test"))))
    .description("check the claims about the data, and show the rows that break them")
    .addHelpText(
      "after",
      examples("run test", "run test --select fct_listens", "run test --select test_type:singular --json"),
    )
    .action(async (options: CommonOptions & RunOptions) => {
      const { runTests } = await import("./commands/test.ts");
      const work: Work = (workspace, terminal) => runTests(workspace, terminal, options);
      await execute(invocation, { name: "test", options, isRecorded: true, work });
    });
  addGraphOptions(program.command("retry"))
    .description("what failed, was skipped or was not begun in the last run, with the options of that run")
    .option("--state <folder>", "artifacts of another run than the last one")
    .addHelpText("after", examples("run retry", "run retry --state old/target"))
    .action(async (options: CommonOptions & RetryOptions) => {
      const { runRetry } = await import("./commands/retry.ts");
      const work: Work = (workspace, terminal) => runRetry(workspace, terminal, options);
      await execute(invocation, { name: "retry", options, isRecorded: true, work });
    });
  addGraphOptions(program.command("publish"))
    .description("test the marts and, when no test fails, show them to readers as a new release")
    .addHelpText("after", examples("run publish", "duckdb -readonly data/published/latest.duckdb"))
    .action(async (options: CommonOptions) => {
      const { runPublish } = await import("./commands/publish.ts");
      await execute(invocation, { name: "publish", options, isRecorded: true, work: runPublish });
    });
}

function addReadCommands(program: Command, invocation: Invocation): void {
  addChoiceOptions(addProjectOptions(program.command("ls")))
    .description("what a selection chooses, one a line; opens no warehouse")
    .addOption(new Option("--output <form>", "what of each node").choices(LS_OUTPUTS).default("selector"))
    .option("--output-keys <keys...>", "keys of the manifest that --output json shows")
    .addHelpText(
      "after",
      examples("run ls --select tag:marts+", "run ls --output json --output-keys name tags"),
    )
    .action(async (options: CommonOptions & LsOptions) => {
      const { runLs } = await import("./commands/ls.ts");
      const work: Work = async (workspace) => runLs(workspace, options);
      await execute(invocation, { name: "ls", options, isRecorded: false, work });
    });
  addChoiceOptions(addProjectOptions(program.command("compile")))
    .description("SQL of what is chosen into target/compiled, of one model on stdout; opens no warehouse")
    .option("--inline <sql>", "a query, in which ref() and source() work")
    .addHelpText("after", examples("run compile", "run compile --select fct_listens"))
    .action(async (options: CommonOptions & CompileOptions) => {
      const { runCompile } = await import("./commands/compile.ts");
      const work: Work = async (workspace) => runCompile(workspace, options);
      await execute(invocation, { name: "compile", options, isRecorded: false, work });
    });
  addChoiceOptions(addWriteOptions(program.command("docs")))
    .description("manifest.json, and catalog.json: the tables that are there, their columns and comments")
    .addArgument(new Argument("<action>", "what to do").choices(["generate"]))
    .option("--empty-catalog", "a catalog without tables; opens no warehouse")
    .option("--no-compile", "a manifest without compiled SQL")
    .addHelpText("after", examples("run docs generate", "run docs generate --select marts"))
    .action(async (_action: string, options: CommonOptions & DocsOptions) => {
      const { runDocs } = await import("./commands/docs.ts");
      const work: Work = (workspace) => runDocs(workspace, options);
      await execute(invocation, { name: "docs", options, isRecorded: false, work });
    });
  addWriteOptions(program.command("clean"))
    .description("removes target/ and what clean-targets of project.yml names, never data/")
    .addHelpText("after", examples("run clean"))
    .action(async (options: CommonOptions) => {
      const { runClean } = await import("./commands/clean.ts");
      await execute(invocation, { name: "clean", options, isRecorded: false, work: runClean });
    });
  addProjectOptions(program.command("show"))
    .description("rows of a model or of a query; from the published copy while another command writes")
    .argument("[model]", "a model's name")
    .option("--inline <sql>", "a query, in which ref() and source() work")
    .option("--as-of <moment>", "computed from sources as they were after a load: a time (UTC) or a load id")
    .addOption(numberOption("--limit <n>", "rows at most", 1).default(10))
    .addHelpText(
      "after",
      examples("run show fct_listens", `run show --inline "select count(*) from {{ ref('dim_users') }}"`),
    )
    .action(async (model: string | undefined, options: CommonOptions & ShowOptions) => {
      const { runShow } = await import("./commands/show.ts");
      const work: Work = (workspace, terminal) => runShow(workspace, terminal, { model, options });
      await execute(invocation, { name: "show", options, isRecorded: false, work });
    });
  addProjectOptions(program.command("export"))
    .description("all rows of a model as a file, or on stdout; reads what show reads")
    .argument("<model>", "a model's name")
    .addOption(
      new Option("--format <name>", "default: what the file's ending says, else csv").choices([
        "parquet",
        "csv",
        "ndjson",
      ]),
    )
    .option("-o, --output <file>", "replaced in one step when all rows are written")
    .addHelpText(
      "after",
      examples(
        "run export fct_listens --output listens.parquet",
        "run export dim_users --format ndjson | head",
      ),
    )
    .action(async (model: string, options: CommonOptions & ExportOptions) => {
      const { runExport } = await import("./commands/export.ts");
      const work: Work = (workspace, terminal) => runExport(workspace, terminal, { model, options });
      await execute(invocation, { name: "export", options, isRecorded: false, work });
    });
  addSelectionOptions(program.command("freshness"))
    .description("how old the newest rows of the sources are")
    .addHelpText("after", examples("run freshness", "run freshness --select source:moovitamix --json"))
    .action(async (options: CommonOptions & SelectionOptions) => {
      const { runFreshness } = await import("./commands/freshness.ts");
      const work: Work = (workspace, terminal) => runFreshness(workspace, terminal, options);
      await execute(invocation, { name: "freshness", options, isRecorded: true, work });
    });
  addProjectOptions(program.command("history"))
    .description("the commands that ran in this project, and what became of them")
    .argument("[id]", "one run, by the beginning of its id, with the rows that broke its tests")
    .addOption(numberOption("--limit <n>", "runs at most", 1).default(20))
    .addHelpText("after", examples("run history", "run history --limit 5 --json", "run history 3f2a81c0"))
    .action(async (id: string | undefined, options: CommonOptions & { limit: number }) => {
      const { runHistory, runHistoryOf } = await import("./commands/history.ts");
      const work: Work = (workspace, terminal) =>
        id === undefined ? runHistory(workspace, terminal, options) : runHistoryOf(workspace, terminal, id);
      await execute(invocation, { name: "history", options, isRecorded: false, work });
    });
}

function addSetupCommands(program: Command, invocation: Invocation): void {
  program
    .command("init")
    .description("a new project in a new folder, with an example that runs at once")
    .argument("<name>", "of the folder and the project")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", examples("run init shop", "cd shop && run pipeline"))
    .action(async (name: string, options: CommonOptions) => {
      const { executeOutside } = await import("./execute.ts");
      const { runInit } = await import("./commands/init.ts");
      await executeOutside(invocation, {
        name: "init",
        options,
        work: (terminal) => runInit(terminal, name),
      });
    });
  addProjectOptions(program.command("doctor"))
    .description(
      "checks Node, the engine, the project, the connection, disk and sources, and says what to do",
    )
    .addHelpText("after", examples("run doctor", "run doctor --target prod --json"))
    .action(async (options: CommonOptions) => {
      const { executeOutside } = await import("./execute.ts");
      const { runDoctor } = await import("./commands/doctor.ts");
      await executeOutside(invocation, {
        name: "doctor",
        options,
        work: (terminal) => runDoctor(terminal, options),
      });
    });
}

function addStandIn(program: Command, invocation: Invocation): void {
  program
    .command("api")
    .description("a stand-in for the Moovitamix API, for demonstrations and tests")
    .addOption(numberOption("--port <n>", "0 takes a free one", 0).default(8000))
    .addOption(numberOption("--seed <n>", "the same seed gives the same data", 0).default(1))
    .addOption(numberOption("--users <n>", "users", 1).default(1000))
    .addOption(numberOption("--tracks <n>", "tracks", 1).default(2000))
    .addOption(numberOption("--plays <n>", "listened tracks in all", 0).default(60_000))
    .addOption(numberOption("--rate-limit <n>", "requests a second; more get 429", 1))
    .addOption(numberOption("--grow <n>", "new listening sessions a second", 0))
    .option("--faults <rules>", "misbehave: 429=0.05,5xx=0.1,cut@tracks/3x2 (see below)")
    .addHelpText(
      "after",
      examples(
        "run api",
        "run api --port 8001 --grow 5",
        `run api --faults "5xx=0.1,429(retry-after=2)=0.05"`,
      ),
    )
    .addHelpText("after", FAULTS_HELP)
    .action(async (options: ApiCommandOptions) => {
      const { executeBare } = await import("./execute.ts");
      const { runApi } = await import("./commands/api.ts");
      await executeBare(invocation, (terminal) => runApi(terminal, options));
    });
}
