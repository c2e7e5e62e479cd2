import { placeMark } from "./template-places.ts";

/** A template that only holds text and calls with literal arguments, such as `ref('x')`; it survives JSON. */
export type TemplatePart = TextPart | CallPart;

/** What stands between two offsets of the source. */
type TextPart = [from: number, to: number];

interface CallPart {
  name: string;
  args: unknown[];
  named: Record<string, unknown>;
  /** Of the tag, in the source. */
  offset: number;
  /** `file:line:column`. */
  where: string;
}

type Helpers = Readonly<
  Record<string, (call: { args: unknown[]; named: Record<string, unknown>; where: string }) => unknown>
>;

/** The parts of a program; undefined when it holds anything but text and calls with literal arguments. */
export function simpleParts(
  program: hbs.AST.Program,
  source: string,
  given: {
    sourceOffset(statement: hbs.AST.Statement): number;
    whereOf(loc: hbs.AST.SourceLocation): string;
    /** Undefined for what is no literal. */
    literalOf(node: hbs.AST.Expression): unknown;
  },
): TemplatePart[] | undefined {
  const parts: TemplatePart[] = [];
  for (const statement of program.body) {
    if (statement.type === "CommentStatement") continue;
    const offset = given.sourceOffset(statement);
    if (statement.type === "ContentStatement") {
      const { value } = statement as hbs.AST.ContentStatement;
      if (!source.startsWith(value, offset)) return undefined;
      if (value !== "") parts.push([offset, offset + value.length]);
    } else if (statement.type === "MustacheStatement") {
      const { path, params, hash, loc } = statement as hbs.AST.MustacheStatement;
      const name = plainName(path);
      const args = params.map(given.literalOf);
      const named = (hash?.pairs ?? []).map(({ key, value }) => [key, given.literalOf(value)] as const);
      const isCall = args.length + named.length > 0;
      const isLiteral = ![...args, ...named.map(([, value]) => value)].includes(undefined);
      if (name === undefined || !isCall || !isLiteral) return undefined;
      parts.push({ name, args, named: Object.fromEntries(named), offset, where: given.whereOf(loc) });
    } else return undefined;
  }
  return parts;
}

/** The name of a call that is no member, no variable of a block and no parent's. */
function plainName(path: hbs.AST.Expression): string | undefined {
  if (path.type !== "PathExpression") return undefined;
  const { data, depth, parts, original } = path as hbs.AST.PathExpression;
  return !data && depth === 0 && parts.length === 1 && parts[0] === original ? original : undefined;
}

/** Whether all calls of the parts are among the helpers. */
export function areKnown(parts: readonly TemplatePart[], helpers: Helpers): boolean {
  return parts.every((part) => Array.isArray(part) || Object.hasOwn(helpers, part.name));
}

/** The text of the parts with marks of its places, as Handlebars would render them. */
export function renderParts(source: string, parts: readonly TemplatePart[], helpers: Helpers): string {
  let text = "";
  for (const part of parts) {
    if (Array.isArray(part)) {
      text += placeMark("c", part[0]) + source.slice(...part);
      continue;
    }
    const { name, args, named, offset, where } = part;
    // A macro may change what it is given.
    const result = helpers[name]?.({ args: args.map(copied), named: copied(named), where });
    text += placeMark("t", offset) + (result ?? "");
  }
  return text;
}

function copied<T>(value: T): T {
  return typeof value === "object" && value !== null ? structuredClone(value) : value;
}
