import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { SourceMap, textPlaces } from "./source-map.ts";

/** A template in plain Handlebars, and the way back to what the author wrote. */
export interface HandlebarsText {
  text: string;
  map: SourceMap;
}

/**
 * Accepts dbt's call style inside tags: `{{ ref('a') }}`, `{{ config(tags=['x']) }}`, `{{- … -}}`, `{# … #}`.
 * Throws ProjectErrors for Jinja blocks and unclosed tags.
 */
export function toHandlebars(file: string, source: string): HandlebarsText {
  const errors: ProjectError[] = [];
  const places = textPlaces(source);
  const fail = (code: string, offset: number, message: string, hint: string) => {
    errors.push(
      new ProjectError(code, {
        message,
        where: `${file}:${places.placeOf(offset)}`,
        hint,
        exitCode: EXIT.usage,
      }),
    );
  };
  const output = new MappedText();
  let at = 0;
  while (at < source.length) {
    const opening = nextOpening(source, at);
    output.copy(source.slice(at, opening.at), at);
    if (opening.kind === "end") break;
    const end = closingOf(source, opening);
    if (opening.kind === "jinja") {
      fail(
        "JINJA_BLOCK",
        opening.at,
        "Jinja blocks are not supported",
        'write {{#if}}, {{#each}} or a macro instead of "{% … %}"',
      );
    } else if (end === undefined) {
      fail(
        "TEMPLATE_UNCLOSED",
        opening.at,
        `"${source.slice(opening.at, opening.at + 2)}" is never closed`,
        'add "}}"',
      );
    }
    const stop = end ?? source.length;
    const tag = source.slice(opening.at, stop);
    if (opening.kind === "tag") rewriteTag(tag, opening.at, output);
    else if (opening.kind === "comment") output.copy(tag, opening.at);
    else output.replace(tag.replace(/[^\n]/g, " "), opening.at);
    at = stop;
  }
  if (errors.length > 0) throw new ProjectErrors(errors);
  return { text: output.text, map: output.map };
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
  const pattern = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\}\}\}?|\{\{/gs;
  pattern.lastIndex = opening.at + (source.startsWith("{{{", opening.at) ? 3 : 2);
  for (let found = pattern.exec(source); found; found = pattern.exec(source)) {
    if (found[0] === "{{") return undefined;
    if (!found[0].startsWith("}")) continue;
    const isTriple = source.startsWith("{{{", opening.at);
    return isTriple ? pattern.lastIndex : found.index + 2;
  }
  return undefined;
}

const TOKEN =
  /(?<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?<call>[A-Za-z_][\w.]*)\((?=)|(?<word>[A-Za-z_][\w.]*)|(?<space>\s+)|(?<other>.)/gsy;

const WORDS: Record<string, string> = { True: "true", False: "false", None: "null", none: "null" };

/** Rewrites the calls, lists and maps of one tag; a tag without calls stays as it is. */
function rewriteTag(tag: string, offset: number, output: MappedText): void {
  const head = /^\{\{\{?[~-]?[#^/&>]*\s*/.exec(tag)?.[0] ?? "{{";
  const tail = /[~-]?\}\}\}?$/.exec(tag)?.[0] ?? "";
  const body = tag.slice(head.length, tag.length - tail.length);
  const dashed = (text: string) => text.replace("-", "~");
  output.replace(dashed(head), offset);
  const isCallTag = /(^|[\s=(,[])[A-Za-z_][\w.]*\(/.test(body.replace(/'[^']*'|"[^"]*"/g, ""));
  if (isCallTag) rewriteCalls(body, offset + head.length, { output, isPlain: !/[#^/>]/.test(head) });
  else output.copy(body, offset + head.length);
  output.replace(dashed(tail), offset + tag.length - tail.length);
}

type Closing = { open: string; emit: string };

function rewriteCalls(body: string, offset: number, to: { output: MappedText; isPlain: boolean }): void {
  const closings: Closing[] = [];
  TOKEN.lastIndex = 0;
  let isFirst = to.isPlain;
  for (let found = TOKEN.exec(body); found; found = TOKEN.exec(body)) {
    const at = offset + found.index;
    const { call, word, other } = found.groups ?? {};
    if (call !== undefined) {
      to.output.replace(isFirst ? `${call} ` : `(${call} `, at);
      closings.push({ open: "(", emit: isFirst ? "" : ")" });
    } else if (word !== undefined) {
      to.output.replace(closings.length > 0 ? (WORDS[word] ?? word) : word, at);
    } else if (other !== undefined) {
      to.output.replace(rewritePunctuation(other, closings), at);
    } else {
      to.output.copy(found[0], at);
    }
    if (found.groups?.space === undefined) isFirst = false;
  }
}

function rewritePunctuation(character: string, closings: Closing[]): string {
  const isInCall = closings.length > 0;
  if (character === "(") {
    closings.push({ open: "(", emit: ")" });
    return "(";
  }
  if (isInCall && (character === "[" || character === "{")) {
    closings.push({ open: character, emit: ")" });
    return character === "[" ? "(list " : "(dict ";
  }
  if (")]}".includes(character) && isInCall) return closings.pop()?.emit ?? "";
  if (isInCall && character === ",") return " ";
  if (character === ":" && closings.at(-1)?.open === "{") return " ";
  return character;
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
