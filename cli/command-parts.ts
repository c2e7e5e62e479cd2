import type { CommandSpec } from "./execute.ts";
import type { Invocation } from "./invocation.ts";
import type { WatchSpec } from "./watch.ts";

export type Work = CommandSpec["work"];

/** Runs a command. What does the work is loaded only now, so that help and mistakes come at once. */
export async function execute(invocation: Invocation, spec: CommandSpec): Promise<void> {
  const { executeCommand } = await import("./execute.ts");
  await executeCommand(invocation, spec);
}

/** Runs a command; with `--watch` again after every save. */
export async function executeOrWatch(
  invocation: Invocation,
  spec: WatchSpec & { options: { watch?: boolean } },
): Promise<void> {
  if (!spec.options.watch) return execute(invocation, spec);
  const { executeWatch } = await import("./watch.ts");
  await executeWatch(invocation, spec);
}

/** The end of a command's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}\n`;
}
