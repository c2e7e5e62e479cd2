import { expect, test } from "vitest";
import { selectNodes } from "../../../runner/select/select.ts";
import { compareStates } from "../../../runner/select/state.ts";
import { manifestContent, presentState } from "../../../runner/to-artifacts/manifest.ts";
import { runResultEntries } from "../../../runner/to-artifacts/results.ts";
import { createProject } from "../project.ts";
import { testOf, unitTest } from "./run.ts";

const GIVEN = "{input: ref('p'), rows: [{id: 1}]}";
const files = (expected: string) => ({
  "models/marts/p.sql": "select 1 as id",
  "models/marts/m.sql": "select id from {{ ref('p') }}",
  "models/marts/m.yml": testOf(`config: {tags: [quick]}\nexpect: {rows: [{id: ${expected}}]}`, GIVEN),
});
const ID = "unit_test.shop.m.t";

test("the manifest has dbt's keys of a unit test, and what it tests", () => {
  const { unitTests } = manifestContent(createProject(files("1")).scope(), new Map());
  const keys =
    "name resource_type package_name path original_file_path unique_id fqn description model given expect overrides config depends_on checksum schema version versions created_at";
  expect(unitTests.map((entry) => Object.keys(entry).sort())).toEqual([keys.split(" ").sort()]);
  expect(unitTests[0]).toMatchObject({
    unique_id: ID,
    model: "m",
    fqn: ["shop", "marts", "m", "t"],
    given: [{ input: "ref('p')", rows: [{ id: 1 }], format: "dict" }],
    depends_on: { macros: [], nodes: ["model.shop.m"] },
  });
});

test("run_results.json has the difference as the message", async () => {
  const scope = createProject(files("2")).scope();
  const entries = runResultEntries(scope, await unitTest(files("2")), new Map());
  expect(entries).toMatchObject([
    {
      unique_id: ID,
      status: "fail",
      failures: 1,
      message: "actual differs from expected:\n            id\n  changed   2 → 1\n  0 rows are as expected",
    },
  ]);
  const error = { ...files("1"), "models/marts/m.sql": "select nope from {{ ref('p') }}" };
  expect(runResultEntries(scope, await unitTest(error), new Map())).toMatchObject([
    {
      status: "error",
      failures: null,
      message: expect.stringContaining("models/marts/m.sql:1:8  Binder Error"),
    },
  ]);
});

test.each([
  ["unit_test:t", [ID]],
  ["test_type:unit", [ID]],
  ["resource_type:unit_test", [ID]],
  ["tag:quick", [ID]],
  ["m", ["model.shop.m", ID]],
  ["p+", ["model.shop.m", "model.shop.p", ID]],
  ["+unit_test:t", ["model.shop.m", "model.shop.p", ID]],
])("--select %s", (words, ids) => {
  const { graph } = createProject(files("1")).scope();
  expect([...selectNodes(graph, { select: [words] })].sort()).toEqual(ids);
});

test("state:modified has unit tests whose rows changed", () => {
  const state = (expected: string) => presentState(createProject(files(expected)).scope());
  const former = { nodes: state("1").nodes as Map<string, never>, macros: new Map() };
  expect(compareStates(state("1"), former).get(ID)).toEqual(new Set(["old", "unmodified"]));
  expect(compareStates(state("2"), former).get(ID)).toEqual(new Set(["old", "modified", "modified.body"]));
});
