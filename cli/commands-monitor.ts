import type { Command } from "commander";
import { examples, execute, type Work } from "./command-parts.ts";
import type { ReportOptions } from "./commands/report.ts";
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
  addReportCommand(program, invocation);
}

function addReportCommand(program: Command, invocation: Invocation): void {
  addProjectOptions(program.command("report"))
    .description("did it run, were there errors, did it take longer than usual, is the data as expected")
    .option("--since <time>", "a date or a time (UTC), or a duration such as 2h or 7d", "24h")
    .option("--open", "as a page in the browser")
    .option("-o, --output <file>", "as a page; .txt and .json as such")
    .addHelpText("after", examples("run report", "run report --since 7d --open", "run report -o report.html"))
    .action(async (options: CommonOptions & ReportOptions) => {
      const { runReport } = await import("./commands/report.ts");
      const work: Work = (workspace, terminal) => runReport(workspace, terminal, options);
      await execute(invocation, { name: "report", options, isRecorded: false, work });
    });
}
