import { type Command, Option } from "commander";
import type { LogLevel } from "../core/log.ts";
import { RUN_STATUSES, type RunStatus } from "../state/run-statuses.ts";
import { examples, execute, type Work } from "./command-parts.ts";
import type { UpOptions } from "./commands/up.ts";
import type { Invocation } from "./invocation.ts";
import { LOG_LEVELS } from "./log-lines.ts";
import { addProjectOptions, numberOption } from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Commands around jobs that run by themselves, and what became of them. */
export function addScheduleCommands(program: Command, invocation: Invocation): void {
  addProjectOptions(program.command("up"))
    .description(
      "start jobs when they are due, and answer on a port what became of them, until it is stopped",
    )
    .addOption(numberOption("--port <n>", "0 takes a free one", 0).default(4300))
    .option("--host <address>", "where others reach it, too: needs SILLON_TOKEN", "127.0.0.1")
    .option("--demo", "with a stand-in for the service that grows, for the jobs to load from")
    .addHelpText(
      "after",
      examples("run up", "run up --demo", "SILLON_TOKEN=… run up --host 0.0.0.0 --port 80"),
    )
    .action(async (options: CommonOptions & UpOptions) => {
      const { runUp } = await import("./commands/up.ts");
      const work: Work = (workspace, terminal) => runUp(workspace, terminal, { options, program });
      await execute(invocation, { name: "up", options, isRecorded: false, work });
    });
  addJobCommands(program, invocation);
  addHistoryCommands(program, invocation);
  addProjectOptions(program.command("logs"))
    .description("what a run printed")
    .argument("<id>", "the beginning of a run's id")
    .option("-f, --follow", "and what it prints until it ends")
    .addOption(new Option("--level <level>", "lines that are at least so severe").choices(LOG_LEVELS))
    .option("--node <name>", "lines about a model, a test or a stream, as source.stream")
    .addHelpText(
      "after",
      examples(
        "run logs 3f2a81c0",
        "run logs 3f2a81c0 -f",
        "run logs 3f2a81c0 --level warn --node dim_users",
      ),
    )
    .action(async (id: string, options: CommonOptions & LogsCommandOptions) => {
      const { runLogs } = await import("./commands/logs.ts");
      const { follow = false, level, node } = options;
      const work: Work = (workspace, terminal) =>
        runLogs(workspace, terminal, { id, isFollowed: follow, level, node });
      await execute(invocation, { name: "logs", options, isRecorded: false, work });
    });
}

interface LogsCommandOptions {
  follow?: boolean;
  level?: LogLevel;
  node?: string;
}

function addJobCommands(program: Command, invocation: Invocation): void {
  const job = program
    .command("job")
    .description("jobs: ls, show, trigger, pause, resume, cancel")
    .helpCommand(false)
    .addHelpText("after", examples("run job ls", "run job trigger refresh", "run job pause refresh"));
  addProjectOptions(job.command("ls"))
    .description("the jobs, when they are due, and their last runs")
    .action(async (options: CommonOptions) => {
      const { runJobLs } = await import("./commands/job.ts");
      const work: Work = (workspace, terminal) => runJobLs(workspace, terminal, program);
      await execute(invocation, { name: "job ls", options, isRecorded: false, work });
    });
  const actions = {
    show: "a job's definition, its next due moments and its last runs",
    trigger: "run it now; the scheduler starts it",
    pause: "its due moments are skipped from now on",
    resume: "it is run when it is due again",
    cancel: "end its run, and all that the run has started",
  } as const;
  for (const [action, description] of Object.entries(actions))
    addProjectOptions(job.command(action))
      .description(description)
      .argument("<name>", action === "cancel" ? "a job, or the beginning of a run's id" : "a job")
      .action(async (name: string, options: CommonOptions) => {
        const { runJobAction } = await import("./commands/job.ts");
        const work: Work = (workspace, terminal) =>
          // The keys of `actions` are what `runJobAction` knows.
          runJobAction(workspace, terminal, { action: action as keyof typeof actions, name, program });
        await execute(invocation, { name: `job ${action}`, options, isRecorded: false, work });
      });
}

interface HistoryOptions extends CommonOptions {
  limit: number;
  job?: string;
  status?: RunStatus;
  since?: string;
}

function addHistoryCommands(program: Command, invocation: Invocation): void {
  const show = (id: string): Work => {
    return async (workspace, terminal) =>
      (await import("./commands/history.ts")).runHistoryOf(workspace, terminal, id);
  };
  const history = addProjectOptions(program.command("history"))
    .description("the commands and jobs that ran in this project, and what became of them")
    .argument("[id]", "one run, by the beginning of its id, as history show ID does")
    .addOption(numberOption("--limit <n>", "runs at most", 1).default(20))
    .option("--job <name>", "runs of this job")
    .addOption(new Option("--status <status>", "runs that ended so").choices(RUN_STATUSES))
    .option("--since <time>", "a date or a time (UTC), or a duration such as 2h or 7d")
    .helpCommand(false)
    .enablePositionalOptions()
    .addHelpText(
      "after",
      examples(
        "run history",
        "run history --job refresh --status failed --since 1d",
        "run history show 3f2a81c0",
      ),
    )
    .action(async (id: string | undefined, options: HistoryOptions) => {
      const { runHistory } = await import("./commands/history.ts");
      const work: Work =
        id === undefined ? (workspace, terminal) => runHistory(workspace, terminal, options) : show(id);
      await execute(invocation, { name: "history", options, isRecorded: false, work });
    });
  addProjectOptions(history.command("show"))
    .description("a run with its steps, nodes and the rows that broke its tests")
    .argument("<id>", "the beginning of its id")
    .action(async (id: string, _own: unknown, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions>();
      await execute(invocation, { name: "history show", options, isRecorded: false, work: show(id) });
    });
}
