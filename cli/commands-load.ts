import { type Command, Option } from "commander";
import { examples, execute, type Work } from "./command-parts.ts";
import type { IngestCommandOptions } from "./commands/ingest.ts";
import { addIngestCommands } from "./ingest-commands.ts";
import type { Invocation } from "./invocation.ts";
import { addDryRunOption, addGraphOptions, addRunOptions, addWriteOptions, numberOption } from "./options.ts";
import { addQuarantineCommands } from "./quarantine-commands.ts";
import type { RunOptions } from "./run-options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Commands that take data from the service to its readers. */
export function addLoadCommands(program: Command, invocation: Invocation): void {
  addGraphOptions(program.command("demo"))
    .description("the whole job against a stand-in service that lives as long as the run")
    .addHelpText("after", examples("run demo", "MOOVITAMIX_URL=http://127.0.0.1:8000 run demo"))
    .action(async (options: CommonOptions) => {
      const { runDemo } = await import("./commands/demo.ts");
      await execute(invocation, { name: "demo", options, isRecorded: true, work: runDemo });
    });
  addDryRunOption(addRunOptions(program.command("pipeline")))
    .description("ingest, then all that build does, and, when it is green, publish")
    .addHelpText("after", examples("run pipeline", "run pipeline --select staging+ --json"))
    .action(async (options: CommonOptions & RunOptions) => {
      const { runPipeline } = await import("./commands/pipeline.ts");
      const work: Work = (workspace, terminal) => runPipeline(workspace, terminal, options);
      await execute(invocation, { name: "pipeline", options, isRecorded: !options.dryRun, work });
    });
  const ingest = addWriteOptions(program.command("ingest"))
    .description("load what the sources hold now into the raw tables")
    .argument("[streams...]", "tracks, moovitamix.users, …; all of them when left out")
    .option("--failed", "only streams whose last load failed, and those never loaded")
    .option("--full", "whole lists, whatever the cursors say")
    .option("--since <value>", "from this value of the cursor on")
    .option("--until <value>", "up to before this value of the cursor")
    .addOption(numberOption("--limit <n>", "records of each stream at most", 1))
    .addOption(
      new Option("--record <folder>", "keep every request and its answer, secrets masked").conflicts(
        "replay",
      ),
    )
    .option("--replay <folder>", "load from a recording, without network")
    .option("--dry-run", "ask for the first pages, say what would be loaded, and write nothing")
    .addHelpText(
      "after",
      examples(
        "run ingest",
        "run ingest tracks users",
        "run ingest --failed",
        "run ingest --record fixtures/july",
      ),
    )
    .action(async (streams: string[], options: IngestCommandOptions) => {
      const { runIngest } = await import("./commands/ingest.ts");
      const work: Work = (workspace, terminal) => runIngest(workspace, terminal, { streams, options });
      const told = withEvents(options);
      await execute(invocation, { name: "ingest", options: told, isRecorded: options.dryRun !== true, work });
    });
  addIngestCommands(ingest, invocation, execute);
  addQuarantineCommands(program, invocation);
}

/** With `--json` the story is events, so that a program can read how far the load has come. */
function withEvents(options: IngestCommandOptions): IngestCommandOptions {
  return options.json === true ? { logFormat: "json", ...options } : options;
}
