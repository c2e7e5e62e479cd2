import type { Command } from "commander";
import { FAULTS_HELP } from "../moovitamix/faults.ts";
import { examples } from "./command-parts.ts";
import type { ApiCommandOptions } from "./commands/api.ts";
import type { Invocation } from "./invocation.ts";
import { addProjectOptions, numberOption } from "./options.ts";
import type { CommonOptions } from "./workspace.ts";

/** Commands around a project: a new one, a look at its surroundings, a service to load from. */
export function addSetupCommands(program: Command, invocation: Invocation): void {
  program
    .command("init")
    .description("a new project in a new folder, with an example that runs at once")
    .argument("<name>", "of the folder and the project")
    .option("--json", "one JSON document on stdout")
    .addHelpText("after", examples("run init shop", "cd shop && run pipeline"))
    .action(async (name: string, options: CommonOptions) => {
      const { executeOutside } = await import("./execute.ts");
      const { runInit } = await import("./commands/init.ts");
      await executeOutside(invocation, {
        name: "init",
        options,
        work: (terminal) => runInit(terminal, name, invocation.version),
      });
    });
  addProjectOptions(program.command("doctor"))
    .description(
      "checks Node, the engine, the project, the connection, disk and sources, and says what to do",
    )
    .addHelpText("after", examples("run doctor", "run doctor --target prod --json"))
    .action(async (options: CommonOptions) => {
      const { executeOutside } = await import("./execute.ts");
      const { runDoctor } = await import("./commands/doctor.ts");
      await executeOutside(invocation, {
        name: "doctor",
        options,
        work: (terminal) => runDoctor(terminal, options),
      });
    });
}

/** A service to load from. */
export function addStandIn(program: Command, invocation: Invocation): void {
  program
    .command("api")
    .description("a stand-in for the Moovitamix API, for demonstrations and tests")
    .addOption(numberOption("--port <n>", "0 takes a free one", 0).default(8000))
    .addOption(numberOption("--seed <n>", "the same seed gives the same data", 0).default(1))
    .addOption(numberOption("--users <n>", "users", 1).default(1000))
    .addOption(numberOption("--tracks <n>", "tracks", 1).default(2000))
    .addOption(numberOption("--plays <n>", "listened tracks in all", 0).default(60_000))
    .addOption(numberOption("--rate-limit <n>", "requests a second; more get 429", 1))
    .addOption(numberOption("--grow <n>", "new listening sessions a second", 0))
    .option("--faults <rules>", "misbehave: 429=0.05,5xx=0.1,cut@tracks/3x2 (see below)")
    .addHelpText(
      "after",
      examples(
        "run api",
        "run api --port 8001 --grow 5",
        `run api --faults "5xx=0.1,429(retry-after=2)=0.05"`,
      ),
    )
    .addHelpText("after", FAULTS_HELP)
    .action(async (options: ApiCommandOptions) => {
      const { executeBare } = await import("./execute.ts");
      const { runApi } = await import("./commands/api.ts");
      await executeBare(invocation, (terminal) => runApi(terminal, options));
    });
}
