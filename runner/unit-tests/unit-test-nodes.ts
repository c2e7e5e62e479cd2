import type { Context } from "../../core/context.ts";
import type { ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { YamlFile } from "../../core/yaml.ts";
import type { Dialect } from "../../engines/engine.ts";
import { parseEventTime } from "../build/materializations/batch-windows.ts";
import { folderOf, type PropertiesFile } from "../graph/model-nodes.ts";
import type {
  ModelNode,
  SnapshotNode,
  UnitTestInput,
  UnitTestNode,
  UnitTestOverrides,
} from "../graph/nodes.ts";
import { dependenciesOf, type NameIndex, resolveArgument } from "../graph/references.ts";
import { Mistakes } from "../project/collect.ts";
import type { Project } from "../project/project.ts";
import type { UnitTestProperties } from "../project/unit-test-properties.ts";
import type { Literal } from "../templates/template.ts";
import { declarationError } from "./errors.ts";
import { readFixture } from "./fixtures.ts";

interface Scope {
  project: Project;
  files: readonly PropertiesFile[];
  index: NameIndex;
  dialect: Dialect;
  mistakes: Mistakes;
}

/** The unit tests that YAML files declare, with their rows. */
export function loadUnitTests(ctx: Context, scope: Scope): UnitTestNode[] {
  const tests = new Map<string, UnitTestNode>();
  for (const { file, properties } of scope.files) {
    for (const [place, declared] of properties.unit_tests.entries()) {
      if (declared.config.enabled === false) continue;
      const test = scope.mistakes.attempt(() => unitTest(ctx, scope, { file, place, declared }));
      if (test === undefined) continue;
      const former = tests.get(test.id);
      if (former !== undefined) scope.mistakes.add(twice(test, former));
      tests.set(test.id, test);
    }
  }
  return [...tests.values()];
}

interface Declaration {
  file: YamlFile;
  place: number;
  declared: UnitTestProperties;
}

function unitTest(ctx: Context, scope: Scope, declaration: Declaration): UnitTestNode | undefined {
  const { project, mistakes } = scope;
  const { file, place, declared } = declaration;
  const subject = subjectOf(scope, declaration);
  if (subject === undefined) return undefined;
  const where = file.locate(["unit_tests", place, "name"]);
  const given = inputsOf(ctx, scope, { ...declaration, subject });
  const expect = mistakes.attempt(() =>
    readFixture(ctx, project, declared.expect, { file, path: ["unit_tests", place, "expect"] }),
  );
  if (expect === undefined) return undefined;
  checkOverrides(scope, declaration);
  const tags = declared.config.tags ?? [];
  const materialize = declared.materialize || subject.kind === "snapshot";
  const test: UnitTestNode = {
    kind: "unit_test",
    id: `unit_test.${project.name}.${subject.name}.${declared.name}`,
    name: declared.name,
    fqn: [project.name, ...folderOf(project, file.path), subject.name, declared.name],
    file: file.path,
    description: declared.description.trim(),
    tags,
    dependsOn: [subject.id],
    config: { enabled: true, tags, meta: declared.config.meta ?? {} },
    subject: subject.id,
    given,
    expect,
    overrides: overridesOf(declared),
    materialize,
    idempotent: declared.idempotent,
    declared: { given: declared.given, expect: declared.expect },
    where,
  };
  addSeeds(test, { subject, scope });
  return test;
}

/** The values of the environment are texts, whatever YAML takes them for. */
function overridesOf({ overrides: { macros, vars, env_vars } }: UnitTestProperties): UnitTestOverrides {
  const texts = Object.entries(env_vars).map(([name, value]) => [name, String(value)]);
  return {
    macros: macros as Record<string, Literal>, // JSON's values are a template's literals
    vars: vars as Record<string, Literal>,
    env_vars: Object.fromEntries(texts),
  };
}

/** Undefined for a model that is switched off: its unit tests are, too. Throws UNIT_TEST_SUBJECT. */
function subjectOf(
  { index }: Scope,
  { file, place, declared }: Declaration,
): ModelNode | SnapshotNode | undefined {
  const { model, snapshot } = declared;
  const key = snapshot === undefined ? "model" : "snapshot";
  const name = snapshot ?? model;
  if (name === undefined || (model !== undefined && snapshot !== undefined)) {
    throw declarationError("UNIT_TEST_SUBJECT", file.locate(["unit_tests", place, "name"]), {
      message: `unit test "${declared.name}" has to name a model or a snapshot`,
      hint: "give it model: the model's name, or snapshot:",
    });
  }
  if (index.disabled.has(name)) return undefined;
  const found = index.models.get(name);
  if (found !== undefined && found.kind !== "seed" && found.kind === key) return found;
  const known = [...index.models.values()].filter(({ kind }) => kind === key).map((node) => node.name);
  throw declarationError("UNIT_TEST_SUBJECT", file.locate(["unit_tests", place, key]), {
    message: `unit test "${declared.name}" names an unknown ${key} "${name}"`,
    why: nearestLine(name, known),
    hint: "correct the name",
  });
}

function inputsOf(
  ctx: Context,
  { project, index, mistakes }: Scope,
  { file, place, declared, subject }: Declaration & { subject: ModelNode | SnapshotNode },
): UnitTestInput[] {
  const seen = new Set<string>();
  return declared.given.flatMap((given, position) => {
    const path = ["unit_tests", place, "given", position];
    const where = file.locate([...path, "input"]);
    const input = mistakes.attempt(() => {
      const isThis = given.input.trim() === "this";
      const node = isThis ? subject : resolveArgument(index, given.input, where);
      const hasRows = (given.rows ?? given.fixture ?? null) !== null;
      const read = () => readFixture(ctx, project, given, { file, path });
      const fixture = hasRows || node.kind !== "seed" ? (mistakes.attempt(read) ?? null) : null;
      if (seen.has(node.id)) throw inputTwice(given.input, where);
      seen.add(node.id);
      return { id: node.id, isThis, input: given.input, fixture };
    });
    return input ?? [];
  });
}

/** Seeds that are not given have the rows of their files; what else is not given is a mistake. */
function addSeeds(
  test: UnitTestNode,
  { subject, scope }: { subject: ModelNode | SnapshotNode; scope: Scope },
): void {
  const { index, mistakes } = scope;
  // Hooks are run with the table that they belong to.
  const reads =
    subject.kind === "model" && !test.materialize
      ? dependenciesOf(index, subject.template, new Mistakes())
      : subject.dependsOn;
  const given = new Set(test.given.map(({ id }) => id));
  const absent = new Set(reads.filter((id) => !given.has(id) && id !== subject.id));
  if (absent.size === 0) return;
  for (const node of [...index.models.values(), ...index.sources.values()]) {
    const { id } = node;
    if (!absent.has(id)) continue;
    const input =
      node.kind === "source" ? `source('${node.sourceName}', '${node.name}')` : `ref('${node.name}')`;
    if (node.kind === "seed") test.given.push({ id, isThis: false, input, fixture: null });
    else mistakes.add(inputMissing(test, subject.name, input));
  }
}

const VALUES_OVERRIDDEN = ["is_incremental", "run_started_at"];

/** The name of a macro without the package that dbt has it in. */
export function macroName(name: string): string {
  return name.replace(/^dbt(_utils)?\./, "");
}

function checkOverrides({ index, dialect, mistakes }: Scope, { file, place, declared }: Declaration): void {
  const { macros } = declared.overrides;
  const known = [...VALUES_OVERRIDDEN, ...index.macros.keys(), ...Object.keys(dialect.helpers)];
  const whereOf = (name: string) => file.locateKey(["unit_tests", place, "overrides", "macros"], name);
  for (const [name, value] of Object.entries(macros)) {
    if (!known.includes(macroName(name))) {
      mistakes.add(
        declarationError("UNIT_TEST_OVERRIDE", whereOf(name), {
          message: `overrides names an unknown macro "${name}"`,
          why: nearestLine(name, known),
          hint: "correct the name, or remove it",
        }),
      );
    }
    if (name === "run_started_at" && parseEventTime(String(value)) === undefined) {
      mistakes.add(
        declarationError("UNIT_TEST_OVERRIDE", whereOf(name), {
          message: `run_started_at is no time: ${JSON.stringify(value)}`,
          hint: "write a date or a time, such as 2026-01-31 12:00:00",
        }),
      );
    }
  }
  const isMaterialized = declared.materialize || declared.snapshot !== undefined;
  if (isMaterialized && "is_incremental" in macros) {
    mistakes.add(
      declarationError("UNIT_TEST_OVERRIDE", whereOf("is_incremental"), {
        message: "a test that materializes decides itself whether the run is incremental",
        why: ["it is when the former rows of the table are given"],
        hint: "remove is_incremental, and give - input: this, or leave it out",
      }),
    );
  }
}

function twice(test: UnitTestNode, former: UnitTestNode): ProjectError {
  return declarationError("UNIT_TEST_DUPLICATE", test.where, {
    message: `unit test "${test.name}" is declared twice`,
    why: [`the other place: ${former.where}`],
    hint: "give one of them another name",
  });
}

function inputTwice(input: string, where: string): ProjectError {
  return declarationError("UNIT_TEST_INPUT_TWICE", where, {
    message: `${input} is given twice`,
    hint: "put all of its rows into one of them",
  });
}

function inputMissing(test: UnitTestNode, subject: string, input: string): ProjectError {
  return declarationError("UNIT_TEST_INPUT_MISSING", test.where, {
    message: `unit test "${test.name}" gives no rows for ${input}`,
    why: [`"${subject}" reads it`],
    hint: `add to given: - input: ${input}, with rows: [] if there are none`,
  });
}
