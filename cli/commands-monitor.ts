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
  addAlertCommands(program, invocation);
}

function addReportCommand(program: Command, invocation: Invocation): void {
  addProjectOptions(program.command("report"))
    .description("did it run, were there errors, did it take longer than usual, is the data as expected")
    .option("--since <time>", "a date or a time (UTC), or a duration such as 2h or 7d", "24h")
    .option("--open", "as a page in the browser")
    .option("-o, --output <file>", "as a page; .txt and .json as such")
    .option("--send", "to the channels of monitor.yml that take warnings")
    .option("--channel <names...>", "to these")
    .addHelpText(
      "after",
      examples(
        "run report",
        "run report --since 7d --open",
        "run report -o report.html",
        "run report --send",
      ),
    )
    .action(async (options: CommonOptions & ReportOptions) => {
      const { runReport } = await import("./commands/report.ts");
      const work: Work = (workspace, terminal) => runReport(workspace, terminal, options);
      await execute(invocation, { name: "report", options, isRecorded: false, work });
    });
}

function addAlertCommands(program: Command, invocation: Invocation): void {
  const alerts = program
    .command("alerts")
    .description("incidents and who is told: ls, test, check, outbox, send")
    .helpCommand(false)
    .addHelpText("after", examples("run alerts ls", "run alerts test --since 7d", "run alerts check"));
  addProjectOptions(alerts.command("ls"))
    .description("incidents that are open")
    .option("--all", "those that were resolved, too")
    .action(async (options: CommonOptions & { all?: boolean }) => {
      const { runAlertsLs } = await import("./commands/alerts.ts");
      const work: Work = (workspace, terminal) => runAlertsLs(workspace, terminal, options);
      await execute(invocation, { name: "alerts ls", options, isRecorded: false, work });
    });
  addProjectOptions(alerts.command("test"))
    .description("what the rules would have said of what was measured; nothing is sent")
    .option("--since <time>", "a date or a time (UTC), or a duration such as 2h or 7d", "7d")
    .action(async (options: CommonOptions & { since: string }) => {
      const { runAlertsTest } = await import("./commands/alerts.ts");
      const work: Work = (workspace, terminal) => runAlertsTest(workspace, terminal, options);
      await execute(invocation, { name: "alerts test", options, isRecorded: false, work });
    });
  addProjectOptions(alerts.command("check"))
    .description("whether the channels can be reached with their settings")
    .option("--send", "by a message to each")
    .action(async (options: CommonOptions & { send?: boolean }) => {
      const { runAlertsCheck } = await import("./commands/alerts.ts");
      const work: Work = (workspace, terminal) => runAlertsCheck(workspace, terminal, options);
      await execute(invocation, { name: "alerts check", options, isRecorded: false, work });
    });
  addProjectOptions(alerts.command("outbox"))
    .description("messages that wait, were sent or were given up")
    .action(async (options: CommonOptions) => {
      const { runAlertsOutbox } = await import("./commands/alerts.ts");
      await execute(invocation, { name: "alerts outbox", options, isRecorded: false, work: runAlertsOutbox });
    });
  addProjectOptions(alerts.command("send"))
    .description("send what is due, once; run up does so all the time")
    .action(async (options: CommonOptions) => {
      const { runAlertsSend } = await import("./commands/alerts.ts");
      await execute(invocation, { name: "alerts send", options, isRecorded: false, work: runAlertsSend });
    });
}
