import Handlebars from "handlebars";
import { EXIT, messageOf, ProjectError, ProjectErrors } from "../../core/errors.ts";
import { requireVersion } from "../../core/versions.ts";
import type { HandlebarsText } from "./call-style.ts";

const REQUIRED = {
  name: "Handlebars",
  packageName: "handlebars",
  minimum: "4.7.9",
  why: "in older ones a template can run code of its own",
};

/** Throws VERSION_TOO_OLD (exit 4) when templates cannot be trusted to it. */
export function requireHandlebars(): void {
  requireVersion(Handlebars.VERSION, REQUIRED);
}

/** What a template threw while it was rendered. */
export function renderError(error: unknown, where: string): ProjectError {
  const [, name] = /^"(.*)" not defined in/.exec(messageOf(error)) ?? [];
  return new ProjectError("TEMPLATE_RENDER", {
    message:
      name === undefined ? `this cannot be rendered: ${messageOf(error)}` : `"${name}" has no value here`,
    where,
    hint: "correct the name; docs/from-dbt.md lists what templates know",
    exitCode: EXIT.usage,
    cause: error,
  });
}

export interface Places {
  /** Of a line and column of the Handlebars text. */
  whereIs(line: number, column: number): string;
  /** Of an offset of the author's text. */
  placeOf(offset: number): string;
}

/** Throws ProjectErrors (TEMPLATE_SYNTAX) for every tag that cannot be read. */
export function parseProgram(handlebars: HandlebarsText, { whereIs, placeOf }: Places): hbs.AST.Program {
  try {
    return Handlebars.parse(handlebars.text);
  } catch (error) {
    // Handlebars stops at the first mistake and does not say where in the line it is.
    const wrong = handlebars.tags.flatMap(({ text, offset }) => {
      const thrown = parseFailure(standalone(text));
      return thrown === undefined ? [] : [syntaxError(thrown, placeOf(offset))];
    });
    if (wrong.length > 0) throw new ProjectErrors(wrong);
    throw new ProjectErrors([syntaxError(error, syntaxPlace(error, whereIs))]);
  }
}

/** A tag that can be parsed by itself: blocks with their end, ends and `else` in a block. */
function standalone(tag: string): string {
  const [, sign, name = ""] = /^\{\{\{?~?([#^/]?)\s*([\w.]*)/.exec(tag) ?? [];
  if (sign === "/" || name === "else" || (sign === "^" && name === "")) return "";
  return sign === "" ? tag : `${tag}{{/${name}}}`;
}

function parseFailure(text: string): unknown {
  try {
    Handlebars.parse(text);
    return undefined;
  } catch (error) {
    return error;
  }
}

function syntaxError(error: unknown, where: string): ProjectError {
  return new ProjectError("TEMPLATE_SYNTAX", {
    message: syntaxMessage(error),
    where,
    why: ["tags hold names, calls, texts, numbers, lists and maps; operators and filters are not known"],
    hint: "write {{ ref('name') }} or {{ref 'name'}}; what these tags accept is in docs/from-dbt.md",
    exitCode: EXIT.usage,
    cause: error,
  });
}

/** Handlebars' names of what it met. */
const TOKENS: Record<string, string> = {
  CLOSE: '"}}"',
  CLOSE_UNESCAPED: '"}}}"',
  CLOSE_SEXPR: '")"',
  OPEN_SEXPR: '"("',
  CLOSE_BLOCK_PARAMS: '"|"',
  OPEN_BLOCK_PARAMS: '"as |"',
  EQUALS: '"="',
  SEP: '"."',
  ID: "a name",
  STRING: "a text",
  NUMBER: "a number",
  EOF: "the end of the file",
};

function syntaxMessage(error: unknown): string {
  const lines = messageOf(error).split("\n");
  const [, token = ""] = /got '(\w+)'/.exec(lines.at(-1) ?? "") ?? [];
  if (token !== "") return `this tag cannot be read: unexpected ${TOKENS[token] ?? "character"}`;
  return `this tag cannot be read: ${lines[0]}`;
}

/** Handlebars puts places in two different spots, depending on which part of it complains. */
export function syntaxPlace(error: unknown, whereIs: Places["whereIs"]): string {
  const thrown = error as { lineNumber?: number; column?: number }; // of Handlebars.Exception
  if (thrown.lineNumber !== undefined) return whereIs(thrown.lineNumber, (thrown.column ?? 0) + 1);
  const line = /on line (\d+)/.exec(messageOf(error));
  return whereIs(Number(line?.[1] ?? 1), 1);
}
