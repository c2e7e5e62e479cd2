import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Context } from "../core/context.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { Dialect, Relation } from "../engines/engine.ts";
import { Mistakes } from "./collect.ts";
import type { Graph, ModelNode, SourceNode, TestNode } from "./nodes.ts";
import type { Project } from "./project.ts";
import { checkNames, dependenciesOf, type NameIndex, resolveReference } from "./references.ts";
import {
  type Literal,
  parseTemplate,
  type Template,
  type TemplateCall,
  type TemplateContext,
  type TemplateUse,
} from "./template.ts";

/** What templates may read of the place that they run in. */
export interface CompileScope {
  project: Project;
  graph: Graph;
  dialect: Dialect;
  target: { name: string; profileName: string; schema: string; threads: number; database: string };
}

export interface CompiledNode {
  sql: string;
  /** `file:line:column` of the author's text for a place in `sql`. */
  placeOf(offset: number): string;
}

/** SQL of the nodes, by id. Throws ProjectErrors that hold every mistake of all of them. */
export function compileNodes(
  ctx: Context,
  scope: CompileScope,
  nodes: readonly (ModelNode | TestNode)[],
): Map<string, CompiledNode> {
  const mistakes = new Mistakes();
  const index = indexOf(scope.graph);
  const compiled = new Map<string, CompiledNode>();
  for (const node of nodes) {
    const result = mistakes.attempt(() => compileNode(ctx, { ...scope, index }, node));
    if (result !== undefined) compiled.set(node.id, result);
  }
  mistakes.throwIfAny();
  return compiled;
}

function compileNode(
  ctx: Context,
  scope: CompileScope & { index: NameIndex },
  node: ModelNode | TestNode,
): CompiledNode {
  if (node.kind === "model")
    return renderTemplate(ctx, scope, { template: node.template, relation: node.relation });
  if (node.template !== null) return renderTemplate(ctx, scope, { template: node.template, relation: null });
  const sql = node.generic?.sql ?? "";
  if (typeof sql === "string") return { sql, placeOf: () => node.where };
  return renderTemplate(ctx, scope, { ...sql, relation: null });
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
  const index = indexOf(scope.graph);
  const mistakes = new Mistakes();
  dependenciesOf(index, template, mistakes);
  checkNames(
    template,
    { helpers: Object.keys(scope.dialect.helpers), hasRelation: relation !== null },
    mistakes,
  );
  mistakes.throwIfAny();
  return renderTemplate(ctx, { ...scope, index }, { template, relation });
}

/** What calls in YAML may read: variables, the environment and the target. */
export function callsContext(
  ctx: Context,
  project: Project,
  target: { dialect: Dialect; targetSchema: string; targetDatabase?: string; targetName?: string },
): TemplateContext {
  return {
    helpers: {
      var: (call) => variable(project.vars, call, project.file.path),
      env_var: (call) => environmentVariable(ctx, call, project.file.path),
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
  };
}

function renderTemplate(
  ctx: Context,
  scope: CompileScope & { index: NameIndex },
  node: { template: Template; relation: Relation | null; values?: Record<string, unknown> },
): CompiledNode {
  const rendered = node.template.render(templateContext(ctx, scope, node));
  return withoutEnd(rendered.text, rendered.placeOf);
}

/** A statement's own semicolon would end the one that it is put into. */
function withoutEnd(sql: string, placeOf: (offset: number) => string): CompiledNode {
  return { sql: sql.replace(/[\s;]*(;\s*(--.*\s*)*)?$/, ""), placeOf };
}

function templateContext(
  ctx: Context,
  scope: CompileScope & { index: NameIndex },
  {
    template,
    relation,
    values,
  }: { template: Template; relation: Relation | null; values?: Record<string, unknown> },
): TemplateContext {
  const nameOf = (name: "ref" | "source") => (call: TemplateCall) => {
    const where = whereOf(template, name, call.args);
    return scope.dialect.nameOf(
      resolveReference(scope.index, { name, args: call.args as Literal[], where }).relation,
    );
  };
  const engineHelpers = Object.entries(scope.dialect.helpers).map(([name, helper]) => [
    name,
    ({ args }: TemplateCall) => helper(...args.map(String)),
  ]);
  return {
    helpers: {
      ...(Object.fromEntries(engineHelpers) as TemplateContext["helpers"]),
      ref: nameOf("ref"),
      source: nameOf("source"),
      var: (call) => variable(scope.project.vars, call, whereOf(template, "var", call.args)),
      env_var: (call) => environmentVariable(ctx, call, whereOf(template, "env_var", call.args)),
      config: () => "",
      arguments: () => "",
      is_incremental: () => false,
      log: ({ args }) => {
        ctx.log.info("template_logged", `${template.file}: ${args.join(" ")}`);
        return "";
      },
    },
    values: {
      ...(relation === null ? {} : relationValue(scope, relation)),
      ...values,
      target: targetValue(scope),
      run_started_at: ctx.startedAt.toISOString(),
      invocation_id: ctx.invocationId,
    },
  };
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

function whereOf(template: Template, name: string, args: readonly unknown[]): string {
  const first = args[0];
  const isSame = (use: TemplateUse) =>
    use.name === name && (use.args[0] === undefined || use.args[0] === first);
  return template.uses.find(isSame)?.where ?? `${template.file}:1:1`;
}

function variable(vars: Record<string, Literal>, { args }: TemplateCall, where: string): unknown {
  const [name, fallback] = args;
  if (Object.hasOwn(vars, String(name))) return vars[String(name)];
  if (fallback !== undefined) return fallback;
  throw new ProjectError("VAR_MISSING", {
    message: `variable "${String(name)}" has no value`,
    where,
    why: [
      ...nearestLine(String(name), Object.keys(vars)),
      `variables of project.yml: ${Object.keys(vars).join(", ") || "none"}`,
    ],
    hint: `give it in project.yml under vars:, with --vars '{${String(name)}: …}', or as a default in var()`,
    exitCode: EXIT.usage,
  });
}

function environmentVariable(ctx: Context, { args }: TemplateCall, where: string): unknown {
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
  const path = node.kind === "test" && node.generic !== null ? `${node.file}/${node.name}.sql` : node.file;
  return `${project.name}/${path}`;
}

/** Writes the SQL that the engine is given, for people and tools to read. */
export function writeCompiled(
  target: string,
  project: Project,
  compiled: { nodes: readonly (ModelNode | TestNode)[]; sql: ReadonlyMap<string, CompiledNode> },
): void {
  for (const node of compiled.nodes) {
    const file = join(target, "compiled", compiledPath(project, node));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${compiled.sql.get(node.id)?.sql ?? ""}\n`);
  }
}
