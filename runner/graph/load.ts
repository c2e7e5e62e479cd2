import { join } from "node:path";
import { projectFolders } from "../../core/config.ts";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { createTextReader } from "../../core/text-file.ts";
import { validateYaml } from "../../core/yaml.ts";
import type { Dialect } from "../../engines/engine.ts";
import { loadGenericTests } from "../data-tests/data-test-nodes.ts";
import { checkFailureTables } from "../data-tests/failure-tables.ts";
import { loadOwnTests } from "../data-tests/own-tests.ts";
import { loadSingularTests } from "../data-tests/singular-tests.ts";
import { testConfigTrees } from "../data-tests/test-config.ts";
import { Mistakes } from "../project/collect.ts";
import { fillDescriptions, loadDocsBlocks } from "../project/docs-blocks.ts";
import { listFiles } from "../project/files.ts";
import { openParseCache, type ParseCache } from "../project/parse-cache.ts";
import type { Project } from "../project/project.ts";
import { propertiesSchema, rightProperties } from "../project/properties.ts";
import { noteDbtFiles, noteUnsupported, withoutUnknownConfigs } from "../project/unsupported.ts";
import { loadMacros } from "../templates/macros.ts";
import type { TemplateContext } from "../templates/template.ts";
import { checkMacros, checkNames, checkVariables, OWN_NAMES } from "../templates/template-names.ts";
import { requireHandlebars } from "../templates/template-syntax.ts";
import { renderCalls } from "../templates/yaml-calls.ts";
import { loadUnitTests } from "../unit-tests/unit-test-nodes.ts";
import { callsContext } from "./compile.ts";
import { loadExposures, loadGroups } from "./exposure-nodes.ts";
import { checkDuplicates, loadModels, loadSourceNodes, type PropertiesFile } from "./model-nodes.ts";
import type { Graph, ModelNode, Node, SnapshotNode, TestNode } from "./nodes.ts";
import { dependenciesOf, type NameIndex, resolveArgument } from "./references.ts";
import { checkSchemaNames } from "./schema-names.ts";
import { loadSeeds } from "./seed-nodes.ts";
import { loadSnapshots } from "./snapshot-nodes.ts";

/**
 * Reads all models, sources and data tests of a project. Throws ProjectErrors (exit 2) that hold every
 * mistake found: broken YAML and templates, unknown names, duplicates, cycles. Throws VERSION_TOO_OLD (exit 4).
 */
export function loadGraph(
  ctx: Context,
  given: Project,
  engine: { dialect: Dialect; targetSchema: string; targetDatabase?: string; targetName?: string },
): Graph {
  requireHandlebars();
  const mistakes = new Mistakes(given.dbt === undefined ? "refused" : "noted");
  const project = withCalls(ctx, given, { engine, mistakes });
  noteDbtFiles(ctx, project, mistakes);
  const docs = loadDocsBlocks(ctx, project, mistakes);
  const { target } = projectFolders(ctx.projectDir, project.targetPath);
  const cache = openParseCache(join(target, "cache", "parsed"));
  const files = loadProperties(ctx, project, { engine, mistakes, cache });
  for (const { file, properties, mayCall } of files) {
    if (mayCall) fillDescriptions(properties, { file, path: [] }, { blocks: docs, mistakes });
    noteUnsupported(file, properties, mistakes);
  }
  const macros = loadMacros(ctx, project, { taken: OWN_NAMES, mistakes });
  const {
    models,
    disabled: modelsOff,
    unread,
  } = loadModels(ctx, project, {
    descriptions: files,
    targetSchema: engine.targetSchema,
    macros,
    mistakes,
    cache,
  });
  const seeds = loadSeeds(ctx, project, { descriptions: files, targetSchema: engine.targetSchema, mistakes });
  const { snapshots, disabled: snapshotsOff } = loadSnapshots(project, files, {
    targetSchema: engine.targetSchema,
    mistakes,
  });
  checkDuplicates([...models, ...seeds.seeds, ...snapshots], mistakes);
  const { sources, disabled: sourcesOff } = loadSourceNodes(project, files, {
    targetDatabase: engine.targetDatabase,
    mistakes,
  });
  checkSchemaNames([...models, ...seeds.seeds, ...snapshots, ...sources], {
    database: engine.targetDatabase,
    mistakes,
  });
  const index: NameIndex = {
    projectName: project.name,
    models: new Map([...seeds.seeds, ...snapshots, ...models].map((node) => [node.name, node])),
    sources: new Map(sources.map((source) => [`${source.sourceName}.${source.name}`, source])),
    disabled: new Set([...modelsOff, ...seeds.disabled, ...snapshotsOff].map(({ name }) => name)),
    unread,
    macros,
  };
  for (const snapshot of snapshots) {
    const { text, where } = snapshot.reads;
    const parent = mistakes.attempt(() => resolveArgument(index, text, where));
    snapshot.dependsOn = parent === undefined ? [] : [parent.id];
  }
  checkMacros(index, engine.dialect, mistakes);
  const { targetSchema } = engine;
  const testConfigs = testConfigTrees(project, mistakes);
  const context = callsContext(ctx, project, engine);
  const { tests: singular, disabled: singularOff } = loadSingularTests(ctx, {
    ...{ project, macros, targetSchema, mistakes, cache },
    configs: testConfigs,
  });
  for (const node of [...models, ...singular])
    resolveTemplate(node, index, { dialect: engine.dialect, context, mistakes });
  const own = loadOwnTests(ctx, { project, macros, dialect: engine.dialect, mistakes });
  const scope = {
    ...{ project, dialect: engine.dialect, index, own, targetSchema, mistakes },
    ...{ configs: testConfigs, calls: context },
  };
  const { tests: generic, disabled: genericOff } = loadGenericTests(files, scope);
  checkFailureTables(
    [...generic, ...singular],
    [...models, ...seeds.seeds, ...snapshots, ...sources],
    mistakes,
  );
  const { exposures, disabled: exposuresOff } = loadExposures(project, files, { index, mistakes });
  const unitTests = loadUnitTests(ctx, { project, files, index, dialect: engine.dialect, mistakes });
  const groups = loadGroups(project, files, { models, mistakes });
  const nodes = new Map<string, Node>(
    [
      ...sources,
      ...seeds.seeds,
      ...models,
      ...snapshots,
      ...generic,
      ...singular,
      ...unitTests,
      ...exposures,
    ].map((node) => [node.id, node]),
  );
  cache.save();
  for (const cycle of findCycles([...models, ...snapshots])) mistakes.add(cycleError(cycle));
  mistakes.throwIfAny();
  mistakes.warnOfUnsupported(ctx);
  const disabled = [
    modelsOff,
    seeds.disabled,
    snapshotsOff,
    sourcesOff,
    singularOff,
    genericOff,
    exposuresOff,
  ];
  return {
    projectName: project.name,
    nodes,
    groups,
    docs,
    disabled: disabled.flat(),
    children: childrenOf(nodes),
    macros,
  };
}

type Place = Parameters<typeof loadGraph>[2];

/** The project with the calls in its configuration filled in. */
function withCalls(
  ctx: Context,
  project: Project,
  { engine, mistakes }: { engine: Place; mistakes: Mistakes },
): Project {
  const context = callsContext(ctx, project, engine);
  const filled = (key: string, tree: Record<string, unknown>) =>
    renderCalls(tree, { file: project.file, path: [key] }, { context, mistakes }) as Record<string, unknown>; // a map stays one
  return {
    ...project,
    modelConfigs: filled("models", project.modelConfigs),
    seedConfigs: filled("seeds", project.seedConfigs),
    snapshotConfigs: filled("snapshots", project.snapshotConfigs),
    testConfigs: {
      tests: filled("tests", project.testConfigs.tests),
      data_tests: filled("data_tests", project.testConfigs.data_tests),
    },
  };
}

/** Folders whose YAML describes what is in them. */
function describedFolders({ modelPaths, seedPaths, macroPaths, dbt }: Project): string[] {
  return [
    ...modelPaths,
    ...seedPaths,
    ...(dbt === undefined ? [] : macroPaths),
    ...(dbt?.snapshotPaths ?? ["snapshots"]),
  ];
}

function loadProperties(
  ctx: Context,
  project: Project,
  { engine, mistakes, cache }: { engine: Place; mistakes: Mistakes; cache: ParseCache },
): (PropertiesFile & { mayCall: boolean })[] {
  const context = callsContext(ctx, project, engine);
  const read = createTextReader(ctx.projectDir);
  return listFiles(ctx.projectDir, describedFolders(project), [".yml", ".yaml"]).flatMap((path) => {
    const loaded = mistakes.attempt(() => {
      const text = read(path);
      const parsed = cache.yaml(path, text);
      // A backslash may be an escape that stands for a brace.
      const mayCall = text.includes("{{") || text.includes("\\");
      const known = mayCall ? undefined : cache.properties(path, text);
      if (known !== undefined) return { file: parsed, properties: known, mayCall };
      const value = mayCall
        ? renderCalls(parsed.value, { file: parsed, path: [] }, { context, mistakes })
        : parsed.value;
      const file = { ...parsed, value: withoutUnknownConfigs({ ...parsed, value }, mistakes) };
      const properties = mistakes.attempt(() => validateYaml(file, propertiesSchema));
      if (properties !== undefined && file.value === parsed.value)
        cache.keepProperties(path, text, properties);
      return { file, properties: properties ?? rightProperties(file.value), mayCall };
    });
    return loaded === undefined ? [] : [loaded];
  });
}

function resolveTemplate(
  node: ModelNode | TestNode,
  index: NameIndex,
  { dialect, context, mistakes }: { dialect: Dialect; context: TemplateContext; mistakes: Mistakes },
): void {
  if (node.template === null) return;
  checkVariables(node.template, context, mistakes);
  node.dependsOn = dependenciesOf(index, node.template, mistakes);
  const scope = { dialect, macros: index.macros, hasRelation: node.kind === "model" };
  checkNames(node.template, scope, mistakes);
  if (node.kind === "test") return;
  for (const { template } of [...node.hooks.pre, ...node.hooks.post]) {
    checkNames(template, { ...scope, hasRelation: true }, mistakes);
    const reads = dependenciesOf(index, template, mistakes).filter((id) => id !== node.id);
    node.dependsOn = [...new Set([...node.dependsOn, ...reads])];
  }
}

function childrenOf(nodes: ReadonlyMap<string, Node>): Map<string, string[]> {
  const children = new Map<string, string[]>([...nodes.keys()].map((id) => [id, []]));
  for (const node of nodes.values()) {
    for (const parent of node.dependsOn) children.get(parent)?.push(node.id);
  }
  return children;
}

type Buildable = ModelNode | SnapshotNode;

/** Paths of models that lead back to their start. Walks a chain of any length without recursion. */
function findCycles(models: readonly Buildable[]): Buildable[][] {
  const byId = new Map(models.map((model) => [model.id, model]));
  const parentsOf = (model: Buildable) => model.dependsOn.flatMap((id) => byId.get(id) ?? []);
  const cycles: Buildable[][] = [];
  const states = new Map<Buildable, "open" | "done">();
  for (const start of models) {
    const path: { model: Buildable; left: Buildable[] }[] = [];
    const enter = (model: Buildable) => {
      states.set(model, "open");
      path.push({ model, left: parentsOf(model).reverse() });
    };
    if (!states.has(start)) enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const parent = top.left.pop();
      if (parent === undefined) {
        states.set(top.model, "done");
        path.pop();
      } else if (!states.has(parent)) enter(parent);
      else if (states.get(parent) === "open") {
        const names = path.map(({ model }) => model);
        cycles.push([...names.slice(names.indexOf(parent)), parent]);
      }
    }
  }
  return cycles;
}

const MAX_PATH = 20;

function pathText(names: readonly string[]): string {
  if (names.length <= MAX_PATH) return names.join(" -> ");
  const hidden = names.length - MAX_PATH;
  return [...names.slice(0, MAX_PATH - 2), `… ${hidden} more …`, ...names.slice(-2)].join(" -> ");
}

function cycleError(cycle: readonly Buildable[]): ProjectError {
  const [first, second] = cycle;
  const uses = first?.kind === "model" ? first.template.uses : [];
  const use = uses.find((candidate) => candidate.name === "ref" && candidate.args.at(-1) === second?.name);
  const isSelf = cycle.length === 2;
  return new ProjectError("GRAPH_CYCLE", {
    message: isSelf
      ? `model "${first?.name}" refers to itself`
      : "these models depend on each other in a circle",
    where: use?.where ?? `${first?.file}:1:1`,
    why: [pathText(cycle.map((model) => model.name))],
    hint: isSelf ? "remove this ref" : "remove one of these refs",
    exitCode: EXIT.usage,
  });
}
