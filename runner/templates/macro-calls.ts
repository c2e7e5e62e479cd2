import type { Context } from "../../core/context.ts";
import { ProjectError, ProjectErrors, projectErrorsOf } from "../../core/errors.ts";
import type { MacroContext } from "../../core/sillon.ts";
import type { Macro, Macros } from "./macro.ts";
import { bindArguments } from "./signature.ts";
import type { TemplateCall, TemplateContext } from "./template.ts";

/** What macros of one rendering have in common. */
export interface MacroSurroundings {
  helpers: TemplateContext["helpers"];
  values: TemplateContext["values"];
  contextOf(where: string): MacroContext;
}

/** The macros as helpers of a template, and of each other. */
export function macroCalls(
  ctx: Context,
  macros: Macros,
  around: MacroSurroundings,
): TemplateContext["helpers"] {
  const helpers: Record<string, (call: TemplateCall) => unknown> = { ...around.helpers };
  const calls = [...macros.values()].map((macro) => {
    const call = (given: TemplateCall) =>
      calledFrom(given.where, () => sqlOf(ctx, macro, { given, around, helpers }));
    return [macro.name, call] as const;
  });
  for (const [name, call] of calls) helpers[name] = call;
  return Object.fromEntries(calls);
}

function sqlOf(
  ctx: Context,
  macro: Macro,
  at: { given: TemplateCall; around: MacroSurroundings; helpers: TemplateContext["helpers"] },
): string {
  const { given, around, helpers } = at;
  if (macro.kind === "code") return macro.code(ctx, given, around.contextOf(given.where));
  const bound = Object.fromEntries(bindArguments(macro.parameters, given));
  return macro.template.renderPart({ helpers, values: { ...around.values, ...bound } });
}

/** A mistake that shows inside a macro names the calls that led there. */
function calledFrom<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const mistakes = projectErrorsOf(error);
    if (mistakes.length === 0) throw error;
    throw new ProjectErrors(mistakes.map((mistake) => withCall(mistake, where)));
  }
}

function withCall(mistake: ProjectError, where: string): ProjectError {
  const line = `called from ${where}`;
  if (mistake.where === where || mistake.why.includes(line)) return mistake;
  const { code, message, hint, exitCode, cause } = mistake;
  const why = [...mistake.why, line];
  return new ProjectError(code, { message, where: mistake.where, why, hint, exitCode, cause });
}
