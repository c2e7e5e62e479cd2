import { z } from "zod";
import { datasetOf, ownersOf, tableName } from "./datasets.ts";
import { type Facets, facet, type InputDataset, type JobRun } from "./event.ts";
import type { ManifestNode, RunArtifacts } from "./manifest.ts";
import { answeredError, errorOf, type Inside, jobType, type Quality } from "./told.ts";

const built = z.object({
  unique_id: z.string(),
  status: z.string(),
  rows: z.number().nullable().default(null),
  reason: z.string().nullable().default(null),
  error: answeredError,
});
const test = built.omit({ rows: true }).extend({
  reused: z.boolean().default(false),
  failures: z.number().nullable().default(null),
});
type Test = z.output<typeof test>;
const answerSchema = z.object({
  seeds: z.array(built).catch([]),
  snapshots: z.array(built).catch([]),
  models: z.array(built).catch([]),
  tests: z.array(test).catch([]),
  unit_tests: z.array(test).catch([]),
});

interface Part extends Inside {
  artifacts: RunArtifacts;
}

/** All that a command did to the nodes of the project. What was reused as it was is not told. */
export function nodeRuns(inside: Inside): JobRun[] {
  const { artifacts, json } = inside.ended;
  if (artifacts === null) return [];
  const part = { ...inside, artifacts };
  const { seeds, snapshots, models, tests, unit_tests } = answerSchema.parse(json ?? {});
  const ofTables = byTable(artifacts, tests);
  return [
    ...[...seeds, ...snapshots, ...models]
      .filter(({ status }) => status !== "reused")
      .flatMap((answer) => builtRun(part, answer)),
    ...[...ofTables].flatMap(([id, group]) => (id === "" ? [] : tableTestRun(part, id, group))),
    ...[...(ofTables.get("") ?? []), ...unit_tests].flatMap((answer) => ownTestRun(part, answer)),
  ];
}

/** Tests by the table that they are attached to; by an empty text those of none. */
function byTable({ nodes }: RunArtifacts, tests: readonly Test[]): Map<string, Test[]> {
  const groups = new Map<string, Test[]>();
  for (const one of tests) {
    const node = nodes.get(one.unique_id);
    const isGeneric = node?.test_metadata != null;
    // Of tests of sources a manifest says no more than what they read.
    const id = node?.attached_node ?? (isGeneric ? node.depends_on.nodes.at(-1) : undefined) ?? "";
    groups.set(id, [...(groups.get(id) ?? []), one]);
  }
  return groups;
}

/** As dbt-ol names jobs: commands that do several things say which one it is. */
const SUFFIXES: Record<string, [alone: string, within: string]> = {
  model: ["", ".build.run"],
  seed: [".seed", ".build.seed"],
  snapshot: [".snapshot", ".build.snapshot"],
  test: [".test", ".build.test"],
};
const ALONE = ["models", "seed", "snapshot", "test"];

function jobName({ project, command, ended }: Inside, node: ManifestNode, kind: string): string {
  const [alone, within] = SUFFIXES[kind] ?? ["", ""];
  const { schema, database } = node;
  const name = `${project}.${node.name}`;
  const suffix = ALONE.includes(command.command) ? alone : within;
  return `${tableName(ended.warehouse, { database, schema: schema ?? "", name })}${suffix}`;
}

const STATUS_ENDS: Record<string, JobRun["end"]> = { success: "COMPLETE", skipped: "ABORT" };

function builtRun(part: Part, answer: z.output<typeof built>): JobRun[] {
  const node = part.artifacts.nodes.get(answer.unique_id);
  if (node === undefined) return [];
  const { ended, artifacts } = part;
  const output = datasetOf(ended.warehouse, node, ended.lineage.ownersOf(node.unique_id));
  const isMade = answer.status === "success";
  const sql = artifacts.results.get(node.unique_id)?.sql;
  return [
    {
      ...commonRun(part, { id: node.unique_id, name: jobName(part, node, node.resource_type) }),
      end: STATUS_ENDS[answer.status] ?? "FAIL",
      ...errorOf({ message: answer.error ?? answer.reason }, "SQL"),
      jobFacets: {
        ...jobType(node.resource_type.toUpperCase()),
        ...nodeFacets(part, node),
        ...(sql == null ? {} : { sql: facet("sql", { query: sql, dialect: "duckdb" }) }),
      },
      inputs: inputsOf(part, node),
      outputs: [
        {
          ...output,
          ...(isMade && answer.rows !== null
            ? { outputFacets: { outputStatistics: facet("outputStatistics", { rowCount: answer.rows }) } }
            : {}),
        },
      ],
    },
  ];
}

function commonRun(part: Part, { id, name }: { id: string; name: string }) {
  const { command, ended, artifacts, namespace, runFacets, runIdOf } = part;
  const timing = artifacts.results.get(id);
  const startedAt = timing?.startedAt ?? ended.endedAt;
  return {
    runId: runIdOf(startedAt < command.startedAt ? command.startedAt : startedAt, name),
    job: { namespace, name },
    startedAt,
    endedAt: timing?.endedAt ?? startedAt,
    runFacets,
    outputs: [],
  };
}

function nodeFacets({ ended }: Part, { unique_id, original_file_path, description }: ManifestNode): Facets {
  const owners = ended.lineage.ownersOf(unique_id);
  return {
    ...(original_file_path === "" ? {} : { sourceCodeLocation: ended.sourceCode(original_file_path) }),
    ...(description === "" ? {} : { documentation: facet("documentation", { description }) }),
    ...(owners.length === 0 ? {} : { ownership: facet("ownership", { owners: ownersOf(owners) }) }),
  };
}

/** The tables that a node reads; through models that are no table, those that these read. */
function inputsOf(part: Part, { depends_on }: ManifestNode): InputDataset[] {
  const { artifacts, ended } = part;
  const found = new Map<string, InputDataset>();
  for (const id of depends_on.nodes) {
    const node = artifacts.nodes.get(id);
    if (node === undefined) continue;
    const inputs = node.relation_name == null ? inputsOf(part, node) : [datasetOf(ended.warehouse, node)];
    for (const input of inputs) found.set(input.name, input);
  }
  return [...found.values()];
}

/** The generic tests of one table, told together as what they say of it. */
function tableTestRun(part: Part, id: string, group: readonly Test[]): JobRun[] {
  const node = part.artifacts.nodes.get(id);
  const ran = group.filter(({ status }) => status !== "skipped");
  if (node === undefined || ran.every(({ reused }) => reused)) return [];
  const { ended, artifacts } = part;
  const assertions = ran.map((answer) => assertionOf(part, answer));
  const quality = ended.quality.find((one) => one.id === id);
  const facets: Facets = { dataQualityAssertions: facet("dataQualityAssertions", { assertions }) };
  if (quality !== undefined) facets.dataQualityMetrics = facet("dataQualityMetrics", metricsOf(quality));
  const bad = ran.filter(({ status }) => status === "fail" || status === "error");
  const times = ran.map(({ unique_id }) => artifacts.results.get(unique_id));
  const startedAt = times.flatMap((one) => one?.startedAt ?? []).sort(byTime)[0];
  const endedAt = times
    .flatMap((one) => one?.endedAt ?? [])
    .sort(byTime)
    .at(-1);
  return [
    {
      ...commonRun(part, { id: "", name: jobName(part, node, "test") }),
      ...(startedAt === undefined || endedAt === undefined ? {} : { startedAt, endedAt }),
      end: bad.length > 0 ? "FAIL" : "COMPLETE",
      ...errorOf(
        { message: bad.length === 0 ? null : bad.map((one) => textOf(part, one)).join("; ") },
        "SQL",
      ),
      jobFacets: jobType("TEST"),
      inputs: [{ ...datasetOf(ended.warehouse, node), inputFacets: facets }],
    },
  ];
}

function byTime(a: Date, b: Date): number {
  return a.getTime() - b.getTime();
}

function textOf({ artifacts }: Part, { unique_id, failures, error }: Test): string {
  const name = artifacts.nodes.get(unique_id)?.name ?? unique_id;
  return error ?? `${name}: ${failures ?? 0} rows`;
}

function assertionOf({ artifacts }: Part, { unique_id, status, failures }: Test): Record<string, unknown> {
  const node = artifacts.nodes.get(unique_id);
  const column = node?.column_name;
  return {
    assertion: node?.test_metadata?.name ?? unique_id,
    success: status === "pass",
    name: node?.name ?? unique_id,
    severity: status === "warn" ? "warn" : (node?.config.severity ?? "error").toLowerCase(),
    ...(column == null ? {} : { column }),
    ...(failures === null ? {} : { actual: String(failures), expected: "0" }),
  };
}

/** Counts of the shares that the tests' scans gave. */
function metricsOf({ rows, missing, duplicates }: Quality): Record<string, unknown> {
  const columns = new Map<string, Record<string, number>>();
  for (const [name, share] of Object.entries(missing))
    columns.set(name, { nullCount: Math.round(share * rows) });
  for (const [name, share] of Object.entries(duplicates)) {
    const metrics = columns.get(name) ?? {};
    const values = rows - (metrics.nullCount ?? 0);
    columns.set(name, { ...metrics, distinctCount: Math.round(values * (1 - share)) });
  }
  return { rowCount: rows, columnMetrics: Object.fromEntries(columns) };
}

const TEST_WORDS: Record<string, string> = { pass: "pass", skipped: "skip" };

/** A singular test or a unit test, told by itself. */
function ownTestRun(part: Part, answer: Test): JobRun[] {
  const node = part.artifacts.nodes.get(answer.unique_id);
  if (node === undefined || answer.reused) return [];
  const { status, failures } = answer;
  const isBad = status === "fail" || status === "error";
  const isUnit = node.resource_type === "unit_test";
  const execution = {
    name: node.name,
    status: TEST_WORDS[status] ?? "fail",
    severity: status === "warn" ? "warn" : (node.config.severity ?? "error").toLowerCase(),
    type: isUnit ? "unit_test" : "custom_sql",
    ...(node.description === "" ? {} : { description: node.description }),
    ...(failures === null ? {} : { actual: String(failures), expected: "0" }),
  };
  const common = commonRun(part, { id: node.unique_id, name: node.unique_id });
  const message = isBad ? textOf(part, answer) : status === "skipped" ? answer.reason : null;
  return [
    {
      ...common,
      runFacets: { ...common.runFacets },
      end: isBad ? "FAIL" : (STATUS_ENDS[status] ?? "COMPLETE"),
      endFacets: { ...errorOf({ message }, "SQL").endFacets, test: facet("test", { tests: [execution] }) },
      jobFacets: { ...jobType(isUnit ? "UNIT_TEST" : "TEST"), ...nodeFacets(part, node) },
      // A unit test reads rows that it brings along.
      inputs: isUnit ? [] : inputsOf(part, node),
    },
  ];
}
