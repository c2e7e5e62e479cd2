import { EXIT, ProjectError, ProjectErrors } from "../../core/errors.ts";
import { SourceMap, textPlaces } from "./source-map.ts";

/** A template in plain Handlebars, and the way back to what the author wrote. */
export interface HandlebarsText {
  text: string;
  map: SourceMap;
  tags: Tag[];
  /** Jinja blocks: blank in the text. */
  jinja: ProjectError[];
}

export interface Tag {
  /** In plain Handlebars. */
  text: string;
  /** Of its start in the author's text. */
  offset: number;
}

type Fail = (offset: number, problem: { code: string; message: string; hint: string }) => void;

/**
 * Accepts dbt's call style inside tags: `{{ ref('a') }}`, `{{ config(tags=['x']) }}`, `{{- … -}}`, `{# … #}`.
 * Jinja blocks are told apart from the rest. Throws ProjectErrors for tags, quotes, brackets and blocks without
 * their other half; those of Jinja are among them.
 */
export function toHandlebars(file: string, source: string): HandlebarsText {
  const errors: ProjectError[] = [];
  const places = textPlaces(source);
  const fail: Fail = (offset, problem) => {
    const where = `${file}:${places.placeOf(offset)}`;
    errors.push(new ProjectError(problem.code, { ...problem, where, exitCode: EXIT.usage }));
  };
  const output = new MappedText();
  const tags: Tag[] = [];
  let at = 0;
  while (at < source.length) {
    const opening = nextOpening(source, at);
    output.copy(source.slice(at, opening.at), at);
    if (opening.kind === "end") break;
    const end = closingOf(source, opening);
    if (opening.kind === "jinja") fail(opening.at, JINJA_BLOCK);
    else if (end === undefined) fail(opening.at, unclosed(source, opening));
    const stop = end ?? source.length;
    const tag = source.slice(opening.at, stop);
    if (opening.kind === "tag" && end !== undefined) {
      const start = output.text.length;
      rewriteTag(tag, opening.at, { output, fail });
      tags.push({ text: output.text.slice(start), offset: opening.at });
    } else if (opening.kind === "comment") output.copy(tag, opening.at);
    else output.replace(tag.replace(/[^\n]/g, " "), opening.at);
    at = stop;
  }
  checkBlocks(tags, fail);
  const jinja = errors.filter(({ code }) => code === JINJA_BLOCK.code);
  if (errors.length > jinja.length) throw new ProjectErrors(errors);
  return { text: output.text, map: output.map, tags, jinja };
}

const JINJA_BLOCK = {
  code: "JINJA_BLOCK",
  message: "Jinja blocks are not supported",
  hint: 'write {{#if}}, {{#each}} or a macro instead of "{% … %}"',
};

function unclosed(source: string, opening: Opening) {
  const message = `"${source.slice(opening.at, opening.at + 2)}" is never closed`;
  const hint = `add "${opening.kind === "jinja-comment" ? "#}" : "}}"}"`;
  return { code: "TEMPLATE_UNCLOSED", message, hint };
}

type OpeningKind = "tag" | "comment" | "jinja" | "jinja-comment" | "end";
interface Opening {
  kind: OpeningKind;
  at: number;
}

function nextOpening(source: string, from: number): Opening {
  const pattern = /\{\{!|\{\{|\{%|\{#/g;
  pattern.lastIndex = from;
  const found = pattern.exec(source);
  if (!found) return { kind: "end", at: source.length };
  const kinds: Record<string, OpeningKind> = {
    "{{!": "comment",
    "{{": "tag",
    "{%": "jinja",
    "{#": "jinja-comment",
  };
  return { kind: kinds[found[0]] ?? "tag", at: found.index };
}

/** The offset after the closing delimiter; undefined when there is none. */
function closingOf(source: string, opening: Opening): number | undefined {
  const after = (closing: string) => {
    const found = source.indexOf(closing, opening.at + 2);
    return found < 0 ? undefined : found + closing.length;
  };
  if (opening.kind === "jinja") return after("%}");
  if (opening.kind === "jinja-comment") return after("#}");
  if (opening.kind === "comment") return after(source.startsWith("{{!--", opening.at) ? "--}}" : "}}");
  return closingOfTag(source, opening.at);
}

/** A quote that its line does not close is skipped, so that it does not swallow the tags after it. */
function closingOfTag(source: string, at: number): number | undefined {
  const braces = source.startsWith("{{{", at) ? "}}}" : "}}";
  const pattern = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|\{\{|[{}]/gs;
  pattern.lastIndex = at + braces.length;
  let openMaps = 0;
  for (let found = pattern.exec(source); found; found = pattern.exec(source)) {
    if (found[0] === "{{") return undefined;
    if (found[0] === "{") openMaps++;
    else if (found[0] !== "}") continue;
    else if (openMaps > 0) openMaps--;
    else if (source.startsWith(braces, found.index)) return found.index + braces.length;
  }
  return undefined;
}

/** `{{#if …}}` and `{{/if}}` have to nest. */
function checkBlocks(tags: readonly Tag[], fail: Fail): void {
  const open: { name: string; offset: number }[] = [];
  for (const { text, offset } of tags) {
    const [, sign = "", name = ""] = /^\{\{\{?~?([#^/]?)\s*\(?([\w.]*)/.exec(text) ?? [];
    if (sign === "#" || (sign === "^" && name !== "")) open.push({ name, offset });
    const isElse = (sign === "" && name === "else") || (sign === "^" && name === "");
    if (isElse && open.length === 0) fail(offset, blockProblem("{{else}} stands outside of a block"));
    if (sign !== "/") continue;
    const opening = open.pop();
    if (opening === undefined) fail(offset, blockProblem(`{{/${name}}} closes nothing`));
    else if (opening.name !== name)
      fail(offset, blockProblem(`{{/${name}}} stands where {{#${opening.name}}} has to be closed`));
  }
  for (const { name, offset } of open) fail(offset, blockProblem(`{{#${name}}} is never closed`));
}

function blockProblem(message: string) {
  return { code: "TEMPLATE_BLOCK", message, hint: "every {{#name}} needs its {{/name}}, in order" };
}

const STRING = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/gs;

const TOKEN =
  /(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<call>[A-Za-z_][\w.]*)(?:\(|\s+\((?=\s*['"]))|(?<word>[A-Za-z_][\w.]*)|(?<space>\s+)|(?<other>.)/gsy;

const WORDS: Record<string, string> = { True: "true", False: "false", None: "null", none: "null" };

interface RewriteTo {
  output: MappedText;
  fail: Fail;
}

/** Rewrites the calls, lists and maps of one tag; a tag without any stays as it is. */
function rewriteTag(tag: string, offset: number, { output, fail }: RewriteTo): void {
  const head = /^\{\{\{?[~-]?[#^/&>]*\s*/.exec(tag)?.[0] ?? "{{";
  const tail = /[~-]?\}\}\}?$/.exec(tag)?.[0] ?? "";
  const body = tag.slice(head.length, tag.length - tail.length);
  const start = offset + head.length;
  const dashed = (text: string) => text.replace("-", "~");
  const outside = body.replace(STRING, (text) => `'${" ".repeat(text.length - 2)}'`);
  const quote = body.replace(STRING, (text) => " ".repeat(text.length)).search(/['"]/);
  if (quote >= 0) fail(start + quote, syntaxProblem(`the quote ${body[quote]} is never closed`));
  // `{{> name}}` becomes a call: Handlebars' own partials take the line end after them away.
  const isPartial = /^\{\{\{?[~-]?>/.test(head);
  output.replace(dashed(isPartial ? head.replace(">", " ") : head), offset);
  const hasCalls = /(^|[\s=(,[{:])[A-Za-z_][\w.]*(\(|\s+\(\s*')|\[\s*['\d\]]/.test(outside);
  const condition = CONDITION.exec(body);
  if (condition !== null) {
    const [, before = "", name = "", after = ""] = condition;
    output.copy(before, start);
    output.replace(`(${name})`, start + before.length);
    output.copy(after, start + before.length + name.length);
  } else if (hasCalls)
    rewriteCalls(body, start, { output, fail, isPlain: isPartial || !/[#^/>]/.test(head) });
  else output.copy(body, start);
  output.replace(dashed(tail), offset + tag.length - tail.length);
}

/** A question without arguments, as people write it. */
const CONDITION = /^((?:else\s+)?(?:if|unless)\s+)(is_incremental)(\s*)$/;

function syntaxProblem(message: string) {
  return { code: "TEMPLATE_SYNTAX", message, hint: "write {{ ref('name') }} or {{ref 'name'}}" };
}

const CALL_NEXT = /^\s*[A-Za-z_][\w.]*\(/;

interface Bracket {
  open: string;
  /** What stands for its other half in Handlebars. */
  emit: string;
  at: number;
}

const PAIRS: Record<string, string> = { ")": "(", "]": "[", "}": "{" };

function rewriteCalls(body: string, offset: number, to: RewriteTo & { isPlain: boolean }): void {
  const brackets: Bracket[] = [];
  TOKEN.lastIndex = 0;
  let isFirst = to.isPlain;
  for (let found = TOKEN.exec(body); found; found = TOKEN.exec(body)) {
    const at = offset + found.index;
    const { call, word, other } = found.groups ?? {};
    if (call !== undefined) {
      to.output.replace(isFirst ? `${call} ` : `(${call} `, at);
      brackets.push({ open: "(", emit: isFirst ? "" : ")", at: at + found[0].length - 1 });
    } else if (word !== undefined) {
      to.output.replace(brackets.length > 0 ? (WORDS[word] ?? word) : word, at);
    } else if (other === "(" && CALL_NEXT.test(body.slice(found.index + 1))) {
      // Brackets around a call alone: the call has its own.
      brackets.push({ open: "(", emit: "", at });
    } else if (other !== undefined) {
      to.output.replace(rewritePunctuation(other, { brackets, at, fail: to.fail }), at);
    } else {
      to.output.copy(found[0], at);
    }
    if (found.groups?.space === undefined) isFirst = false;
  }
  for (const { open, at } of brackets) to.fail(at, syntaxProblem(`"${open}" is never closed`));
}

function rewritePunctuation(
  character: string,
  { brackets, at, fail }: { brackets: Bracket[]; at: number; fail: Fail },
): string {
  const emits: Record<string, string> = { "(": "(", "[": "(list ", "{": "(dict " };
  const opened = emits[character];
  if (opened !== undefined) {
    brackets.push({ open: character, emit: ")", at });
    return opened;
  }
  if (character in PAIRS) {
    const bracket = brackets.pop();
    if (bracket?.open !== PAIRS[character]) fail(at, syntaxProblem(`"${character}" closes nothing`));
    return bracket?.emit ?? "";
  }
  if (brackets.length > 0 && character === ",") return " ";
  return character === ":" && brackets.at(-1)?.open === "{" ? " " : character;
}

/** A text under construction that remembers where its parts came from. */
class MappedText {
  text = "";
  readonly map = new SourceMap();

  copy(part: string, source: number): void {
    this.append(part, source, true);
  }

  replace(part: string, source: number): void {
    this.append(part, source, false);
  }

  private append(part: string, source: number, isVerbatim: boolean): void {
    if (part === "") return;
    this.map.add({ from: this.text.length, to: source, isVerbatim });
    this.text += part;
  }
}
