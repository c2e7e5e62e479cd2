import type { ManifestContent, ManifestEntry } from "../../artifacts/manifest.ts";
import type { CompileScope } from "../graph/compile.ts";
import {
  exposuresOf,
  type Graph,
  modelsOf,
  type Node,
  seedsOf,
  snapshotsOf,
  sourcesOf,
  type TestNode,
  testsOf,
  unitTestsOf,
} from "../graph/nodes.ts";
import type { PresentState } from "../select/state.ts";
import { modelConfigEntry } from "./configs.ts";
import { type Compiled, modelEntry, operationEntries, seedEntry, snapshotEntry } from "./nodes.ts";
import type { ManifestScope } from "./parts.ts";
import { docEntry, exposureEntry, groupEntry, macroEntry, sourceEntry } from "./resources.ts";
import { genericTestMacros, testEntry, unitTestEntry } from "./tests.ts";

export interface ManifestOptions {
  /** When the project was read. */
  readAt: Date;
  /** The definitions of selectors.yml, as dbt spells them out. */
  selectors: Readonly<Record<string, unknown>>;
}

/** The project as a dbt manifest; nodes outside `compiled` appear uncompiled. */
export function manifestContent(
  given: CompileScope,
  compiled: Compiled,
  options: Partial<ManifestOptions> = {},
): ManifestContent {
  const { graph } = given;
  const scope: ManifestScope = {
    ...given,
    createdAt: (options.readAt?.getTime() ?? 0) / 1000,
    configOf: sharedConfigs(),
  };
  const testsByNode = genericTestsByNode(graph);
  const entryOf = (node: Node): ManifestEntry => {
    if (node.kind === "model")
      return modelEntry(node, scope, { compiled, tests: testsByNode.get(node.id) ?? [] });
    if (node.kind === "seed") return seedEntry(node, scope);
    if (node.kind === "snapshot") return snapshotEntry(node, scope);
    if (node.kind === "test") return testEntry(node, scope, compiled);
    if (node.kind === "unit_test") return unitTestEntry(node, scope);
    return node.kind === "source" ? sourceEntry(node, scope) : exposureEntry(node, scope);
  };
  return {
    projectName: graph.projectName,
    adapterType: scope.dialect.type,
    nodes: [
      ...modelsOf(graph).map((model) =>
        modelEntry(model, scope, { compiled, tests: testsByNode.get(model.id) ?? [] }),
      ),
      ...seedsOf(graph).map((seed) => seedEntry(seed, scope)),
      ...snapshotsOf(graph).map((snapshot) => snapshotEntry(snapshot, scope)),
      ...testsOf(graph).map((test) => testEntry(test, scope, compiled)),
      ...operationEntries(scope),
    ],
    sources: sourcesOf(graph).map((source) => sourceEntry(source, scope)),
    macros: [
      ...[...graph.macros.values()].map((macro) => macroEntry(macro, scope)),
      ...genericTestMacros(scope),
    ],
    exposures: exposuresOf(graph).map((exposure) => exposureEntry(exposure, scope)),
    unitTests: unitTestsOf(graph).map((test) => unitTestEntry(test, scope)),
    groups: graph.groups.map((group) => groupEntry(group, scope)),
    docs: graph.docs.map((block) => docEntry(block, scope)),
    groupMembers: groupMembers(graph),
    disabled: graph.disabled.map((node) => switchedOff(entryOf(node))),
    selectors: options.selectors ?? {},
  };
}

/** Most models of a project are configured alike. */
function sharedConfigs(): ManifestScope["configOf"] {
  const entries = new Map<string, Record<string, unknown>>();
  return (config) => {
    const key = JSON.stringify(config);
    const known = entries.get(key) ?? modelConfigEntry(config);
    entries.set(key, known);
    return known;
  };
}

function switchedOff(entry: ManifestEntry): ManifestEntry {
  return { ...entry, config: { ...(entry.config as object), enabled: false } }; // every entry has a config
}

function genericTestsByNode(graph: Graph): Map<string, TestNode[]> {
  const tests = new Map<string, TestNode[]>();
  for (const test of testsOf(graph)) {
    if (test.generic === null) continue;
    const former = tests.get(test.generic.attachedTo);
    if (former === undefined) tests.set(test.generic.attachedTo, [test]);
    else former.push(test);
  }
  return tests;
}

/** The models of every group, and the tests that are attached to them. */
function groupMembers(graph: Graph): Record<string, string[]> {
  const groupOf = (node: Node): string | undefined => {
    if (node.kind === "model") return node.config.group;
    const subject = node.kind === "test" ? graph.nodes.get(node.generic?.attachedTo ?? "") : undefined;
    return subject?.kind === "model" ? subject.config.group : undefined;
  };
  const members = new Map<string, string[]>(graph.groups.map(({ name }) => [name, []]));
  if (members.size > 0)
    for (const node of graph.nodes.values()) members.get(groupOf(node) ?? "")?.push(node.id);
  return Object.fromEntries(members);
}

/** What the manifest says of all that has an id; without compiled SQL. */
export function manifestEntries(scope: CompileScope): Map<string, ManifestEntry> {
  const { nodes, sources, macros, exposures, unitTests, groups, docs } = manifestContent(scope, new Map());
  const all: ManifestEntry[] = [
    ...[...nodes, ...sources, ...macros, ...exposures],
    ...[...unitTests, ...groups, ...docs],
  ];
  return new Map(all.map((entry) => [String(entry.unique_id), entry]));
}

/** The project as `state:` compares it. */
export function presentState(scope: CompileScope): PresentState {
  const entries = [...manifestEntries(scope)];
  const isMacro = ([, entry]: [string, ManifestEntry]) => entry.resource_type === "macro";
  return {
    nodes: new Map(entries.filter((pair) => !isMacro(pair))),
    macros: new Map(entries.filter(isMacro)),
  };
}
