import type { Command } from "commander";
import type { CommandSpec } from "./execute.ts";
import type { Invocation } from "./invocation.ts";
import { addWriteOptions, numberOption } from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

type Execute = (invocation: Invocation, spec: CommandSpec) => Promise<void>;

const STREAMS = "tracks, moovitamix.users, …; all of them when left out";

/** What `run ingest` does beside loading. */
export function addIngestCommands(ingest: Command, invocation: Invocation, execute: Execute): void {
  ingest.enablePositionalOptions().helpCommand(false);
  addWriteOptions(ingest.command("status"))
    .description("of each stream: mode, last load, cursor, records, versions, deleted, quarantined")
    .argument("[streams...]", STREAMS)
    .option("--as-of <moment>", "a time of loading (UTC) or a load id")
    .action(async (streams: string[], _own: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { asOf?: string }>();
      const { runIngestStatus } = await import("./commands/ingest-state.ts");
      const work: CommandSpec["work"] = (workspace, terminal) =>
        runIngestStatus(workspace, terminal, { streams, asOf: options.asOf });
      await execute(invocation, { name: "ingest status", options, isRecorded: false, work });
    });
  addWriteOptions(ingest.command("reset"))
    .description("forget the cursors of streams: their next load reads everything")
    .argument("<streams...>", "tracks, moovitamix.users, …")
    .option("--drop", "also remove their records and what is in quarantine")
    .option("--yes", "that is meant")
    .action(async (streams: string[], _own: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { drop?: boolean; yes?: boolean }>();
      const { drop = false, yes = false } = options;
      const { runIngestReset } = await import("./commands/ingest-state.ts");
      const work: CommandSpec["work"] = (workspace) => runIngestReset(workspace, { streams, drop, yes });
      await execute(invocation, { name: "ingest reset", options, isRecorded: true, work });
    });
  addWriteOptions(ingest.command("prune"))
    .description("remove versions that have ended, never current ones")
    .argument("[streams...]", STREAMS)
    .addOption(numberOption("--older-than <days>", "those that ended so long ago", 0))
    .addOption(numberOption("--keep <n>", "all but so many of a record, the newest", 0))
    .option("--dry-run", "say what would go, and remove nothing")
    .action(async (streams: string[], _own: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        CommonOptions & { olderThan?: number; keep?: number; dryRun?: boolean }
      >();
      const { olderThan, keep, dryRun = false } = options;
      const { runIngestPrune } = await import("./commands/ingest-state.ts");
      const work: CommandSpec["work"] = (workspace, terminal) =>
        runIngestPrune(workspace, terminal, {
          streams,
          dryRun,
          ...(olderThan === undefined ? {} : { olderThanDays: olderThan }),
          ...(keep === undefined ? {} : { keep }),
        });
      await execute(invocation, { name: "ingest prune", options, isRecorded: true, work });
    });
}
