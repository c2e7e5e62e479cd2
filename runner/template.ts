import Handlebars from "handlebars";
import { projectErrorsOf } from "../core/errors.ts";
import { toHandlebars } from "./call-style.ts";
import { textPlaces } from "./source-map.ts";
import { markPlaces, type Rendered, unmark } from "./template-places.ts";
import { parseProgram, renderError, syntaxPlace } from "./template-syntax.ts";

export type Literal = string | number | boolean | null | Literal[] | { [name: string]: Literal };

/** A name that a template uses: a call with its literal arguments, or a value. */
export interface TemplateUse {
  name: string;
  isCall: boolean;
  /** An argument that is not a literal (another call, a variable) is undefined. */
  args: (Literal | undefined)[];
  named: Record<string, Literal | undefined>;
  /** `file:line:column`. */
  where: string;
}

export interface Template {
  file: string;
  source: string;
  uses: TemplateUse[];
  render(context: TemplateContext): Rendered;
}

export interface TemplateContext {
  helpers: Readonly<Record<string, (call: TemplateCall) => unknown>>;
  values: Readonly<Record<string, unknown>>;
}

export interface TemplateCall {
  args: unknown[];
  named: Record<string, unknown>;
}

type Expression = hbs.AST.Expression;
interface CallNode {
  path: Expression;
  params: Expression[];
  hash?: hbs.AST.Hash;
  loc: hbs.AST.SourceLocation;
}

/** Reads a template in either call style. Throws ProjectErrors with the places of all mistakes. */
export function parseTemplate(file: string, source: string): Template {
  const handlebars = toHandlebars(file, source);
  const inText = textPlaces(handlebars.text);
  const inSource = textPlaces(source);
  const sourceOffset = (at: hbs.AST.Position) =>
    handlebars.map.toSource(inText.offsetOf(at.line, at.column + 1));
  const placeOf = (offset: number) => `${file}:${inSource.placeOf(offset)}`;
  const whereIs = (line: number, column: number) =>
    placeOf(handlebars.map.toSource(inText.offsetOf(line, column)));
  const program = parseProgram(handlebars, { whereIs, placeOf });
  const uses: TemplateUse[] = [];
  new UseVisitor((use, loc) => uses.push({ ...use, where: placeOf(sourceOffset(loc.start)) })).accept(
    program,
  );
  markPlaces(program, sourceOffset);
  let compiled: HandlebarsTemplateDelegate | undefined;
  return {
    file,
    source,
    uses,
    render(context) {
      compiled ??= Handlebars.compile(program, { noEscape: true, strict: true, preventIndent: true });
      try {
        return unmark(compiled(context.values, { helpers: handlebarsHelpers(context) }), placeOf);
      } catch (error) {
        if (projectErrorsOf(error).length > 0) throw error;
        throw renderError(error, syntaxPlace(error, whereIs));
      }
    },
  };
}

/** Names bound by blocks (`as |x|`) and names below a block's item are not the project's to know. */
class UseVisitor extends Handlebars.Visitor {
  private depth = 0;
  private readonly locals: string[] = [];

  constructor(
    private readonly onUse: (use: Omit<TemplateUse, "where">, loc: hbs.AST.SourceLocation) => void,
  ) {
    super();
  }

  override MustacheStatement(node: hbs.AST.MustacheStatement): void {
    this.visitCall(node);
  }

  /** `(is_incremental)`: in parentheses stands a call, even without arguments. */
  override SubExpression(node: hbs.AST.SubExpression): void {
    this.visitCall(node, { isInParentheses: true });
  }

  override BlockStatement(node: hbs.AST.BlockStatement): void {
    this.visitCall(node);
    const bound = node.program?.blockParams ?? [];
    const changesContext = ["each", "with"].includes(originalOf(node.path) ?? "");
    this.locals.push(...bound);
    this.depth += changesContext ? 1 : 0;
    if (node.program) this.accept(node.program);
    this.depth -= changesContext ? 1 : 0;
    this.locals.length -= bound.length;
    if (node.inverse) this.accept(node.inverse);
  }

  override PathExpression(node: hbs.AST.PathExpression): void {
    const head = /^this\b/.test(node.original) ? "this" : node.parts[0];
    const isItem = this.depth > 0 && node.depth === 0;
    if (node.data || isItem || head === undefined || this.locals.includes(head)) return;
    this.onUse({ name: head, isCall: false, args: [], named: {} }, node.loc);
  }

  private visitCall(node: CallNode, { isInParentheses = false } = {}): void {
    if (node.path.type.endsWith("Literal")) {
      const name = String((node.path as hbs.AST.StringLiteral).value);
      this.onUse({ name, isCall: false, args: [], named: {} }, node.path.loc);
    }
    const hasArguments = node.params.length > 0 || node.hash !== undefined;
    const isCall = isInParentheses || hasArguments || this.isKnownCall(node.path);
    const name = originalOf(node.path);
    if (isCall && name !== undefined) {
      const pairs = node.hash?.pairs ?? [];
      const named = Object.fromEntries(pairs.map((pair) => [pair.key, literalOf(pair.value)]));
      this.onUse({ name, isCall: true, args: node.params.map(literalOf), named }, node.path.loc);
    } else this.accept(node.path);
    for (const param of node.params) this.accept(param);
    for (const pair of node.hash?.pairs ?? []) this.accept(pair.value);
  }

  /** `{{ config() }}`: these are never values. */
  private isKnownCall(path: Expression): boolean {
    return path.type === "PathExpression" && ["is_incremental", "config"].includes(originalOf(path) ?? "");
  }
}

function originalOf(path: Expression): string | undefined {
  return path.type === "PathExpression" ? (path as hbs.AST.PathExpression).original : undefined;
}

function literalOf(node: Expression): Literal | undefined {
  if (node.type === "NullLiteral") return null;
  if (["StringLiteral", "NumberLiteral", "BooleanLiteral"].includes(node.type)) {
    return (node as hbs.AST.StringLiteral).value;
  }
  if (node.type !== "SubExpression") return undefined;
  const call = node as hbs.AST.SubExpression;
  const items = call.params.map(literalOf);
  if (items.some((item) => item === undefined)) return undefined;
  const known = items as Literal[];
  if (originalOf(call.path) === "list") return known;
  return originalOf(call.path) === "dict" ? pairsToMap(known) : undefined;
}

function pairsToMap(items: readonly Literal[]): Record<string, Literal> {
  const map: Record<string, Literal> = {};
  for (let index = 0; index + 1 < items.length; index += 2)
    map[String(items[index])] = items[index + 1] ?? null;
  return map;
}

function handlebarsHelpers(context: TemplateContext): Record<string, (...args: unknown[]) => unknown> {
  const own = {
    list: ({ args }: TemplateCall) => args,
    dict: ({ args }: TemplateCall) => pairsToMap(args as Literal[]),
    ...context.helpers,
  };
  return Object.fromEntries(
    Object.entries(own).map(([name, helper]) => [
      name,
      (...args: unknown[]) => {
        const options = args.at(-1) as Handlebars.HelperOptions; // Handlebars always passes them last
        return helper({ args: args.slice(0, -1), named: { ...options.hash } });
      },
    ]),
  );
}
