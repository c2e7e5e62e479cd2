import { type Command, InvalidArgumentError, Option } from "commander";
import { INDIRECT_MODES, RESOURCE_TYPES } from "../runner/select/words.ts";
import { LOG_FORMATS } from "./log-json.ts";

/** A whole number of at least `minimum`. */
function wholeNumber(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== "" && Number.isInteger(value) && value >= minimum) return value;
    throw new InvalidArgumentError(`expected a whole number of at least ${minimum}.`);
  };
}

export function numberOption(flags: string, description: string, minimum: number): Option {
  return new Option(flags, description).argParser(wholeNumber(minimum));
}

/** Options of every command that works on a project. */
export function addProjectOptions(command: Command): Command {
  return command
    .option(
      "--project-dir <folder>",
      "the project's folder (default: the nearest one with project.yml or dbt_project.yml)",
    )
    .option(
      "--profiles-dir <folder>",
      "where profiles.yml is (default: DBT_PROFILES_DIR, the project, ~/.dbt)",
    )
    .option("-t, --target <name>", "target of profiles.yml")
    .option("--vars <yaml>", `variables for this run: '{name: value}'`)
    .option("--json", "one JSON document on stdout")
    .option("-q, --quiet", "only warnings and errors on stderr")
    .option("--debug", "every event, and stacks of errors")
    .addOption(
      new Option("--log-format <form>", "of the story on stderr (default: text)").choices(LOG_FORMATS),
    );
}

/** Options of commands that write to the warehouse. */
export function addWriteOptions(command: Command): Command {
  return addProjectOptions(command)
    .addOption(
      numberOption(
        "--wait <seconds>",
        "how long to wait for another command of this project (default: 30)",
        0,
      ),
    )
    .option("--no-wait", "do not wait for another command");
}

/** Options of commands that run models or tests. */
export function addGraphOptions(command: Command): Command {
  return addWarnErrorOptions(
    addWriteOptions(command).addOption(numberOption("--threads <n>", "models and tests at once", 1)),
  );
}

export function addWarnErrorOptions(command: Command): Command {
  return command
    .option("--warn-error", "warnings, and tests that warn, are errors: exit 1")
    .addOption(
      new Option(
        "--warn-error-options <yaml>",
        "which ones: '{error: all, warn: [names], silence: [names]}'",
      ).conflicts("warnError"),
    );
}

/** Options of commands that run what is chosen. */
export function addSelectionOptions(command: Command): Command {
  return addChoiceOptions(addGraphOptions(command));
}

/** Options that choose nodes of the graph. */
export function addChoiceOptions(command: Command): Command {
  return command
    .option(
      "-s, --select <nodes...>",
      "names, folders, tag:NAME, path:…; + before or after takes ancestors or descendants",
    )
    .option("--exclude <nodes...>", "the same, to leave out")
    .option("--selector <name>", "a selection of selectors.yml")
    .addOption(
      new Option("--indirect-selection <mode>", "which tests come along with a node").choices(INDIRECT_MODES),
    )
    .addOption(new Option("--resource-type <types...>", "only these").choices(RESOURCE_TYPES))
    .addOption(new Option("--exclude-resource-type <types...>", "all but these").choices(RESOURCE_TYPES))
    .option("--state <folder>", "artifacts of an earlier run, for state:, result: and source_status:")
    .option("--allow-empty-selection", "exit 0 when nothing matches");
}

export function addFullRefreshOption(command: Command): Command {
  return command.option("-f, --full-refresh", "build everything from nothing, incremental models too");
}

export function addNoReuseOption(command: Command): Command {
  return command.option("--no-reuse", "make anew what is unchanged as well");
}

export function addFailFastOption(command: Command): Command {
  return command.option("-x, --fail-fast", "start nothing more after the first failure");
}

export function addEventTimeOptions(command: Command): Command {
  return command
    .option("--event-time-start <time>", "with --event-time-end: the batches of microbatch models, in UTC")
    .option("--event-time-end <time>", "where they end");
}

export function addWatchOption(command: Command, remark?: string): Command {
  const what = "then wait for saves, and run what changed and what depends on it";
  return command.option("--watch", remark === undefined ? what : `${what}; ${remark}`);
}

export function addDryRunOption(command: Command): Command {
  return command.option(
    "--dry-run",
    "bind all SQL in an empty copy and say what would happen; changes nothing",
  );
}

export function addEmptyOption(command: Command): Command {
  return command.option("--empty", "columns only: ref() and source() read no rows");
}

export function addStoreFailuresOption(command: Command): Command {
  return command.option("--store-failures", "keep the rows that fail in the warehouse, a table a test");
}

/** Options of commands that run everything. */
export function addRunOptions(command: Command): Command {
  return addStoreFailuresOption(
    addNoReuseOption(
      addEventTimeOptions(addFailFastOption(addFullRefreshOption(addSelectionOptions(command)))),
    ),
  );
}

export const LS_OUTPUTS = ["selector", "name", "path", "json"] as const;
export type LsOutput = (typeof LS_OUTPUTS)[number];
