import type { Command } from "commander";
import { examples, execute, type Work } from "./command-parts.ts";
import type { Invocation } from "./invocation.ts";
import { addProjectOptions } from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Commands around what is measured, and who is told. */
export function addMonitorCommands(program: Command, invocation: Invocation): void {
  const metrics = program
    .command("metrics")
    .description("what runs have measured: ls, show")
    .helpCommand(false)
    .addHelpText("after", examples("run metrics ls", "run metrics show model_duration_seconds --since 7d"));
  addProjectOptions(metrics.command("ls"))
    .description("all that was measured, with the newest values")
    .action(async (options: CommonOptions) => {
      const { runMetricsLs } = await import("./commands/metrics.ts");
      await execute(invocation, { name: "metrics ls", options, isRecorded: false, work: runMetricsLs });
    });
  addProjectOptions(metrics.command("show"))
    .description("the values of a metric over time")
    .argument("<name>", "such as run_duration_seconds")
    .option("--since <time>", "a date or a time (UTC), or a duration such as 2h or 7d")
    .action(async (name: string, options: CommonOptions & { since?: string }) => {
      const { runMetricsShow } = await import("./commands/metrics.ts");
      const work: Work = (workspace, terminal) =>
        runMetricsShow(workspace, terminal, { name, since: options.since });
      await execute(invocation, { name: "metrics show", options, isRecorded: false, work });
    });
}
