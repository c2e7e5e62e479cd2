import type { Literal } from "./template.ts";

export interface Parameter {
  name: string;
  /** Absent: it has to be given. */
  default?: Literal;
  /** Takes all arguments from its place on, as a list; at least one unless it has a default. */
  isRest: boolean;
}

const ITEM = /\s*(\.\.\.)?([A-Za-z_]\w*)\s*(?:=\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,\s'"]+))?\s*(,|$)/y;

/** Reads `column, digits=2, ...rest`. Undefined when it cannot be read so. */
export function parseParameters(text: string): Parameter[] | undefined {
  const parameters: Parameter[] = [];
  if (text.trim() === "") return parameters;
  ITEM.lastIndex = 0;
  while (ITEM.lastIndex < text.length) {
    const found = ITEM.exec(text);
    if (found === null) return undefined;
    const [, rest, name = "", given, end] = found;
    const fallback = given === undefined ? undefined : literalIn(given);
    if (given !== undefined && fallback === undefined) return undefined;
    if (parameters.some((former) => former.name === name || former.isRest)) return undefined;
    parameters.push({
      name,
      isRest: rest !== undefined,
      ...(fallback === undefined ? {} : { default: fallback }),
    });
    if (end === "") break;
  }
  return parameters;
}

const WORDS: Record<string, Literal> = { true: true, false: false, null: null, none: null };

function literalIn(text: string): Literal | undefined {
  if (/^['"]/.test(text)) return text.slice(1, -1).replace(/\\(.)/gs, "$1");
  if (text === "[]") return [];
  if (/^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  const word = text.toLowerCase();
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

/** `cents_to_dollars(column, digits=2)`, for people. */
export function signatureText(name: string, parameters: readonly Parameter[]): string {
  const items = parameters.map(
    (one) =>
      `${one.isRest ? "..." : ""}${one.name}${one.default === undefined ? "" : `=${JSON.stringify(one.default)}`}`,
  );
  return `${name}(${items.join(", ")})`;
}

export interface Given<T> {
  args: readonly T[];
  named: Readonly<Record<string, T>>;
}

/** What is wrong with how a call gives its arguments; empty when nothing is. */
export function argumentProblems(parameters: readonly Parameter[], given: Given<unknown>): string[] {
  const names = parameters.map(({ name }) => name);
  const rest = parameters.find(({ isRest }) => isRest);
  const problems: string[] = [];
  if (rest === undefined && given.args.length > parameters.length)
    problems.push(`${countOf(given.args.length)} given, it takes ${parameters.length}`);
  for (const name of Object.keys(given.named)) {
    if (!names.includes(name)) problems.push(`it has no argument "${name}"`);
    else if (names.indexOf(name) < given.args.length) problems.push(`argument "${name}" is given twice`);
  }
  for (const [index, { name, default: fallback }] of parameters.entries()) {
    const isGiven = index < given.args.length || Object.hasOwn(given.named, name);
    if (!isGiven && fallback === undefined) problems.push(`argument "${name}" is missing`);
  }
  return problems;
}

/** The values of the parameters, in their order. The call was checked with argumentProblems. */
export function bindArguments<T>(
  parameters: readonly Parameter[],
  { args, named }: Given<T>,
): [name: string, value: T | Literal][] {
  return parameters.map(({ name, default: fallback, isRest }, index) => {
    if (isRest) return [name, restOf(args.slice(index), named[name]) as T | Literal];
    const value = index < args.length ? args[index] : named[name];
    return [name, value === undefined ? (fallback ?? null) : value];
  });
}

/** `f('a', 'b')` and `f(['a', 'b'])` are the same. */
function restOf(args: readonly unknown[], named: unknown): unknown {
  const given = args.length === 0 && named !== undefined ? [named] : args;
  return given.length === 1 && Array.isArray(given[0]) ? given[0] : [...given];
}

function countOf(count: number): string {
  return count === 1 ? "1 argument is" : `${count} arguments are`;
}
