import { type Command, CommanderError } from "commander";
import { nearestLine } from "../core/nearest.ts";
import type { CommandCheck } from "../schedule/jobs/load-jobs.ts";

/** Commands that do not come to an end by themselves. */
const ENDLESS = ["up", "api", "watch"];
const ENDLESS_OPTIONS = ["--watch", "--follow"];

/** Tells whether words are a command of this program that a job can run. Nothing of it is run. */
export function commandCheck(program: Command): CommandCheck {
  return (words) => {
    let command = program;
    let rest = [...words];
    for (let next = childOf(command, rest); next !== undefined; next = childOf(command, rest)) {
      command = next;
      rest = rest.slice(1);
    }
    const [first = ""] = words;
    if (command === program) {
      const names = program.commands.map((one) => one.name());
      const hint = first === "run" ? "leave out the word run" : undefined;
      const why = nearestLine(first, names);
      return { message: `unknown command "${first}"`, why, ...(hint === undefined ? {} : { hint }) };
    }
    if (ENDLESS.includes(first) || words.some((word) => ENDLESS_OPTIONS.includes(word)))
      return {
        message: `"run ${words.join(" ")}" never ends by itself`,
        hint: "take a command that comes to an end",
      };
    return problemOf(command, rest);
  };
}

function childOf(command: Command, [word]: readonly string[]): Command | undefined {
  return command.commands.find((one) => one.name() === word);
}

function problemOf(command: Command, words: string[]): ReturnType<CommandCheck> {
  let operands: string[];
  let unknown: string[];
  command.configureOutput({ outputError: () => undefined });
  try {
    ({ operands, unknown } = command.parseOptions(words));
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { message: error.message.replace(/^error: /, "") };
  }
  const [option] = unknown;
  if (option !== undefined) {
    const known = command.options.flatMap(({ long }) => long ?? []);
    return {
      message: `unknown option "${option}" of run ${command.name()}`,
      why: nearestLine(option, known),
    };
  }
  const { registeredArguments: wanted } = command;
  const missing = wanted.find(({ required }, place) => required && operands[place] === undefined);
  if (missing !== undefined) return { message: `run ${command.name()} needs <${missing.name()}>` };
  const isOpen = wanted.some(({ variadic }) => variadic);
  if (!isOpen && operands.length > wanted.length)
    return { message: `run ${command.name()} takes no "${operands[wanted.length] ?? ""}"` };
  const wrong = wanted.findIndex(
    ({ argChoices }, place) =>
      argChoices !== undefined && operands[place] !== undefined && !argChoices.includes(operands[place]),
  );
  const { argChoices = [] } = wanted[wrong] ?? {};
  return wrong < 0
    ? null
    : {
        message: `run ${command.name()} knows no "${operands[wrong] ?? ""}"`,
        why: [`expected: ${argChoices.join(", ")}`],
      };
}
