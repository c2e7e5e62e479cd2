import type { ProjectError } from "../../core/errors.ts";
import { aroundWithChildren } from "./mistakes.ts";
import type { IndirectMode } from "./words.ts";

/** `2+tag:nightly+`: a method, a value, and how far to follow the graph. */
export interface Criterion {
  kind: "criterion";
  /** As it was written. */
  text: string;
  /** An option, or `selectors.yml:line:column`. */
  where: string;
  method: string;
  value: string;
  /** Steps towards the sources; null: none. */
  parents: number | null;
  children: number | null;
  /** All descendants, and all that they need. */
  isAround: boolean;
  /** Null: what the command line says. */
  indirect: IndirectMode | null;
}

export type Expression =
  | Criterion
  | { kind: "union"; parts: Expression[] }
  | { kind: "intersection"; text: string; where: string; parts: Expression[] }
  | { kind: "difference"; from: Expression; without: Expression };

/** dbt's grammar: `@`, parents with depth, method, value, children with depth. */
const CRITERION =
  /^(?<around>@)?(?:(?<parentDepth>\d*)(?<parents>\+))?(?:(?<method>[\w.]+):)?(?<value>.*?)(?:(?<children>\+)(?<childDepth>\d*))?$/;

export interface Origin {
  where: string;
  indirect: IndirectMode | null;
  errors: ProjectError[];
}

/** What is typed after `--select`: a space or another value unites, a comma intersects. */
export function parseWords(values: readonly string[], origin: Origin): Expression {
  const words = values.flatMap((value) => value.split(/\s+/)).filter((word) => word !== "");
  return { kind: "union", parts: words.map((word) => parseWord(word, origin)) };
}

function parseWord(text: string, origin: Origin): Expression {
  const parts = text.split(",").map((part) => parseCriterion(part, origin));
  const [first, ...others] = parts;
  if (first !== undefined && others.length === 0) return first;
  return { kind: "intersection", text, where: origin.where, parts };
}

export function parseCriterion(text: string, { where, indirect, errors }: Origin): Criterion {
  const found = CRITERION.exec(text)?.groups ?? {};
  const { around, parents, parentDepth, value = "", children, childDepth } = found;
  if (around && children) errors.push(aroundWithChildren(text, where));
  return {
    kind: "criterion",
    text,
    where,
    method: found.method ?? defaultMethod(value),
    value,
    parents: parents ? depthOf(parentDepth) : null,
    children: children ? depthOf(childDepth) : null,
    isAround: Boolean(around),
    indirect,
  };
}

function depthOf(text: string | undefined): number {
  return text === undefined || text === "" ? Number.POSITIVE_INFINITY : Number(text);
}

function defaultMethod(value: string): string {
  if (value.includes("/")) return "path";
  return /\.(sql|ya?ml|csv)$/.test(value) ? "file" : "fqn";
}

/** Every criterion of an expression. */
export function criteriaOf(expression: Expression): Criterion[] {
  if (expression.kind === "criterion") return [expression];
  if (expression.kind === "difference")
    return [...criteriaOf(expression.from), ...criteriaOf(expression.without)];
  return expression.parts.flatMap(criteriaOf);
}
