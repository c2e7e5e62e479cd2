import { Argument, type Command, Option } from "commander";
import type { SelectionOptions } from "../runner/select/select.ts";
import { examples, execute, type Work } from "./command-parts.ts";
import type { CompileOptions } from "./commands/compile.ts";
import type { DocsOptions } from "./commands/docs.ts";
import type { ExportOptions } from "./commands/export.ts";
import type { LsOptions } from "./commands/ls.ts";
import type { ShowOptions } from "./commands/show.ts";
import type { Invocation } from "./invocation.ts";
import {
  addChoiceOptions,
  addProjectOptions,
  addSelectionOptions,
  addWarnErrorOptions,
  addWriteOptions,
  LS_OUTPUTS,
  numberOption,
} from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Commands that look at the project, its warehouse and its history. */
export function addReadCommands(program: Command, invocation: Invocation): void {
  addWarnErrorOptions(addChoiceOptions(addProjectOptions(program.command("ls"))))
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
  addWarnErrorOptions(addChoiceOptions(addProjectOptions(program.command("compile"))))
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
    .description(
      "rows of a model, seed, snapshot, source or query; from the published copy while another command writes",
    )
    .argument("[model]", "a name; of a source with its table: moovitamix.tracks")
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
    .description("all rows of a model, seed, snapshot or source as a file, or on stdout")
    .argument("<model>", "a name; of a source with its table: moovitamix.tracks")
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
}
