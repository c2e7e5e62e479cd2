import type { Command } from "commander";
import { examples, execute, executeOrWatch, type Work } from "./command-parts.ts";
import type { RetryOptions } from "./commands/retry.ts";
import type { Invocation } from "./invocation.ts";
import {
  addDryRunOption,
  addEmptyOption,
  addEventTimeOptions,
  addFailFastOption,
  addFullRefreshOption,
  addGraphOptions,
  addNoReuseOption,
  addRunOptions,
  addSelectionOptions,
  addStoreFailuresOption,
  addWatchOption,
} from "./options.ts";
import type { RunOptions } from "./run-options.ts";
import type { CommonOptions } from "./workspace.ts";

type WatchableOptions = CommonOptions & RunOptions & { watch?: boolean };

/** Commands that run nodes of the graph. */
export function addGraphCommands(program: Command, invocation: Invocation): void {
  addWatchOption(addDryRunOption(addEmptyOption(addRunOptions(program.command("build")))))
    .description("seeds, snapshots, models and data tests in order; a failed test stops what comes after it")
    .option("--only-selected", "do not build parents that were never built")
    .addHelpText("after", examples("run build", "run build --select stg_users+ --fail-fast"))
    .action(async (options: WatchableOptions) => {
      const { runBuild } = await import("./commands/build.ts");
      const work: Work = (workspace, terminal) => runBuild(workspace, terminal, options);
      const spec = { name: "build", options, isRecorded: !options.dryRun, work };
      await executeOrWatch(invocation, { ...spec, which: "build" });
    });
  addWatchOption(
    addDryRunOption(
      addEmptyOption(
        addNoReuseOption(
          addEventTimeOptions(
            addFailFastOption(addFullRefreshOption(addSelectionOptions(program.command("models")))),
          ),
        ),
      ),
    ),
    "models alone: build --watch loads seeds again, too",
  )
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
    .action(async (options: WatchableOptions) => {
      const { runModels } = await import("./commands/models.ts");
      const work: Work = (workspace, terminal) => runModels(workspace, terminal, options);
      const spec = { name: "models", options, isRecorded: !options.dryRun, work };
      await executeOrWatch(invocation, { ...spec, which: "run" });
    });
  addDryRunOption(
    addEmptyOption(
      addNoReuseOption(addFailFastOption(addFullRefreshOption(addSelectionOptions(program.command("seed"))))),
    ),
  )
    .description("load the CSV files in seeds/ as tables")
    .addHelpText("after", examples("run seed", "run seed --select raw_customers"))
    .action(async (options: CommonOptions & RunOptions) => {
      const { runSeed } = await import("./commands/seed.ts");
      const work: Work = (workspace, terminal) => runSeed(workspace, terminal, options);
      await execute(invocation, { name: "seed", options, isRecorded: !options.dryRun, work });
    });
  addDryRunOption(
    addEmptyOption(addNoReuseOption(addFailFastOption(addSelectionOptions(program.command("snapshot"))))),
  )
    .description("keep what rows looked like: new versions of what changed since the last time")
    .addHelpText("after", examples("run snapshot", "run snapshot --select orders_snapshot"))
    .action(async (options: CommonOptions & RunOptions) => {
      const { runSnapshots } = await import("./commands/snapshot.ts");
      const work: Work = (workspace, terminal) => runSnapshots(workspace, terminal, options);
      await execute(invocation, { name: "snapshot", options, isRecorded: !options.dryRun, work });
    });
  addWatchOption(
    addDryRunOption(addStoreFailuresOption(addFailFastOption(addSelectionOptions(program.command("test"))))),
  )
    .description("unit tests of models, the claims about the data, and the rows that break them")
    .addHelpText(
      "after",
      examples("run test", "run test --select fct_listens", "run test --select test_type:singular --json"),
    )
    .action(async (options: WatchableOptions) => {
      const { runTests } = await import("./commands/test.ts");
      const work: Work = (workspace, terminal) => runTests(workspace, terminal, options);
      const spec = { name: "test", options, isRecorded: !options.dryRun, work };
      await executeOrWatch(invocation, { ...spec, which: "test" });
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
  addDryRunOption(addEmptyOption(addRunOptions(program.command("watch"))))
    .description("what build does; then, after every save, what changed and what depends on it")
    .option("--only-selected", "do not build parents that were never built")
    .addHelpText("after", examples("run watch", "run watch --select marts"))
    .action(async (given: CommonOptions & RunOptions) => {
      const { runBuild } = await import("./commands/build.ts");
      const options = { ...given, watch: true };
      const work: Work = (workspace, terminal) => runBuild(workspace, terminal, options);
      const spec = { name: "watch", options, isRecorded: !options.dryRun, work };
      await executeOrWatch(invocation, { ...spec, which: "build" });
    });
  addGraphOptions(program.command("publish"))
    .description("test the marts and, when no test fails, show them to readers as a new release")
    .addHelpText("after", examples("run publish", "duckdb -readonly data/published/latest.duckdb"))
    .action(async (options: CommonOptions) => {
      const { runPublish } = await import("./commands/publish.ts");
      await execute(invocation, { name: "publish", options, isRecorded: true, work: runPublish });
    });
}
