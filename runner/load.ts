import type { Context } from "../core/context.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { parseYaml, validateYaml } from "../core/yaml.ts";
import type { Dialect } from "../engines/engine.ts";
import { Mistakes } from "./collect.ts";
import { loadGenericTests, loadSingularTests } from "./data-test-nodes.ts";
import { listFiles, readProjectFile } from "./files.ts";
import { loadModels, loadSourceNodes, type PropertiesFile } from "./model-nodes.ts";
import type { Graph, ModelNode, Node, TestNode } from "./nodes.ts";
import type { Project } from "./project.ts";
import { propertiesSchema } from "./properties.ts";
import { checkNames, dependenciesOf, type NameIndex } from "./references.ts";

/**
 * Reads all models, sources and data tests of a project. Throws ProjectErrors (exit 2) that hold every
 * mistake found: broken YAML and templates, unknown names, duplicates, cycles.
 */
export function loadGraph(
  ctx: Context,
  project: Project,
  engine: { dialect: Dialect; targetSchema: string },
): Graph {
  const mistakes = new Mistakes();
  const files = loadProperties(ctx, project, mistakes);
  const { models, disabled } = loadModels(ctx, project, {
    descriptions: files,
    targetSchema: engine.targetSchema,
    mistakes,
  });
  const sources = loadSourceNodes(project, files, mistakes);
  const index: NameIndex = {
    projectName: project.name,
    models: new Map(models.map((model) => [model.name, model])),
    sources: new Map(sources.map((source) => [`${source.sourceName}.${source.name}`, source])),
    disabled,
  };
  const singular = loadSingularTests(ctx, { project, mistakes });
  for (const node of [...models, ...singular])
    resolveTemplate(node, index, { dialect: engine.dialect, mistakes });
  const generic = loadGenericTests(files, { project, dialect: engine.dialect, index, mistakes });
  const nodes = new Map<string, Node>(
    [...sources, ...models, ...generic, ...singular].map((node) => [node.id, node]),
  );
  const cycle = findCycle(models);
  if (cycle !== undefined) mistakes.add(cycleError(cycle));
  mistakes.throwIfAny();
  return { projectName: project.name, nodes, children: childrenOf(nodes) };
}

function loadProperties(ctx: Context, project: Project, mistakes: Mistakes): PropertiesFile[] {
  return listFiles(ctx.projectDir, project.modelPaths, [".yml", ".yaml"]).flatMap((path) => {
    const loaded = mistakes.attempt(() => {
      const file = parseYaml(path, readProjectFile(ctx.projectDir, path));
      return { file, properties: validateYaml(file, propertiesSchema) };
    });
    return loaded === undefined ? [] : [loaded];
  });
}

function resolveTemplate(
  node: ModelNode | TestNode,
  index: NameIndex,
  { dialect, mistakes }: { dialect: Dialect; mistakes: Mistakes },
): void {
  if (node.template === null) return;
  node.dependsOn = dependenciesOf(index, node.template, mistakes);
  checkNames(node.template, Object.keys(dialect.helpers), mistakes);
}

function childrenOf(nodes: ReadonlyMap<string, Node>): Map<string, string[]> {
  const children = new Map<string, string[]>([...nodes.keys()].map((id) => [id, []]));
  for (const node of nodes.values()) {
    for (const parent of node.dependsOn) children.get(parent)?.push(node.id);
  }
  return children;
}

/** A path of models that leads back to its start. Works through a chain of any length without recursion. */
function findCycle(models: readonly ModelNode[]): ModelNode[] | undefined {
  const byId = new Map(models.map((model) => [model.id, model]));
  const done = new Set<string>();
  for (const start of models) {
    const path: ModelNode[] = [];
    const onPath = new Set<string>();
    const stack: { model: ModelNode; next: number }[] = [];
    const enter = (model: ModelNode) => {
      stack.push({ model, next: 0 });
      path.push(model);
      onPath.add(model.id);
    };
    if (!done.has(start.id)) enter(start);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const parent = byId.get(top.model.dependsOn[top.next++] ?? "");
      if (top.next > top.model.dependsOn.length) {
        stack.pop();
        path.pop();
        onPath.delete(top.model.id);
        done.add(top.model.id);
      } else if (parent !== undefined && onPath.has(parent.id)) {
        return [...path.slice(path.indexOf(parent)), parent];
      } else if (parent !== undefined && !done.has(parent.id)) enter(parent);
    }
  }
  return undefined;
}

function cycleError(cycle: readonly ModelNode[]): ProjectError {
  const [first, second] = cycle;
  const use = first?.template.uses.find(
    (candidate) => candidate.name === "ref" && candidate.args.at(-1) === second?.name,
  );
  const isSelf = cycle.length === 2;
  return new ProjectError("GRAPH_CYCLE", {
    message: isSelf
      ? `model "${first?.name}" refers to itself`
      : "these models depend on each other in a circle",
    where: use?.where ?? `${first?.file}:1:1`,
    why: [cycle.map((model) => model.name).join(" -> ")],
    hint: isSelf ? "remove this ref" : "remove one of these refs",
    exitCode: EXIT.usage,
  });
}
