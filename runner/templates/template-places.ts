import { randomBytes } from "node:crypto";
import { SourceMap } from "./source-map.ts";

export interface Rendered {
  text: string;
  /** `file:line:column` in the author's file for a place in the rendered text. */
  placeOf(offset: number): string;
  /** Where the author's file calls the macro that wrote a place of the rendered text; undefined in its own text. */
  callOf(offset: number): string | undefined;
}

/** Marks places in the rendered text. Chance, since a value may hold any character, NUL too. */
const MARK = `\0${randomBytes(6).toString("base64url")}\0`;

/** The mark of a place: `c` before text that is the source's, `t` before what a tag yields. */
export function placeMark(kind: "c" | "t", offset: number, origin = ""): string {
  return `${MARK}${kind}${offset}@${origin}${MARK}`;
}

/** Where a statement's text, or its tag, begins in the source. */
export function statementOffset(
  statement: hbs.AST.Statement,
  sourceOffset: (at: hbs.AST.Position) => number,
): number {
  const offset = sourceOffset(statement.loc.start);
  if (statement.type !== "ContentStatement") return offset;
  return offset + strippedBefore(statement as hbs.AST.ContentStatement);
}

/** Puts a mark with its source offset before each part of the template that yields text. */
export function markPlaces(
  program: hbs.AST.Program,
  sourceOffset: (at: hbs.AST.Position) => number,
  origin = "",
): void {
  program.body = program.body.flatMap((statement) => {
    if (statement.type === "ContentStatement") {
      const content = statement as hbs.AST.ContentStatement;
      if (content.value === "") return [content];
      content.value = placeMark("c", statementOffset(content, sourceOffset), origin) + content.value;
      return [content];
    }
    if (statement.type === "MustacheStatement") {
      const mark = {
        ...emptyContent(statement.loc),
        value: placeMark("t", sourceOffset(statement.loc.start), origin),
      };
      return [mark, statement];
    }
    if (statement.type === "BlockStatement") {
      const block = statement as hbs.AST.BlockStatement;
      if (block.program) markPlaces(block.program, sourceOffset, origin);
      if (block.inverse) markPlaces(block.inverse, sourceOffset, origin);
    }
    return [statement];
  });
}

function emptyContent(loc: hbs.AST.SourceLocation): hbs.AST.ContentStatement {
  // The published types say that `original` is an object; in Handlebars 4.7 it is the text.
  return { type: "ContentStatement", value: "", original: "", loc } as unknown as hbs.AST.ContentStatement;
}

/** Handlebars takes away the white space around blocks; how much of it before the text. */
function strippedBefore(content: hbs.AST.ContentStatement): number {
  const original = String(content.original);
  if (original.endsWith(content.value)) return original.length - content.value.length;
  return Math.max(0, original.indexOf(content.value));
}

/** The rendered text without its marks, and the way back to the author's; `origin` names a macro. */
export function unmark(marked: string, placeOf: (offset: number, origin?: string) => string): Rendered {
  const map = new SourceMap();
  let text = "";
  for (const [index, part] of marked.split(MARK).entries()) {
    if (index % 2 === 0) text += part;
    else {
      const [to = "", origin = ""] = part.slice(1).split("@");
      const segment = { from: text.length, to: Number(to), isVerbatim: part.startsWith("c") };
      map.add(origin === "" ? segment : { ...segment, origin });
    }
  }
  return {
    text,
    placeOf: (offset) => {
      const at = map.originOf(offset);
      return placeOf(at.offset, at.origin);
    },
    callOf: (offset) => {
      const call = map.originOf(offset).origin === undefined ? undefined : map.usualBefore(offset);
      return call === undefined ? undefined : placeOf(call);
    },
  };
}

/** A value that a helper is given, without the marks of the macros that its text stems from. */
export function withoutMarks(value: unknown): unknown {
  if (typeof value === "string") {
    return value.includes(MARK)
      ? value
          .split(MARK)
          .filter((_, index) => index % 2 === 0)
          .join("")
      : value;
  }
  return Array.isArray(value) ? value.map(withoutMarks) : value;
}
