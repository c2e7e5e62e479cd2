import { type Command, Option } from "commander";
import { examples, execute, type Work } from "./command-parts.ts";
import type { FilterOptions } from "./commands/quarantine.ts";
import type { Invocation } from "./invocation.ts";
import { addWriteOptions, numberOption } from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

const STREAMS = "tracks, moovitamix.users, …; all of them when left out";

function addFilter(command: Command): Command {
  return addWriteOptions(command)
    .argument("[streams...]", STREAMS)
    .option("--reason <text>", "only those whose reason has this text in it")
    .addOption(numberOption("--load <id>", "only those that this load brought", 1))
    .addOption(new Option("--key <key>", "only the record with this key"));
}

/** What is done with records that were refused. */
export function addQuarantineCommands(program: Command, invocation: Invocation): void {
  const quarantine = program
    .command("quarantine")
    .description("records that broke their contract: look at them, judge them again, remove them")
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "run quarantine ls",
        "run quarantine show tracks --reason duration",
        "run quarantine replay tracks --dry-run",
        "run quarantine drop tracks --load 7 --yes",
      ),
    );
  addFilter(quarantine.command("ls"))
    .description("how many there are, by stream and reason")
    .action(async (streams: string[], options: CommonOptions & FilterOptions) => {
      const { runQuarantineLs } = await import("./commands/quarantine.ts");
      const work: Work = (workspace, terminal) => runQuarantineLs(workspace, terminal, { streams, options });
      await execute(invocation, { name: "quarantine ls", options, isRecorded: false, work });
    });
  addFilter(quarantine.command("show"))
    .description("the records as received, with reason, place and load, the newest first")
    .addOption(numberOption("--limit <n>", "records at most", 1).default(20))
    .action(async (streams: string[], options: CommonOptions & FilterOptions & { limit: number }) => {
      const { runQuarantineShow } = await import("./commands/quarantine.ts");
      const work: Work = (workspace, terminal) =>
        runQuarantineShow(workspace, terminal, { streams, options, limit: options.limit });
      await execute(invocation, { name: "quarantine show", options, isRecorded: false, work });
    });
  addFilter(quarantine.command("replay"))
    .description("judge them by today's contract: those that pass are loaded, the others stay")
    .option("--dry-run", "say what would be loaded, and change nothing")
    .action(async (streams: string[], options: CommonOptions & FilterOptions & { dryRun?: boolean }) => {
      const { runQuarantineReplay } = await import("./commands/quarantine.ts");
      const { dryRun: isDryRun = false } = options;
      const work: Work = (workspace, terminal) =>
        runQuarantineReplay(workspace, terminal, { streams, options, isDryRun });
      await execute(invocation, { name: "quarantine replay", options, isRecorded: !isDryRun, work });
    });
  addFilter(quarantine.command("drop"))
    .description("remove them for good: those of the streams, or those that the options choose")
    .option("--yes", "that is meant")
    .option("--dry-run", "say how many would go, and remove nothing")
    .action(
      async (
        streams: string[],
        options: CommonOptions & FilterOptions & { yes?: boolean; dryRun?: boolean },
      ) => {
        const { runQuarantineDrop } = await import("./commands/quarantine.ts");
        const { yes: isMeant = false, dryRun: isDryRun = false } = options;
        const work: Work = (workspace, terminal) =>
          runQuarantineDrop(workspace, terminal, { streams, options, isMeant, isDryRun });
        await execute(invocation, { name: "quarantine drop", options, isRecorded: !isDryRun, work });
      },
    );
}
