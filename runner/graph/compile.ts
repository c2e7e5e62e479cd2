import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { AsOf } from "../../core/as-of.ts";
import type { Context } from "../../core/context.ts";
import { makeFolder } from "../../core/durable.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { Dialect, Relation } from "../../engines/engine.ts";
import { inBatch } from "../build/batch-marks.ts";
import { type CompiledHook, parseHook } from "../build/hooks.ts";
import { Mistakes } from "../project/collect.ts";
import type { Project } from "../project/project.ts";
import { macroCalls } from "../templates/macro-calls.ts";
import { bindArguments } from "../templates/signature.ts";
import {
  type Literal,
  parseTemplate,
  type Template,
  type TemplateCall,
  type TemplateContext,
  THIS,
} from "../templates/template.ts";
import { checkNames, parametersOf } from "../templates/template-names.ts";
import { namedLikeTables, withoutRows } from "./empty.ts";
import { ephemeralsOf, isEphemeral, type PlacedSql, referenceSql, withEphemerals } from "./ephemeral.ts";
import {
  type Graph,
  type Hook,
  type HookText,
  isMicrobatch,
  type ModelNode,
  modelsOf,
  type RelationNode,
  type SourceNode,
  type TestNode,
} from "./nodes.ts";
import { dependenciesOf, type NameIndex, resolveReference } from "./references.ts";

/** What templates may read of the place that they run in. */
export interface CompileScope {
  project: Project;
  graph: Graph;
  dialect: Dialect;
  target: { name: string; profileName: string; schema: string; threads: number; database: string };
  /** Whether models read no rows: their tables get columns and nothing else. */
  isEmpty?: boolean;
  /** The moment of loading as of which sources are read; now when absent. */
  asOf?: AsOf;
}

export interface CompiledNode extends PlacedSql {
  /** Of an incremental model: what is run when its table is there already. */
  incremental?: CompiledNode;
  /** Of a model. */
  hooks?: { pre: CompiledHook[]; post: CompiledHook[] };
}

/** What all renderings of one command have in common. */
interface RenderScope extends CompileScope {
  index: NameIndex;
  /** The calls that mean the same in every template. */
  helpers: TemplateContext["helpers"];
  values: Record<string, unknown>;
  /** Macros that are templates. */
  macros: ReadonlyMap<string, Template>;
  /** The ephemeral models that could be rendered, by id. */
  ephemerals: ReadonlyMap<string, CompiledNode>;
}

/** SQL of the nodes, by id. Throws ProjectErrors that hold every mistake of all of them. */
export function compileNodes(
  ctx: Context,
  scope: CompileScope,
  nodes: readonly (ModelNode | TestNode)[],
): Map<string, CompiledNode> {
  const mistakes = new Mistakes();
  const rendering = renderScope(ctx, scope, mistakes);
  const compiled = new Map<string, CompiledNode>();
  for (const node of nodes) {
    const inlined = ephemeralsOf(scope.graph, [node.id, ...node.dependsOn]);
    if (inlined.some(({ id }) => !rendering.ephemerals.has(id))) continue; // Its mistake is known already.
    const result = mistakes.attempt(() => compileNode(ctx, rendering, node));
    if (result !== undefined) compiled.set(node.id, result);
  }
  mistakes.throwIfAny();
  return compiled;
}

/** Ephemeral models are rendered first: others hold their text. */
function renderScope(ctx: Context, scope: CompileScope, mistakes: Mistakes): RenderScope {
  const ephemerals = new Map<string, CompiledNode>();
  const rendering: RenderScope = {
    ...scope,
    index: indexOf(scope.graph),
    helpers: {
      ...engineHelpers(scope),
      var: (call) => variable(scope.project.vars, call),
      env_var: (call) => environmentVariable(ctx, call),
      config: () => "",
      arguments: () => "",
    },
    values: {
      target: targetValue(scope),
      run_started_at: ctx.startedAt.toISOString(),
      invocation_id: ctx.invocationId,
    },
    macros: new Map(
      [...scope.graph.macros.values()].flatMap((macro) =>
        macro.kind === "template" ? [[macro.name, macro.template] as const] : [],
      ),
    ),
    ephemerals,
  };
  for (const node of modelsOf(scope.graph)) {
    if (!isEphemeral(node)) continue;
    const { template, relation } = node;
    const body = mistakes.attempt(() =>
      renderTemplate(ctx, rendering, { template, relation, node, isEmpty: scope.isEmpty ?? false }),
    );
    if (body !== undefined) ephemerals.set(node.id, body);
  }
  return rendering;
}

function compileNode(ctx: Context, scope: RenderScope, node: ModelNode | TestNode): CompiledNode {
  if (node.kind === "model") return compileModel(ctx, scope, node);
  return inlineEphemerals(scope, testQuery(ctx, scope, node), node.dependsOn);
}

function testQuery(ctx: Context, scope: RenderScope, node: TestNode): CompiledNode {
  if (node.template !== null) {
    return renderTemplate(ctx, scope, { template: node.template, relation: null, node });
  }
  const sql = node.generic?.sql ?? "";
  if (typeof sql === "string") return { sql, placeOf: () => node.where };
  return renderTemplate(ctx, scope, { ...sql, relation: null });
}

function inlineEphemerals(scope: RenderScope, query: CompiledNode, reads: readonly string[]): CompiledNode {
  const parts = ephemeralsOf(scope.graph, reads).flatMap((node) => {
    const compiled = scope.ephemerals.get(node.id);
    return compiled === undefined ? [] : [{ node, compiled }];
  });
  return withEphemerals(scope.dialect, query, parts);
}

/** An incremental model is rendered both ways, so that no mistake waits for the day its branch is taken. */
function compileModel(ctx: Context, scope: RenderScope, node: ModelNode): CompiledNode {
  const variant = (isIncremental: boolean): CompiledNode => {
    const render = (template: Template, reading: { isBatched?: boolean; isEmpty?: boolean } = {}) =>
      renderTemplate(ctx, scope, { template, relation: node.relation, node, isIncremental, ...reading });
    const reading = { isBatched: isMicrobatch(node), isEmpty: scope.isEmpty ?? false };
    const query = scope.ephemerals.get(node.id) ?? render(node.template, reading);
    return {
      ...inlineEphemerals(scope, query, node.dependsOn),
      hooks: {
        pre: node.hooks.pre.map((hook) => compiledHook(hook, render)),
        post: node.hooks.post.map((hook) => compiledHook(hook, render)),
      },
    };
  };
  if (node.config.materialized !== "incremental") return variant(false);
  return { ...variant(false), incremental: variant(true) };
}

function compiledHook(
  { template, isInTransaction, where }: Hook,
  render: (template: Template) => CompiledNode,
): CompiledHook {
  return { sql: render(template).sql, isInTransaction, where };
}

/** The hooks of project.yml. Throws ProjectErrors that hold every mistake of all of them. */
export function compileRunHooks(
  ctx: Context,
  scope: CompileScope,
): { start: CompiledHook[]; end: CompiledHook[] } {
  const { start, end } = scope.project.runHooks;
  if (start.length + end.length === 0) return { start: [], end: [] };
  const mistakes = new Mistakes();
  const rendering = renderScope(ctx, scope, mistakes);
  const compile = (key: "on-run-start" | "on-run-end", texts: readonly HookText[]) =>
    texts.flatMap((text, place) => {
      const where = scope.project.file.locate([key, place]);
      return (
        mistakes.attempt(() => {
          const hook = parseHook(text, where);
          const own = new Mistakes();
          dependenciesOf(rendering.index, hook.template, own);
          checkNames(
            hook.template,
            { dialect: scope.dialect, macros: scope.graph.macros, hasRelation: false },
            own,
          );
          own.throwIfAny();
          return compiledHook(hook, (template) =>
            renderTemplate(ctx, rendering, { template, relation: null }),
          );
        }) ?? []
      );
    });
  const hooks = { start: compile("on-run-start", start), end: compile("on-run-end", end) };
  mistakes.throwIfAny();
  return hooks;
}

/** SQL typed at the command line, in which `ref` and `source` work as in a model. */
export function compileInline(ctx: Context, scope: CompileScope, sql: string): CompiledNode {
  return compileAt(ctx, scope, { file: "--inline", sql, relation: null });
}

/** SQL that stands in a YAML file or at the command line. `this` is the relation that it is about. */
export function compileAt(
  ctx: Context,
  scope: CompileScope,
  { file, sql, relation }: { file: string; sql: string; relation: Relation | null },
): CompiledNode {
  const template = parseTemplate(file, sql);
  const mistakes = new Mistakes();
  const rendering = renderScope(ctx, scope, mistakes);
  const reads = dependenciesOf(rendering.index, template, mistakes);
  const names = { dialect: scope.dialect, macros: scope.graph.macros, hasRelation: relation !== null };
  checkNames(template, names, mistakes);
  mistakes.throwIfAny();
  const query = renderTemplate(ctx, rendering, { template, relation });
  return inlineEphemerals(rendering, query, reads);
}

/** What calls in YAML may read: variables, the environment and the target. */
export function callsContext(
  ctx: Context,
  project: Project,
  target: { dialect: Dialect; targetSchema: string; targetDatabase?: string; targetName?: string },
): TemplateContext {
  return {
    helpers: {
      var: (call) => variable(project.vars, call),
      env_var: (call) => environmentVariable(ctx, call),
    },
    values: {
      target: {
        name: target.targetName ?? "",
        schema: target.targetSchema,
        database: target.targetDatabase ?? "",
        type: target.dialect.type,
      },
    },
  };
}

function indexOf(graph: Graph): NameIndex {
  const nodes = [...graph.nodes.values()];
  const models = nodes.filter(
    (node) => node.kind === "model" || node.kind === "seed" || node.kind === "snapshot",
  );
  const sources = nodes.filter((node) => node.kind === "source");
  return {
    projectName: graph.projectName,
    models: new Map(models.map((node) => [node.name, node])),
    sources: new Map(sources.map((node): [string, SourceNode] => [`${node.sourceName}.${node.name}`, node])),
    disabled: new Set(),
    unread: new Set(),
    macros: graph.macros,
  };
}

interface Rendering {
  template: Template;
  relation: Relation | null;
  /** Absent for SQL of the command line, whose dependencies nothing has to know. */
  node?: ModelNode | TestNode;
  /** Values that only this template has. */
  values?: Record<string, unknown>;
  isIncremental?: boolean;
  /** Whether it reads only what belongs to the batch that is being built. */
  isBatched?: boolean;
  /** Whether it reads no rows. */
  isEmpty?: boolean;
}

function renderTemplate(ctx: Context, scope: RenderScope, rendering: Rendering): CompiledNode {
  const subqueries = new Map<string, string>();
  const rendered = rendering.template.render(templateContext(ctx, scope, { ...rendering, subqueries }));
  return namedLikeTables({ ...rendered, sql: withoutEnd(rendered.text) }, subqueries);
}

/** A statement's own semicolon would end the one that it is put into. */
function withoutEnd(sql: string): string {
  if (!sql.includes(";")) return sql.trimEnd();
  let end = 0;
  let hasEnded = false;
  for (const { 0: token, index } of sql.matchAll(SQL_TOKENS)) {
    if (/^(--|\/\*|[\s;])/.test(token)) hasEnded ||= token.includes(";") && /^[\s;]/.test(token);
    else {
      end = index + token.length;
      hasEnded = false;
    }
  }
  return hasEnded ? sql.slice(0, end) : sql.trimEnd();
}

/** Quoted texts and comments, in which a semicolon ends nothing; what is between statements; all else. */
const SQL_TOKENS =
  /\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'?|'(?:[^']|'')*'?|"(?:[^"]|"")*"?|\$(\w*)\$[\s\S]*?\$\1\$|--.*|\/\*[\s\S]*?\*\/|[\s;]+|[^\s;'"$/-]+|[\s\S]/g;

function templateContext(
  ctx: Context,
  scope: RenderScope,
  rendering: Rendering & {
    /** Is given the names of the tables that subqueries stand for. */
    subqueries: Map<string, string>;
  },
): TemplateContext {
  const { template, relation, isIncremental = false, isBatched = false } = rendering;
  const { macros } = scope.graph;
  const resolve = (name: "ref" | "source", args: unknown[], where: string) => {
    const found = resolveReference(scope.index, { name, args: args as Literal[], where });
    checkIsKnown(rendering, found, where);
    const whole = referenceSql(scope.dialect, found, scope.asOf);
    const isEmptied = rendering.isEmpty && !isEphemeral(found);
    const sql = isEmptied ? withoutRows(whole) : whole;
    if (sql.startsWith("(")) rendering.subqueries.set(sql, scope.dialect.quote(found.relation.name));
    const eventTime = eventTimeOf(found);
    return isBatched && eventTime !== null ? inBatch(sql, eventTime) : sql;
  };
  const helpers: TemplateContext["helpers"] = {
    ...scope.helpers,
    ref: ({ args, where }) => resolve("ref", args, where),
    source: ({ args, where }) => resolve("source", args, where),
    is_incremental: () => isIncremental,
    log: ({ args }) => {
      ctx.log.info("template_logged", `${template.file}: ${args.join(" ")}`);
      return "";
    },
  };
  const { values } = scope;
  const own = relation === null ? {} : relationValue(scope, relation);
  const context = { values: { ...own, ...rendering.values, ...values }, macros: scope.macros };
  if (macros.size === 0) return { helpers, ...context };
  const macroHelpers = macroCalls(ctx, macros, {
    helpers,
    values: relation === null ? values : { ...values, [THIS]: own },
    contextOf: (where) => ({
      engine: scope.dialect.type,
      ref: (...names) => resolve("ref", names, where),
      source: (...names) => resolve("source", names, where),
      literal: scope.dialect.literal,
      quote: scope.dialect.quote,
      vars: scope.project.vars,
      target: { ...scope.target, type: scope.dialect.type },
    }),
  });
  return { helpers: { ...helpers, ...macroHelpers }, ...context };
}

/** The SQL by which batches of it are cut. */
function eventTimeOf(node: RelationNode): string | null {
  if (node.kind === "model") return node.config.event_time;
  return node.kind === "source" ? node.eventTime : null;
}

const NO_MACROS: Graph["macros"] = new Map();

function engineHelpers(scope: CompileScope): TemplateContext["helpers"] {
  const helpers = Object.entries(scope.dialect.helpers).map(([name, helper]) => {
    const call = (given: TemplateCall) => {
      const parameters = parametersOf(name, { dialect: scope.dialect, macros: NO_MACROS }) ?? [];
      const bound = bindArguments(parameters, given).map(([, value]) => value as Literal);
      const isRest = parameters.at(-1)?.isRest === true;
      return isRest ? helper(...bound.slice(0, -1), ...(bound.at(-1) as Literal[])) : helper(...bound);
    };
    return [name, call];
  });
  return Object.fromEntries(helpers) as TemplateContext["helpers"];
}

/** What a macro makes a node read has to be known before anything runs: for the order, for selection and for lineage. */
function checkIsKnown({ node, template }: Rendering, found: RelationNode, where: string): void {
  if (node === undefined || node.dependsOn.includes(found.id)) return;
  const call =
    found.kind === "source" ? `source('${found.sourceName}', '${found.name}')` : `ref('${found.name}')`;
  throw new ProjectError("REF_HIDDEN", {
    message: `a macro reads ${call}, which cannot be seen before it runs`,
    where,
    why: [`it is rendered for ${template.file}`],
    hint: `add this line to ${template.file}: -- depends on: {{ ${call} }}`,
    exitCode: EXIT.usage,
  });
}

/** `{{ this }}` is Handlebars' name for the whole context, so the context reads as the model's relation. */
function relationValue({ dialect, target }: CompileScope, relation: Relation): Record<string, unknown> {
  const { schema, name } = relation;
  return {
    database: target.database,
    schema,
    name,
    identifier: name,
    toString: () => dialect.nameOf(relation),
  };
}

/** `{{ target.… }}`, by dbt's names. */
function targetValue({ target, dialect }: CompileScope): Record<string, unknown> {
  const { profileName, ...same } = target;
  return { ...same, profile_name: profileName, type: dialect.type };
}

function variable(vars: Record<string, Literal>, { args, where }: TemplateCall): unknown {
  const [name, fallback] = args;
  if (Object.hasOwn(vars, String(name))) return vars[String(name)];
  if (fallback !== undefined) return fallback;
  throw new ProjectError("VAR_MISSING", {
    message: `variable "${String(name)}" has no value`,
    where,
    why: [
      ...nearestLine(String(name), Object.keys(vars)),
      `variables of the project: ${Object.keys(vars).join(", ") || "none"}`,
    ],
    hint: `give it under vars: in project.yml or dbt_project.yml, with --vars '{${String(name)}: …}', or as a default in var()`,
    exitCode: EXIT.usage,
  });
}

function environmentVariable(ctx: Context, { args, where }: TemplateCall): unknown {
  const [name, fallback] = args;
  const value = Object.hasOwn(ctx.env, String(name)) ? ctx.env[String(name)] : undefined;
  if (value !== undefined || fallback !== undefined) return value ?? fallback;
  throw new ProjectError("ENV_VAR_MISSING", {
    message: `environment variable ${String(name)} is not set`,
    where,
    hint: `set ${String(name)}, or give env_var() a default`,
    exitCode: EXIT.usage,
  });
}

/** Where a node's compiled SQL lies below target/compiled/. */
export function compiledPath(project: Project, node: ModelNode | TestNode): string {
  const path = node.kind === "test" && node.generic !== null ? `${node.file}/${testFile(node)}` : node.file;
  return `${project.name}/${path}`;
}

/** Longer names of tests have a short alias. */
const MAX_TEST_NAME = 64;

/** dbt's file of a generic test: its name, or the short alias of a name that is too long for a table. */
export function testFile({ name, relation }: TestNode): string {
  return `${name.length < MAX_TEST_NAME ? name : relation.name}.sql`;
}

/** Writes the SQL that the engine is given, for people and tools to read. */
export function writeCompiled(
  target: string,
  project: Project,
  compiled: { nodes: readonly (ModelNode | TestNode)[]; sql: ReadonlyMap<string, CompiledNode> },
): void {
  const folders = new Set<string>();
  for (const node of compiled.nodes) {
    const file = join(target, "compiled", compiledPath(project, node));
    const text = `${compiled.sql.get(node.id)?.sql ?? ""}\n`;
    if (!folders.has(dirname(file))) makeFolder(dirname(file));
    folders.add(dirname(file));
    if (!holds(file, text)) writeFileSync(file, text);
  }
}

/** Whether a file has this text already: looking is cheaper than writing. */
function holds(file: string, text: string): boolean {
  try {
    return readFileSync(file, "utf8") === text;
  } catch {
    return false;
  }
}
