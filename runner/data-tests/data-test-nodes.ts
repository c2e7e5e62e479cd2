import type { Dialect } from "../../engines/engine.ts";
import { referenceSql } from "../graph/ephemeral.ts";
import { folderOf, type PropertiesFile } from "../graph/model-nodes.ts";
import type { RelationNode, TestNode } from "../graph/nodes.ts";
import { dependenciesOf, type NameIndex, resolveArgument } from "../graph/references.ts";
import { Mistakes } from "../project/collect.ts";
import type { Project } from "../project/project.ts";
import type { DataTestInput, TestConfigInput } from "../project/properties.ts";
import type { Literal, TemplateContext } from "../templates/template.ts";
import type { GenericTestDefinition } from "./generic-tests/definition.ts";
import { type OwnTest, ownTestValues } from "./own-tests.ts";
import {
  failuresRelation,
  mergeTestConfig,
  projectTestConfigs,
  type TestConfigTrees,
} from "./test-config.ts";
import { type Declaration, parseArguments, splitInput, withCalls } from "./test-declaration.ts";
import { genericTestAlias, genericTestHash, genericTestName, type NamedTest } from "./test-names.ts";
import { definitionOf, type OwnTests, type TestType, testError } from "./test-types.ts";

export interface TestScope {
  project: Project;
  dialect: Dialect;
  index: NameIndex;
  own: OwnTests;
  configs: TestConfigTrees;
  /** What calls in configuration and arguments may read. */
  calls: TemplateContext;
  /** The schema of relations that name none. */
  targetSchema: string;
  mistakes: Mistakes;
}

/** The generic tests that YAML files declare; those that are switched off apart. */
export function loadGenericTests(
  files: readonly PropertiesFile[],
  scope: TestScope,
): { tests: TestNode[]; disabled: TestNode[] } {
  const disabled: TestNode[] = [];
  const tests = new Map<string, TestNode>();
  for (const declaration of files.flatMap((file) => declarationsIn(file, scope))) {
    const test = scope.mistakes.attempt(() => genericTest(declaration, scope));
    if (test === undefined) continue;
    if (!test.config.enabled) {
      disabled.push(test);
      continue;
    }
    if (tests.has(test.id)) {
      scope.mistakes.add(
        testError(
          "TEST_DUPLICATE",
          declaration.where,
          `test "${test.name}" is declared twice`,
          [],
          "remove one of them, or give one a name",
        ),
      );
    }
    tests.set(test.id, test);
  }
  return { tests: [...tests.values()], disabled };
}

interface Testable {
  data_tests: DataTestInput[];
  tests: DataTestInput[];
}

function declarationsIn(
  { file, properties }: PropertiesFile,
  { index, project }: Pick<TestScope, "index" | "project">,
): Declaration[] {
  const folders = folderOf(project, file.path);
  const declarations: Declaration[] = [];
  const add = (
    subject: RelationNode,
    owner: Testable,
    at: { path: PropertyKey[]; column: string | null },
  ) => {
    for (const key of ["data_tests", "tests"] as const) {
      for (const [place, input] of owner[key].entries()) {
        const path = [...at.path, key, place];
        declarations.push({
          input,
          subject,
          column: at.column,
          file,
          folders,
          path,
          where: file.locate(path),
        });
      }
    }
  };
  const addAll = (
    subject: RelationNode | undefined,
    owner: Testable & { columns: (Testable & { name: string })[] },
    path: PropertyKey[],
  ) => {
    if (subject === undefined) return;
    add(subject, owner, { path, column: null });
    for (const [place, column] of owner.columns.entries()) {
      add(subject, column, { path: [...path, "columns", place], column: column.name });
    }
  };
  for (const [place, model] of properties.models.entries())
    addAll(index.models.get(model.name), model, ["models", place]);
  for (const [place, seed] of properties.seeds.entries())
    addAll(index.models.get(seed.name), seed, ["seeds", place]);
  for (const [place, snapshot] of properties.snapshots.entries())
    addAll(index.models.get(snapshot.name), snapshot, ["snapshots", place]);
  for (const [place, source] of properties.sources.entries()) {
    for (const [tablePlace, table] of source.tables.entries()) {
      addAll(index.sources.get(`${source.name}.${table.name}`), table, [
        "sources",
        place,
        "tables",
        tablePlace,
      ]);
    }
  }
  return declarations;
}

function genericTest(declaration: Declaration, scope: TestScope): TestNode {
  const { subject, where } = declaration;
  const { type, name: givenName, description, configs, args } = splitInput(declaration, scope.calls);
  const definition = definitionOf(type, scope.own, where);
  const { column, own } = columnOf(declaration, definition, { type, args });
  const named: NamedTest = {
    type: type.name,
    namespace: type.namespace,
    subject,
    args: column === null ? own : { ...own, column_name: column },
  };
  const name = givenName ?? genericTestName(named);
  const fqn = [scope.project.name, ...declaration.folders, name];
  const config = mergeTestConfig([
    ...projectTestConfigs(scope.configs, fqn),
    ...defaultConfigs(definition),
    ...configs,
  ]);
  const dependsOn = new Set([subject.id]);
  const { dialect } = scope;
  const relation = referenceSql(dialect, subject);
  const at = {
    relation: config.where === null ? relation : `(select * from ${relation} where ${config.where})`,
    column: column === null ? null : dialect.quote(column),
  };
  const resolve = (argument: string) => {
    const node = resolveArgument(scope.index, argument, where);
    dependsOn.add(node.id);
    return referenceSql(dialect, node);
  };
  const parsed = parseArguments(declaration, definition, {
    type,
    args: withCalls(own, where, scope.calls),
  });
  const { template } = definition;
  // Its mistakes are reported when it is rendered.
  if (template !== undefined) {
    for (const id of dependenciesOf(scope.index, template, new Mistakes())) dependsOn.add(id);
  }
  const sql =
    template === undefined
      ? definition.sql({ dialect, ...at, resolve }, parsed)
      : { template, values: ownTestValues({ ...at, args: parsed }, resolve) };
  const proof = template === undefined ? definition.proof?.({ dialect, ...at, resolve }, parsed) : undefined;
  return {
    kind: "test",
    id: `test.${scope.project.name}.${name}.${genericTestHash(name, named)}`,
    name,
    fqn,
    file: declaration.file.path,
    description,
    tags: [...new Set([...config.tags, ...inheritedTags(subject, column)])],
    dependsOn: [...dependsOn],
    config,
    relation: failuresRelation(scope, config, givenName ?? genericTestAlias(named, name)),
    where,
    generic: {
      type: type.name,
      namespace: type.namespace,
      attachedTo: subject.id,
      columnName: column,
      arguments: own,
      sql,
      relation: at.relation,
      ...(proof === undefined ? {} : { proof }),
    },
    template: null,
  };
}

/** A test has the tags of the column that it looks at; one of a source has the source's as well. */
function inheritedTags(subject: RelationNode, column: string | null): string[] {
  const tags = subject.columns.find(({ name }) => name === column)?.tags ?? [];
  return subject.kind === "source" ? [...tags, ...subject.tags] : tags;
}

/** What the test's own definition says where its use is silent. */
function defaultConfigs(definition: GenericTestDefinition): TestConfigInput[] {
  const { failCalc, config } = definition as GenericTestDefinition & Partial<OwnTest>; // of a project's own test
  return [...(failCalc === undefined ? [] : [{ fail_calc: failCalc }]), ...(config ?? [])];
}

/** The column that a test looks at: the one it stands under, or the one that `column_name` of a model's test names. */
function columnOf(
  { column: declared, where }: Declaration,
  definition: GenericTestDefinition,
  { type: { name: type }, args }: { type: TestType; args: Record<string, Literal> },
): { column: string | null; own: Record<string, Literal> } {
  const { column_name: named, ...own } = args;
  const isNamed = declared === null && definition.on !== "model" && typeof named === "string";
  const column = isNamed ? named : declared;
  if (definition.on === "column" && column === null) {
    throw testError(
      "TEST_NEEDS_COLUMN",
      where,
      `test "${type}" belongs under a column`,
      [],
      "move it below one of the model's columns",
    );
  }
  if (definition.on === "model" && column !== null) {
    throw testError(
      "TEST_NEEDS_MODEL",
      where,
      `test "${type}" belongs to a whole model`,
      [],
      "move it from the column to the data_tests of the model",
    );
  }
  return { column, own: isNamed ? own : args };
}
