import Handlebars from "handlebars";
import { type ProjectError, ProjectErrors, projectErrorsOf } from "../../core/errors.ts";
import { toHandlebars } from "./call-style.ts";
import { areKnown, renderParts, simpleParts, type TemplatePart } from "./simple-parts.ts";
import { type TextPlaces, textPlaces } from "./source-map.ts";
import { markPlaces, type Rendered, statementOffset, unmark, withoutMarks } from "./template-places.ts";
import { parseProgram, renderError, syntaxPlace } from "./template-syntax.ts";

export type Literal = string | number | boolean | null | Literal[] | { [name: string]: Literal };

/** A name that a template uses: a call with its literal arguments, or a value. */
export interface TemplateUse {
  name: string;
  isCall: boolean;
  /** Of a value: what is read of it, as `name` in `target.name`. */
  part?: string;
  /** An argument that is not a literal (another call, a variable) is undefined. */
  args: (Literal | undefined)[];
  named: Record<string, Literal | undefined>;
  /** Inside a block, whose contents may be left out. */
  isConditional: boolean;
  /** In a macro: its parameters that are handed on, by place and by name. */
  passed?: { args: (string | undefined)[]; named: Record<string, string | undefined> };
  /** `file:line:column`. */
  where: string;
}

/** What of a simple template is worth keeping for later runs; survives JSON. */
export interface ParsedTemplate {
  uses: TemplateUse[];
  parts: TemplatePart[];
}

export interface Template {
  file: string;
  source: string;
  uses: TemplateUse[];
  /** Of a template that holds only text and calls with literal arguments. */
  parts?: TemplatePart[];
  /** Why it cannot be rendered. */
  mistakes?: readonly ProjectError[];
  render(context: TemplateContext): Rendered;
  /** With marks of its places, as a part of another template. */
  renderPart(context: TemplateContext): string;
  /** `file:line:column`. */
  placeOf(offset: number): string;
}

export interface TemplateContext {
  helpers: Readonly<Record<string, (call: TemplateCall) => unknown>>;
  values: Readonly<Record<string, unknown>>;
  /** The templates that may be rendered inside of this one, by the names of their macros. */
  macros?: ReadonlyMap<string, Pick<Template, "placeOf">>;
}

export interface TemplateCall {
  args: unknown[];
  named: Record<string, unknown>;
  /** `file:line:column`. */
  where: string;
}

/** Of a macro's template. */
export interface MacroScope {
  name: string;
  parameters: readonly string[];
}

/** Names of values that every template has. */
export const VALUES = ["target", "run_started_at", "invocation_id"];

/** In a macro, the relation of the model that is rendered. */
export const THIS = "_this";

type Expression = hbs.AST.Expression;
interface CallNode {
  path: Expression;
  params: Expression[];
  hash?: hbs.AST.Hash;
  loc: hbs.AST.SourceLocation;
}

/** Reads a template in either call style. Throws ProjectErrors with the places of all mistakes. */
export function parseTemplate(file: string, source: string, macro?: MacroScope): Template {
  const template = parseAllOf(file, source, macro);
  if (template.mistakes !== undefined) throw new ProjectErrors([...template.mistakes]);
  return template;
}

/**
 * The same for a template whose other mistakes are wanted too: with Jinja blocks it has `mistakes`, and the calls
 * around them as its uses. Throws ProjectErrors for what hides those.
 */
export function parseAllOf(file: string, source: string, macro?: MacroScope): Template {
  const read = readTemplate(file, source, macro);
  const { uses, parts, jinja } = read;
  if (jinja.length > 0) {
    const calls = uses.filter(isSureOfBlocks).map((use) => ({ ...use, isConditional: true }));
    return {
      ...templateOf({ file, source, uses: calls, renderPart: read.renderPart }),
      mistakes: jinja,
    };
  }
  // What is simple is rarely needed again in Handlebars' form, which is many times larger.
  if (parts !== undefined) return simpleTemplate(file, source, { uses, parts });
  return templateOf({ file, source, uses, renderPart: read.renderPart });
}

/** The template that an earlier parse of the same text at the same place found to be simple. */
export function simpleTemplate(file: string, source: string, parsed: ParsedTemplate): Template {
  const { uses, parts } = parsed;
  let read: ReadTemplate | undefined;
  const renderPart = (context: TemplateContext) => {
    if (!areKnown(parts, context.helpers)) {
      read ??= readTemplate(file, source);
      return read.renderPart(context);
    }
    try {
      return renderParts(source, parts, context.helpers);
    } catch (error) {
      if (projectErrorsOf(error).length > 0) throw error;
      throw renderError(error, `${file}:1:1`);
    }
  };
  return { ...templateOf({ file, source, uses, renderPart }), parts };
}

function templateOf(given: Pick<Template, "file" | "source" | "uses" | "renderPart">): Template {
  const { file, source, renderPart } = given;
  let places: TextPlaces | undefined;
  const placeOf = (offset: number) => {
    places ??= textPlaces(source);
    return `${file}:${places.placeOf(offset)}`;
  };
  return {
    ...given,
    placeOf,
    render: (context) =>
      unmark(renderPart(context), (offset, origin) =>
        origin === undefined ? placeOf(offset) : (context.macros?.get(origin)?.placeOf(offset) ?? file),
      ),
  };
}

/** Whether a use means the same whatever Jinja blocks around it do: they bind names, and compute arguments. */
function isSureOfBlocks({ name, isCall, args, named }: TemplateUse): boolean {
  const isLiteral = ![...args, ...Object.values(named)].includes(undefined);
  return isCall && (isLiteral || !["ref", "source", "config"].includes(name));
}

interface ReadTemplate {
  uses: TemplateUse[];
  jinja: readonly ProjectError[];
  parts: TemplatePart[] | undefined;
  renderPart(context: TemplateContext): string;
}

/** By Handlebars' own parser. */
function readTemplate(file: string, source: string, macro?: MacroScope): ReadTemplate {
  const handlebars = toHandlebars(file, source);
  const inText = textPlaces(handlebars.text);
  const inSource = textPlaces(source);
  const textOffset = (at: hbs.AST.Position) => inText.offsetOf(at.line, at.column + 1);
  const sourceOffset = (at: hbs.AST.Position) => handlebars.map.toSource(textOffset(at));
  const placeOf = (offset: number) => `${file}:${inSource.placeOf(offset)}`;
  const whereIs = (line: number, column: number) =>
    placeOf(handlebars.map.toSource(inText.offsetOf(line, column)));
  const program = parsedBeside(handlebars.jinja, () => parseProgram(handlebars, { whereIs, placeOf }));
  const uses: TemplateUse[] = [];
  new UseVisitor(macro, (use, loc) => uses.push({ ...use, where: placeOf(sourceOffset(loc.start)) })).accept(
    program,
  );
  const siteOf: SiteOf = ({ start }) => {
    const opening = textOffset(start);
    return {
      isText: handlebars.text[opening] === "{",
      where: () => {
        const [sign = ""] = /^(\{\{\{?~?|\()\s*/.exec(handlebars.text.slice(opening, opening + 100)) ?? [];
        return placeOf(handlebars.map.toSource(opening + sign.length));
      },
    };
  };
  const whereOf = (loc: hbs.AST.SourceLocation) => siteOf(loc).where();
  const offsetOf = (statement: hbs.AST.Statement) => statementOffset(statement, sourceOffset);
  const parts =
    macro === undefined
      ? simpleParts(program, source, { sourceOffset: offsetOf, whereOf, literalOf })
      : undefined;
  markPlaces(program, sourceOffset, macro?.name);
  const names = [...new Set(uses.map(({ name }) => name))];
  let compiled: HandlebarsTemplateDelegate | undefined;
  const renderPart = (context: TemplateContext) => {
    compiled ??= Handlebars.compile(program, { noEscape: true, strict: true, preventIndent: true });
    try {
      return compiled(context.values, { helpers: handlebarsHelpers(context, { names, siteOf }) });
    } catch (error) {
      if (projectErrorsOf(error).length > 0) throw error;
      throw renderError(error, syntaxPlace(error, whereIs));
    }
  };
  return { uses, parts, renderPart, jinja: handlebars.jinja };
}

/** The errors of `work` come after those that are known. */
function parsedBeside<T>(known: readonly ProjectError[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    const others = projectErrorsOf(error);
    if (others.length === 0 || known.length === 0) throw error;
    throw new ProjectErrors([...known, ...others]);
  }
}

/** Names bound by blocks (`as |x|`) and names below a block's item are not the project's to know. */
class UseVisitor extends Handlebars.Visitor {
  private depth = 0;
  private blocks = 0;
  private readonly locals: string[] = [];

  constructor(
    private readonly macro: MacroScope | undefined,
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
    this.blocks++;
    if (node.program) this.accept(node.program);
    this.depth -= changesContext ? 1 : 0;
    this.locals.length -= bound.length;
    if (node.inverse) this.accept(node.inverse);
    this.blocks--;
  }

  override PathExpression(node: hbs.AST.PathExpression): void {
    if (node.data) return;
    stripPackage(node);
    const isThis = /^this\b/.test(node.original);
    const head = isThis ? "this" : node.parts[0];
    if (head === undefined || (!isThis && this.locals.includes(head))) return;
    const isParameter = !isThis && this.macro?.parameters.includes(head) === true;
    const isItem = this.depth > 0 && node.depth === 0;
    // Below a block's item these are still the template's own.
    if (isParameter || (isItem && !isThis && VALUES.includes(head))) toRoot(node, node.parts);
    if (isParameter || (isItem && !VALUES.includes(head)) || (isItem && isThis)) return;
    if (isThis && this.macro !== undefined) toRoot(node, [THIS, ...node.parts]);
    const part = VALUES.includes(head) ? node.parts[1] : undefined;
    const use = { name: head, isCall: false, args: [], named: {}, isConditional: this.blocks > 0 };
    this.onUse(part === undefined ? use : { ...use, part }, node.loc);
  }

  private visitCall(node: CallNode, { isInParentheses = false } = {}): void {
    if (node.path.type === "PathExpression") stripPackage(node.path as hbs.AST.PathExpression);
    if (node.path.type.endsWith("Literal")) {
      const name = String((node.path as hbs.AST.StringLiteral).value);
      this.onUse({ name, isCall: false, args: [], named: {}, isConditional: this.blocks > 0 }, node.path.loc);
    }
    const hasArguments = node.params.length > 0 || node.hash !== undefined;
    const isCall = isInParentheses || hasArguments || this.isKnownCall(node.path);
    const name = originalOf(node.path);
    if (isCall && name !== undefined) {
      const pairs = node.hash?.pairs ?? [];
      const named = Object.fromEntries(pairs.map((pair) => [pair.key, literalOf(pair.value)]));
      const passed = this.passedBy(node);
      const isConditional = this.blocks > 0;
      const use = { name, isCall: true, args: node.params.map(literalOf), named, isConditional };
      this.onUse(passed === undefined ? use : { ...use, passed }, node.path.loc);
    } else this.accept(node.path);
    for (const param of node.params) this.accept(param);
    for (const pair of node.hash?.pairs ?? []) this.accept(pair.value);
  }

  private passedBy(node: CallNode): TemplateUse["passed"] {
    if (this.macro === undefined) return undefined;
    const nameOf = (value: Expression) => {
      const name = originalOf(value);
      return name !== undefined && this.macro?.parameters.includes(name) ? name : undefined;
    };
    const pairs = node.hash?.pairs ?? [];
    return {
      args: node.params.map(nameOf),
      named: Object.fromEntries(pairs.map(({ key, value }) => [key, nameOf(value)])),
    };
  }

  /** `{{ config() }}`: these are never values. */
  private isKnownCall(path: Expression): boolean {
    return path.type === "PathExpression" && ["is_incremental", "config"].includes(originalOf(path) ?? "");
  }
}

/** Below `{{#each}}` names mean members of an item; these mean the whole template's. */
function toRoot(node: hbs.AST.PathExpression, parts: readonly string[]): void {
  node.data = true;
  node.parts = ["root", ...parts];
  node.original = `@root.${parts.join(".")}`;
  node.depth = 0;
}

/** What dbt's packages call by names that mean something else here. */
const RENAMED: Record<string, string> = { date_spine: "date_series" };

/** `dbt_utils.star` is our `star`. */
function stripPackage(node: hbs.AST.PathExpression): void {
  const [head = "", name, ...rest] = node.parts;
  if (!["dbt_utils", "dbt"].includes(head) || name === undefined || rest.length > 0) return;
  node.parts = [RENAMED[name] ?? name];
  node.original = RENAMED[name] ?? name;
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

type SiteOf = (loc: hbs.AST.SourceLocation) => { where: () => string; isText: boolean };

/** Those that the template names: Handlebars wraps what it is given anew for every rendering. */
function handlebarsHelpers(
  context: TemplateContext,
  { names, siteOf }: { names: readonly string[]; siteOf: SiteOf },
): Record<string, (...args: unknown[]) => unknown> {
  const own: TemplateContext["helpers"] = {
    list: ({ args }: TemplateCall) => args,
    dict: ({ args }: TemplateCall) => pairsToMap(args as Literal[]),
    ...context.helpers,
  };
  const used = names.flatMap((name) => {
    const helper = Object.hasOwn(own, name) ? own[name] : undefined;
    return helper === undefined ? [] : [[name, helper] as const];
  });
  return Object.fromEntries(
    used.map(([name, helper]) => [
      name,
      (...args: unknown[]) => {
        // Handlebars always passes them last, with the place of the call, which its types do not know.
        const options = args.at(-1) as Handlebars.HelperOptions & { loc: hbs.AST.SourceLocation };
        const site = siteOf(options.loc);
        const named = Object.entries(options.hash).map(([key, value]) => [key, withoutMarks(value)]);
        const result = helper({
          args: args.slice(0, -1).map(withoutMarks),
          named: Object.fromEntries(named),
          // Most calls never need it.
          get where() {
            return site.where();
          },
        });
        return site.isText ? result : withoutMarks(result);
      },
    ]),
  );
}
