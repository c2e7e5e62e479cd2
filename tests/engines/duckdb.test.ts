import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createContext } from "../../core/context.ts";
import { openDuckdb, openDuckdbReadOnly } from "../../engines/duckdb.ts";
import type { DuckdbTarget } from "../../engines/profiles.ts";
import { engineContract, type OpenEngine, opened } from "./contract.ts";

const TARGET: DuckdbTarget = {
  type: "duckdb",
  path: "data/w.duckdb",
  schema: "main",
  threads: 2,
  settings: {},
  /** Where the contract reads and writes files. */
  allowed_directories: ["shared"],
};
const RELEASES = ["release.duckdb", "a.duckdb", "b.duckdb"];
const open: OpenEngine = (ctx) =>
  openDuckdb(ctx, TARGET, {
    files: [],
    databases: RELEASES.map((file) => join(ctx.projectDir, file)),
  });

engineContract(open);

function temporaryContext() {
  const projectDir = mkdtempSync(join(tmpdir(), "sillon-duckdb-"));
  onTestFinished(() => rmSync(projectDir, { recursive: true, force: true }));
  return createContext({ projectDir, env: {}, sink: () => {} });
}

describe("a release", () => {
  test("is a file that another instance reads while the warehouse is open", async () => {
    const { ctx, engine, session, folder } = await opened(open);
    await engine.createSchemas(["marts"]);
    await session.replaceTable({ schema: "marts", name: "t" }, "select 1 as a");
    await session.replaceView({ schema: "marts", name: "v" }, "select a + 1 as a from marts.t");
    const file = join(folder, "release.duckdb");
    await engine.exportTo(file, [
      { schema: "marts", name: "t" },
      { schema: "marts", name: "v" },
    ]);
    const reader = await openDuckdbReadOnly(ctx, file);
    onTestFinished(() => reader.close());
    const rows = await (await reader.openSession()).query(
      "select a from marts.t union all select a from marts.v",
    );
    expect(rows.rows).toEqual([[1], [2]]);
    expect(await reader.relations()).toEqual(
      new Map([
        ["marts.t", "table"],
        ["marts.v", "table"],
      ]),
    );
  });

  test("that fails is let go of, and can be written again", async () => {
    const { engine, session, folder } = await opened(open);
    await session.replaceTable({ schema: "main", name: "t" }, "select 1 as a");
    const relations = [{ schema: "main", name: "t" }];
    const nowhere = [...relations, { schema: "main", name: "nowhere" }];
    await expect(engine.exportTo(join(folder, "a.duckdb"), nowhere)).rejects.toThrow("nowhere");
    await engine.exportTo(join(folder, "b.duckdb"), relations);
  });

  test("cannot be written to by a reader", async () => {
    const { ctx, engine, folder } = await opened(open);
    const file = join(folder, "release.duckdb");
    await engine.exportTo(file, []);
    const reader = await openDuckdbReadOnly(ctx, file);
    onTestFinished(() => reader.close());
    await expect((await reader.openSession()).run("create table t (a integer)")).rejects.toThrow("read-only");
  });
});

describe("opening", () => {
  test("a warehouse that another process holds names that process, for exit 3", async () => {
    const ctx = temporaryContext();
    (await openDuckdb(ctx, { ...TARGET, path: "w.duckdb" })).close();
    const script = `const { DuckDBInstance } = await import("@duckdb/node-api");
      globalThis.held = await DuckDBInstance.create(${JSON.stringify(join(ctx.projectDir, "w.duckdb"))});
      console.log("held"); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    await expect(openDuckdb(ctx, { ...TARGET, path: "w.duckdb" })).rejects.toMatchObject({
      code: "WAREHOUSE_HELD",
      exitCode: 3,
      why: [expect.stringMatching(new RegExp(`pid ${child.pid}\\b`))],
      hint: expect.stringContaining("latest.duckdb"),
    });
  });

  test("a file that is no database fails with exit 4 and leaves it as it is", async () => {
    const ctx = temporaryContext();
    const file = join(ctx.projectDir, "w.duckdb");
    writeFileSync(file, "not a database ".repeat(1000));
    await expect(openDuckdb(ctx, { ...TARGET, path: "w.duckdb" })).rejects.toMatchObject({
      code: "WAREHOUSE_DAMAGED",
      exitCode: 4,
      where: file,
    });
    expect(readFileSync(file, "utf8")).toBe("not a database ".repeat(1000));
  });

  test.each([
    [{ path: "file/w.duckdb" }, "WAREHOUSE_UNREADABLE", 4],
    [{ path: "." }, "WAREHOUSE_UNREADABLE", 4],
    [{ settings: { nonsense: "1" } }, "SETTING_INVALID", 2],
    [{ memory_limit: "lots" }, "SETTING_INVALID", 2],
  ])("with %j fails as %s", async (change, code, exitCode) => {
    const ctx = temporaryContext();
    writeFileSync(join(ctx.projectDir, "file"), "");
    await expect(openDuckdb(ctx, { ...TARGET, ...change })).rejects.toMatchObject({
      code,
      exitCode,
      hint: expect.stringMatching(/./),
    });
  });

  test("takes the profile's memory limit and settings", async () => {
    const ctx = temporaryContext();
    const engine = await openDuckdb(ctx, { ...TARGET, memory_limit: "1GiB", settings: { threads: "1" } });
    onTestFinished(() => engine.close());
    const session = await engine.openSession();
    const { rows } = await session.query(
      "select current_setting('memory_limit'), current_setting('threads')",
    );
    expect(rows).toEqual([["1.0 GiB", "1"]]);
  });

  test("in memory needs no file", async () => {
    const engine = await openDuckdb(temporaryContext(), { ...TARGET, path: ":memory:" });
    onTestFinished(() => engine.close());
    await engine.createSchemas(["marts"]);
    await (await engine.openSession()).replaceTable({ schema: "marts", name: "t" }, "select 1 as a");
    expect([...(await engine.relations()).keys()]).toEqual(["marts.t"]);
  });
});

describe("settings of a profile", () => {
  async function asked(settings: Record<string, string>, sql: string): Promise<unknown> {
    const engine = await openDuckdb(temporaryContext(), { ...TARGET, settings });
    onTestFinished(() => engine.close());
    return (await (await engine.openSession()).query(sql)).rows;
  }

  test("that belong to an extension, such as the time zone, hold in every session", async () => {
    const sql = "select current_setting('TimeZone'), cast(timestamptz '2026-01-01 23:30:00+00' as date)";
    expect(await asked({ TimeZone: "Europe/Paris", default_null_order: "nulls_first" }, sql)).toEqual([
      ["Europe/Paris", "2026-01-02"],
    ]);
    expect(await asked({}, sql)).toEqual([["UTC", "2026-01-01"]]);
  });

  test("with a wrong value name the setting", async () => {
    await expect(asked({ TimeZone: "Europe/Pariss" }, "select 1")).rejects.toMatchObject({
      code: "SETTING_INVALID",
      message: 'DuckDB refuses the setting TimeZone: "Europe/Pariss"',
    });
  });
});
