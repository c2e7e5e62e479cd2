import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { GenericTestDefinition } from "./generic-tests/definition.ts";
import { GENERIC_TESTS, PACKAGES, TEST_ALIASES } from "./generic-tests/known.ts";

/** A test's name as YAML gives it: `dbt_utils.accepted_range` is `accepted_range` of `dbt_utils`. */
export interface TestType {
  name: string;
  namespace: string | null;
}

/** The project's own tests, by name. */
export interface OwnTests {
  projectName: string;
  tests: ReadonlyMap<string, GenericTestDefinition>;
}

export function testTypeOf(text: string): TestType {
  const dot = text.lastIndexOf(".");
  return dot < 0
    ? { name: text, namespace: null }
    : { name: text.slice(dot + 1), namespace: text.slice(0, dot) };
}

/** What a test's name stands for; a project's own test comes before ours. Throws TEST_UNKNOWN at `where`. */
export function definitionOf(type: TestType, own: OwnTests, where: string): GenericTestDefinition {
  const { name, namespace } = type;
  const isOwn = namespace === null || namespace === own.projectName;
  const isOurs = namespace === null || PACKAGES.includes(namespace);
  const definition = (isOwn ? own.tests.get(name) : undefined) ?? (isOurs ? ourTest(name) : undefined);
  if (definition !== undefined) return definition;
  const known = [
    ...(isOwn ? own.tests.keys() : []),
    ...(isOurs ? [...Object.keys(GENERIC_TESTS), ...Object.keys(TEST_ALIASES)] : []),
  ];
  if (!isOwn && !isOurs)
    throw testError(
      "TEST_UNKNOWN",
      where,
      `unknown package "${namespace}" of test "${name}"`,
      [...nearestLine(namespace ?? "", [...PACKAGES, own.projectName])],
      `add tests/generic/${name}.sql and leave the package out; known packages: ${PACKAGES.join(", ")}`,
    );
  throw testError(
    "TEST_UNKNOWN",
    where,
    `unknown test "${namespace === null ? name : `${namespace}.${name}`}"`,
    nearestLine(name, known),
    `known tests: ${known.join(", ")}`,
  );
}

function ourTest(name: string): GenericTestDefinition | undefined {
  const canonical = Object.hasOwn(TEST_ALIASES, name) ? (TEST_ALIASES[name] ?? name) : name;
  return Object.hasOwn(GENERIC_TESTS, canonical) ? GENERIC_TESTS[canonical] : undefined;
}

/** A mistake in the declaration of a test. */
export function testError(
  code: string,
  where: string,
  message: string,
  why: string[],
  hint: string,
): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}

/** Whether anything but comments is left. */
export function hasSql(text: string): boolean {
  return text.replace(/\/\*.*?\*\/|--[^\n]*/gs, "").trim() !== "";
}

export function emptyTest(file: string): ProjectError {
  const hint = "write a select for the rows that break the claim, or delete the file";
  return testError("TEST_EMPTY", `${file}:1:1`, "the test has no SQL", [], hint);
}
