import { z } from "zod";
import type { Context } from "../../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { codeProblem, loadProjectCode, placeInCode } from "../../core/project-code.ts";
import type { MacroContext } from "../../core/sillon.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { Parameter } from "./signature.ts";
import type { Literal, TemplateCall } from "./template.ts";

/** The SQL text of a call. */
export type CodeMacro = (ctx: Context, call: TemplateCall, context: MacroContext) => string;

interface LoadedCode {
  kind: "code";
  name: string;
  file: string;
  source: string;
  description: string;
  parameters: Parameter[];
  code: CodeMacro;
}

const isSchema = (value: unknown): value is z.ZodType =>
  typeof value === "object" && value !== null && "safeParse" in value;
const isFunction = (value: unknown): value is (...args: unknown[]) => unknown => typeof value === "function";

const definition = z.strictObject({
  description: z.string().default(""),
  arguments: z.record(z.string(), z.custom<z.ZodType>(isSchema, "expected a zod schema")),
  sql: z.custom<(...args: unknown[]) => unknown>(isFunction, "expected a function that returns SQL"),
});

/** The macros that a TypeScript file exports: functions, and what defineMacro returns. Throws MACRO_* (exit 2). */
export function loadCodeMacros(ctx: Context, file: string): LoadedCode[] {
  const source = readTextFile(ctx.projectDir, file);
  const exported = Object.entries(loadModule(ctx, file)).filter(
    ([name]) => !/^(default|__esModule)$/.test(name),
  );
  const macros = exported.flatMap(([name, value]) => {
    if (isFunction(value)) return [{ ...plainFunction(name, value, file), file, source }];
    const isDefinition = typeof value === "object" && value !== null && "sql" in value;
    return isDefinition ? [{ ...definedMacro(name, value, file), file, source }] : [];
  });
  if (macros.length > 0) return macros;
  throw codeError("MACRO_MISSING", {
    message: "exports no macro",
    where: file,
    hint: "write: export const name = defineMacro({ … }), or export a function",
  });
}

function loadModule(ctx: Context, file: string): object {
  try {
    return z.looseObject({}).parse(loadProjectCode(ctx, file));
  } catch (error) {
    throw codeError("MACRO_UNREADABLE", {
      message: `cannot be loaded: ${codeProblem(messageOf(error))}`,
      where: placeInCode(ctx, error, file),
      hint: "correct the file: it is TypeScript that exports macros",
      cause: error,
    });
  }
}

function plainFunction(
  name: string,
  work: (...args: unknown[]) => unknown,
  file: string,
): Omit<LoadedCode, "file" | "source"> {
  const needed = Array.from({ length: work.length }, (_, at) => ({
    name: `argument_${at + 1}`,
    isRest: false,
  }));
  return {
    kind: "code",
    name,
    description: "",
    parameters: [...needed, { name: "more", isRest: true, default: [] }],
    code: (ctx, { args, where }) => sqlOf(ctx, { name, file, where }, () => work(...args)),
  };
}

function definedMacro(name: string, value: object, file: string): Omit<LoadedCode, "file" | "source"> {
  const parsed = definition.safeParse(value);
  if (!parsed.success) {
    throw codeError("MACRO_INVALID", {
      message: `macro "${name}" is not defined as it has to be`,
      where: file,
      why: parsed.error.issues.map((issue) => `${issue.path.join(".") || name}: ${issue.message}`),
      hint: "correct these members of the definition",
    });
  }
  const { arguments: shape, description, sql } = parsed.data;
  const parameters = Object.entries(shape).map(([key, schema]): Parameter => {
    const absent = schema.safeParse(undefined);
    // What a schema makes of nothing is what it makes of a call without the argument.
    return {
      name: key,
      isRest: false,
      ...(absent.success ? { default: (absent.data ?? null) as Literal } : {}),
    };
  });
  const code: CodeMacro = (ctx, { args, named, where }, context) => {
    const placed = args.map((argument, at) => [parameters[at]?.name ?? "", argument]);
    const values = z.object(shape).safeParse({ ...Object.fromEntries(placed), ...named });
    if (values.success) return sqlOf(ctx, { name, file, where }, () => sql(values.data, context));
    throw codeError("MACRO_ARGUMENTS", {
      message: `wrong arguments of macro "${name}"`,
      where,
      why: values.error.issues.map(
        ({ path, message }) => `${path.join(".")}: ${message.replace(/^Invalid input: /, "")}`,
      ),
      hint: `correct the call; the macro is in ${file}`,
    });
  };
  return { kind: "code", name, description, parameters, code };
}

function sqlOf(ctx: Context, at: { name: string; file: string; where: string }, work: () => unknown): string {
  let result: unknown;
  try {
    result = work();
  } catch (error) {
    if (error instanceof ProjectError) throw error;
    throw codeError("MACRO_FAILED", {
      message: `macro "${at.name}" failed: ${messageOf(error)}`,
      where: placeInCode(ctx, error, at.file),
      why: [`called from ${at.where}`],
      hint: "correct the macro, or what it is called with",
      cause: error,
    });
  }
  if (typeof result === "string" || typeof result === "number") return String(result);
  throw codeError("MACRO_RESULT", {
    message: `macro "${at.name}" returned ${result === null ? "null" : typeof result}, not SQL text`,
    where: at.file,
    why: [`called from ${at.where}`],
    hint: "return a text",
  });
}

function codeError(code: string, details: ConstructorParameters<typeof ProjectError>[1]): ProjectError {
  return new ProjectError(code, { ...details, exitCode: EXIT.usage });
}
