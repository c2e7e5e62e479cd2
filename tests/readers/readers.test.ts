import { spawnSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { copyProject, ROOT, run, temporaryFolder } from "../e2e/cli.ts";

/** The bin folder of a Python environment with tests/readers/requirements.txt, which .ci/run makes. */
const { READERS_BIN } = process.env;
const PYTHON = READERS_BIN === undefined ? "" : join(READERS_BIN, "python");
const hasReaders = existsSync(PYTHON);
const REASON = "READERS_BIN names no Python with tests/readers/requirements.txt";

beforeAll(() => {
  if (!hasReaders) console.warn(`skipped: ${REASON}`);
});

function copyFixture(name: string): string {
  const cwd = temporaryFolder();
  cpSync(join(ROOT, "tests/fixtures", name), cwd, { recursive: true });
  return cwd;
}

/** What dbt-artifacts-parser read of target/, by artifact; its models refuse unknown keys and wrong types. */
function readStrictly(cwd: string): string[] {
  const script = join(ROOT, "tests/readers/read_artifacts.py");
  const { stdout, stderr } = spawnSync(PYTHON, [script, join(cwd, "target")], { encoding: "utf8" });
  expect(stderr).toBe("");
  return Object.keys(JSON.parse(stdout)).sort();
}

interface Dataset {
  namespace: string;
  name: string;
  inputFacets?: { dataQualityAssertions?: { assertions: { assertion: string; success: boolean }[] } };
  outputFacets?: { outputStatistics?: { rowCount: number } };
  facets: { schema?: { fields: { name: string; type: string }[] } };
}

interface RunEvent {
  eventType: string;
  job: { name: string };
  inputs?: Dataset[];
  outputs?: Dataset[];
}

/** The events that `dbt-ol send-events` makes of target/, of work that was completed. */
function lineageOf(cwd: string): RunEvent[] {
  const file = join(cwd, "events.jsonl");
  const env = {
    ...process.env,
    OPENLINEAGE__TRANSPORT__TYPE: "file",
    OPENLINEAGE__TRANSPORT__LOG_FILE_PATH: file,
    OPENLINEAGE__TRANSPORT__APPEND: "true",
  };
  const script = join(READERS_BIN ?? "", "dbt-ol");
  const { status, stderr } = spawnSync(PYTHON, [script, "send-events"], { cwd, env, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  const events = readFileSync(file, "utf8").trim().split("\n");
  return events
    .map((line) => JSON.parse(line) as RunEvent)
    .filter(({ eventType }) => eventType === "COMPLETE");
}

/** Each leaves another set of artifacts, or artifacts of another kind. */
const READ_AFTER = ["compile", "snapshot", "test", "docs"];

const names = (datasets: Dataset[] = []) => datasets.map(({ name }) => name).sort();

describe.skipIf(!hasReaders)("readers of dbt's artifacts", { timeout: 240_000 }, () => {
  test.each(["jaffle-shop", "wares"])(
    "dbt-artifacts-parser reads strictly what every command leaves of %s",
    async (name) => {
      const cwd = copyFixture(name);
      const commands = [
        ["compile"],
        ["seed"],
        ["snapshot", "--allow-empty-selection"],
        ["models"],
        ["test"],
        ["freshness"],
        ["docs", "generate", "--no-compile"],
        ["docs", "generate"],
      ];
      const read = new Set<string>();
      for (const command of commands) {
        const { exitCode, stderr } = await run(command, { cwd });
        expect(exitCode === 0 || command[0] === "freshness", stderr).toBe(true);
        if (READ_AFTER.includes(command[0] ?? ""))
          for (const artifact of readStrictly(cwd)) read.add(artifact);
      }
      const sources = name === "wares" ? ["sources.json"] : [];
      expect([...read]).toEqual(
        expect.arrayContaining(["catalog.json", "manifest.json", "run_results.json", ...sources]),
      );
    },
  );

  test("dbt-artifacts-parser reads strictly what the pipeline leaves", async () => {
    const api = await startApi({ seed: 1, users: 20, tracks: 20, plays: 200 });
    try {
      const cwd = copyProject();
      const env = { MOOVITAMIX_URL: api.url };
      expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
      expect(await run(["docs", "generate"], { cwd, env })).toMatchObject({ exitCode: 0 });
      expect(readStrictly(cwd)).toEqual(["catalog.json", "manifest.json", "run_results.json"]);
    } finally {
      await api.stop();
    }
  });

  test("OpenLineage's dbt-ol finds what models read and write, and the tests of a table", async () => {
    const cwd = copyFixture("wares");
    for (const command of [["seed"], ["models"], ["docs", "generate"], ["models"]])
      expect(await run(command, { cwd })).toMatchObject({ exitCode: 0 });
    const built = lineageOf(cwd).find(({ job }) => job.name === "wares.dev_marts.wares.daily_orders");
    expect(built?.inputs).toMatchObject([
      { namespace: "duckdb://wares.duckdb", name: "wares.dev.stg_orders" },
    ]);
    expect(names(built?.outputs)).toEqual(["wares.dev_marts.daily_orders"]);
    expect(built?.outputs?.[0]?.outputFacets?.outputStatistics).toMatchObject({ rowCount: 9 });
    expect(built?.outputs?.[0]?.facets.schema?.fields).toMatchObject([
      { name: "ordered_at", type: "TIMESTAMP" },
      { name: "amount", type: "BIGINT" },
    ]);
    expect(await run(["test", "--select", "stg_orders"], { cwd })).toMatchObject({ exitCode: 0 });
    const tested = lineageOf(cwd).find(({ job }) => job.name === "wares.dev.wares.stg_orders.test");
    const [input] = tested?.inputs ?? [];
    expect(input?.name).toBe("wares.dev.stg_orders");
    const checked = input?.inputFacets?.dataQualityAssertions?.assertions.map((one) => one.assertion).sort();
    // dbt-ol counts a test of two tables to the first that it names, here the seed.
    expect(checked).toEqual(["above_length", "not_null", "unique"]);
  });

  test("OpenLineage's client reads strictly what the pipeline tells", async () => {
    const api = await startApi({ seed: 1, users: 20, tracks: 20, plays: 200 });
    try {
      const cwd = copyProject();
      const file = join(cwd, "events.ndjson");
      const env = {
        MOOVITAMIX_URL: api.url,
        OPENLINEAGE__TRANSPORT__TYPE: "file",
        OPENLINEAGE__TRANSPORT__LOG_FILE_PATH: file,
      };
      writeFileSync(join(cwd, "models/marts/dim_dates.sql"), "select no_such_column\n");
      expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 1 });
      const script = join(ROOT, "tests/readers/read_lineage.py");
      const { stdout, stderr } = spawnSync(PYTHON, [script, file], { encoding: "utf8" });
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toEqual(
        expect.arrayContaining([
          "dataQualityAssertions",
          "errorMessage",
          "outputStatistics",
          "parent",
          "schema",
          "sql",
        ]),
      );
    } finally {
      await api.stop();
    }
  });
});
