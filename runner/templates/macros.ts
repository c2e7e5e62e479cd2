import { basename } from "node:path";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { Mistakes } from "../project/collect.ts";
import { listFiles } from "../project/files.ts";
import type { Project } from "../project/project.ts";
import type { Macro, MacroBase, Macros, TemplateMacro } from "./macro.ts";
import { loadCodeMacros } from "./macro-code.ts";
import { parseParameters } from "./signature.ts";
import { parseTemplate, type Template, type TemplateUse } from "./template.ts";

/** Names that macros cannot take. */
export interface TakenNames {
  taken: readonly string[];
}

/** The macros of the project by their names. Mistakes in their files are added to `mistakes`. */
export function loadMacros(
  ctx: Context,
  project: Project,
  { taken, mistakes }: TakenNames & { mistakes: Mistakes },
): Macros {
  const macros = new Map<string, Macro>();
  const add = (macro: Omit<MacroBase, "id"> & Pick<Macro, "kind">, where = `${macro.file}:1:1`) => {
    const problem = nameProblem(macro.name, { taken, former: macros.get(macro.name) });
    if (problem !== undefined) mistakes.add(macroError(problem, where));
    else macros.set(macro.name, { ...macro, id: `macro.${project.name}.${macro.name}` } as Macro);
  };
  for (const file of listFiles(ctx.projectDir, project.macroPaths, [".hbs"])) {
    const macro = mistakes.attempt(() => templateMacro(ctx, file));
    if (macro !== undefined) add(macro);
  }
  const isCode = (file: string) => !file.endsWith(".d.ts");
  for (const file of listFiles(ctx.projectDir, project.macroPaths, [".ts"]).filter(isCode)) {
    for (const macro of mistakes.attempt(() => loadCodeMacros(ctx, file)) ?? []) add(macro, file);
  }
  for (const cycle of cyclesOf(macros)) mistakes.add(cycleError(cycle, macros));
  return macros;
}

const HEADER = /^\s*\{\{!--\s*arguments:(.*?)--\}\}/s;

function templateMacro(ctx: Context, file: string): Omit<TemplateMacro, "id"> {
  // The last line's end is the file's, not the macro's.
  const source = readTextFile(ctx.projectDir, file).trimEnd();
  const name = basename(file, ".hbs");
  const header = HEADER.exec(source);
  const parameters = parseParameters(header?.[1] ?? "");
  if (parameters === undefined) {
    const message = `the arguments of macro "${name}" cannot be read`;
    const hint = "write names, with literal defaults for those that may be left out";
    const where = `${file}:1:1`;
    throw new ProjectError("MACRO_HEADER", {
      message,
      where,
      why: ["for example: {{!-- arguments: column, digits=2, suffix='' --}}"],
      hint,
      exitCode: EXIT.usage,
    });
  }
  const template = parseTemplate(file, source, { name, parameters: parameters.map((one) => one.name) });
  return { kind: "template", name, file, source, description: "", parameters, template };
}

interface Problem {
  code: string;
  message: string;
  why?: string[];
  hint: string;
}

function nameProblem(
  name: string,
  { taken, former }: TakenNames & { former: Macro | undefined },
): Problem | undefined {
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    const message = `"${name}" cannot be called in a template`;
    return { code: "MACRO_NAME", message, hint: "name it with letters, digits and underscores" };
  }
  if (taken.includes(name)) {
    const message = `"${name}" is a name that every template knows`;
    return { code: "MACRO_NAME", message, hint: "give the macro another name" };
  }
  if (former === undefined) return undefined;
  const why = [`the other one is in ${former.file}`];
  return { code: "MACRO_DUPLICATE", message: `a second macro named "${name}"`, why, hint: "rename one" };
}

function macroError({ code, ...details }: Problem, where: string): ProjectError {
  return new ProjectError(code, { ...details, where, exitCode: EXIT.usage });
}

/** The macros that a template calls by itself, each once. */
export function macrosIn(macros: Macros, uses: readonly TemplateUse[]): Macro[] {
  return [...new Set(uses.flatMap((use) => macros.get(use.name) ?? []))];
}

/** The macros that `macro` calls by itself. */
export function macrosOf(macros: Macros, macro: Macro): Macro[] {
  return macro.kind === "template" ? macrosIn(macros, macro.template.uses) : [];
}

/** Every use in a template and in the macros that it calls, those of macros first. */
export function usesWithMacros(macros: Macros, template: Template): TemplateUse[] {
  const seen = new Set<Macro>();
  const visit = (uses: readonly TemplateUse[]): TemplateUse[] => {
    const called = macrosIn(macros, uses).filter((macro) => !seen.has(macro));
    for (const macro of called) seen.add(macro);
    return [
      ...called.flatMap((macro) => (macro.kind === "template" ? visit(macro.template.uses) : [])),
      ...uses,
    ];
  };
  return visit(template.uses);
}

/** Paths of macros that lead back to their start, each circle once. */
function cyclesOf(macros: Macros): Macro[][] {
  const cycles = new Map<string, Macro[]>();
  const done = new Set<Macro>();
  const visit = (macro: Macro, path: readonly Macro[]) => {
    const start = path.indexOf(macro);
    if (start >= 0) {
      const cycle = path.slice(start);
      const key = cycle.map(({ name }) => name).sort();
      cycles.set(key.join(), [...cycle, macro]);
    } else if (!done.has(macro)) {
      for (const called of macrosOf(macros, macro)) visit(called, [...path, macro]);
      done.add(macro);
    }
  };
  for (const macro of macros.values()) visit(macro, []);
  return [...cycles.values()];
}

function cycleError(cycle: readonly Macro[], macros: Macros): ProjectError {
  const [first, second] = cycle;
  const uses = first?.kind === "template" ? first.template.uses : [];
  const use = uses.find(({ name }) => macros.get(name) === second);
  const problem = {
    code: "MACRO_CYCLE",
    message:
      cycle.length === 2 ? `macro "${first?.name}" calls itself` : "these macros call each other in a circle",
    why: [cycle.map(({ name }) => name).join(" -> ")],
    hint: "remove one of these calls",
  };
  return macroError(problem, use?.where ?? `${first?.file}:1:1`);
}
