import { Command, CommanderError } from "commander";
import { EXIT } from "../core/errors.ts";
import { addCommands } from "./commands.ts";
import { type Invocation, interruptible } from "./invocation.ts";

/** Reads the arguments, runs the command, and returns the exit code. Nothing else of the program sets it. */
export async function runCommandLine(argv: readonly string[], process: NodeJS.Process): Promise<number> {
  return interruptible(process, argv, runInvocation);
}

/** The same within a process that goes on. */
export async function runInvocation(invocation: Invocation): Promise<number> {
  const { argv } = invocation;
  const program = createProgram(invocation);
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync([...argv], { from: "user" });
    return invocation.exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.ok;
    if (argv.includes("--json")) invocation.stdout.write(usageDocument(argv, error));
    return EXIT.usage;
  }
}

function usageDocument(argv: readonly string[], error: CommanderError): string {
  const message = error.message.replace(/^error: /, "");
  const errors = [{ code: "USAGE", message, where: null, why: [], hint: "see run --help" }];
  return `${JSON.stringify({ command: argv[0], exit_code: EXIT.usage, errors }, undefined, 2)}\n`;
}

function createProgram(invocation: Invocation): Command {
  const program = new Command("run")
    .description("Sillon: from a music service's HTTP API to tested star-schema tables, in one process.")
    .version(invocation.version, "-V, --version")
    .helpCommand("help [command]", "show a command's options and examples")
    .showSuggestionAfterError(true)
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .exitOverride();
  const toStream = {
    writeOut: (text: string) => invocation.stdout.write(text),
    writeErr: (text: string) => invocation.stderr.write(text),
    outputError: (text: string, write: (text: string) => void) =>
      write(`${text.replace(/^error: /, "run: ")}  to fix: see run --help\n`),
  };
  program.configureOutput(toStream);
  program.addHelpText("after", HELP_END);
  addCommands(program, invocation);
  for (const command of program.commands.flatMap((one) => [one, ...one.commands]))
    command.configureOutput(toStream).exitOverride();
  return program;
}

const HELP_END = `
Examples:
  $ run demo                              the whole job, with a service of its own
  $ run ingest                            load from MOOVITAMIX_URL (default http://127.0.0.1:8000)
  $ run models --select marts
  $ run test

Exit codes: 0 all is right; 1 something failed; 2 wrong call or project files, nothing was executed;
3 another command holds the project; 4 disk, permissions or a damaged store; 130, 143 stopped.
`;
