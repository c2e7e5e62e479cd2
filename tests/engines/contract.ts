import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Context, createContext } from "../../core/context.ts";
import { type Engine, type Session, SqlError, type Value } from "../../engines/engine.ts";
import { packRows } from "../../engines/packed-rows.ts";

export type OpenEngine = (ctx: Context) => Promise<Engine>;

interface Opened {
  ctx: Context;
  folder: string;
  engine: Engine;
  session: Session;
  abort: AbortController;
}

export async function opened(open: OpenEngine): Promise<Opened> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-engine-"));
  const abort = new AbortController();
  const ctx = createContext({ projectDir: folder, env: {}, sink: () => {}, signal: abort.signal });
  const engine = await open(ctx);
  onTestFinished(() => {
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { ctx, folder, engine, abort, session: await engine.openSession() };
}

async function firstValue(session: Session, sql: string): Promise<Value | undefined> {
  return (await session.query(sql)).rows[0]?.[0];
}

/** The promises that every engine keeps. */
export function engineContract(open: OpenEngine): void {
  describe("values", () => {
    test.each<[string, Value]>([
      ["1", 1],
      ["cast(9007199254740993 as bigint)", "9007199254740993"],
      [
        "cast('123456789012345678901234567890.12345678' as decimal(38, 8))",
        "123456789012345678901234567890.12345678",
      ],
      ["cast(0.1 as double)", 0.1],
      ["timestamp '2024-02-29 23:59:59.123456'", "2024-02-29 23:59:59.123456"],
      ["date '0001-01-01'", "0001-01-01"],
      ["cast(null as integer)", null],
      ["true", true],
      ["'it''s é 😀'", "it's é 😀"],
      ["array[1, null, 3]", [1, null, 3]],
      ["array[array['a'], array[]]", [["a"], []]],
    ])("of %s arrive whole", async (sql, value) => {
      const { session } = await opened(open);
      expect(await firstValue(session, `select ${sql}`)).toEqual(value);
    });

    test("of a query of numbers arrive in columns, a null as NaN", async () => {
      const { session } = await opened(open);
      const sql =
        "select i as a, case when i = 2 then null else i / 2.0 end as b from range(5000) as t (i) order by i";
      const [a = [], b = []] = await session.queryNumbers(sql);
      expect([a.length, a[4999], b[1], b[2], b[4999]]).toEqual([5000, 4999, 0.5, Number.NaN, 2499.5]);
      expect((await session.queryNumbers("select 1 as a where false")).map(({ length }) => length)).toEqual([
        0,
      ]);
    });

    test.each(["it's", "\0", "a\0b", "'\0'; drop table x; --\0\0"])(
      "given as the literal %j are data",
      async (text) => {
        const { engine, session } = await opened(open);
        expect(await firstValue(session, `select ${engine.literal(text)}`)).toBe(text);
      },
    );

    test("are not cut: a statement with a NUL is refused", async () => {
      const { session } = await opened(open);
      const thrown = await session.query("select 1 \0 from nowhere").catch((error: unknown) => error);
      expect(thrown).toBeInstanceOf(SqlError);
      expect(thrown).toMatchObject({ message: "it holds a NUL character: write chr(0)", offset: 9 });
    });

    test("given as parameters are data", async () => {
      const { session } = await opened(open);
      const rows = await session.query("select ?, ?, ?", ["'; drop table x; --", 5, null]);
      expect(rows.rows).toEqual([["'; drop table x; --", 5, null]]);
    });

    test("landed as text come back to the byte", async () => {
      const { session } = await opened(open);
      const texts = [
        "",
        "a\u0000b",
        "\u001e",
        "\u001f",
        '{"n": 1e400, "big": 12345678901234567890}',
        "😀",
        "x".repeat(1_000_000),
        null,
      ];
      const name = await session.createLandingTable("landing", { id: "integer", record: "text" });
      const rows = texts.map((text, index) => packRows([[index], [text]]));
      await session.land(name, rows);
      const landed = await session.query(`select record from ${name} order by id`);
      expect(landed.rows.map(([text]) => text)).toEqual(texts);
    });

    test("land in any number", async () => {
      const { session } = await opened(open);
      const name = await session.createLandingTable("landing", { id: "integer" });
      const ids = Array.from({ length: 5000 }, (_, index) => index);
      await session.land(name, [packRows([ids])]);
      await session.land(name, [packRows([[]])]);
      await session.land(name, []);
      expect(await firstValue(session, `select cast(sum(id) as integer) from ${name}`)).toBe(12_497_500);
    });
  });

  describe("the time zone is UTC", () => {
    test("whatever the machine's is", async () => {
      const { session } = await opened(open);
      const sql = "select cast(timestamp with time zone '2024-07-01 12:00:00+02' as varchar)";
      expect(await firstValue(session, sql)).toContain("2024-07-01 10:00:00");
    });
  });

  describe("a transaction", () => {
    test("keeps nothing of what fails, and the session goes on", async () => {
      const { session } = await opened(open);
      await session.run("create table t (a integer)");
      const work = session.transaction(async () => {
        await session.run("insert into t values (1)");
        await session.run("insert into nowhere values (1)");
      });
      await expect(work).rejects.toBeInstanceOf(SqlError);
      expect(await firstValue(session, "select cast(count(*) as integer) from t")).toBe(0);
      expect(await session.run("insert into t values (2), (3)")).toBe(2);
    });

    test("keeps nothing when the work around it throws", async () => {
      const { session } = await opened(open);
      await session.run("create table t (a integer)");
      const work = session.transaction(async () => {
        await session.run("insert into t values (1)");
        throw new Error("no luck");
      });
      await expect(work).rejects.toThrow("no luck");
      expect(await firstValue(session, "select cast(count(*) as integer) from t")).toBe(0);
    });
  });

  describe("a transaction inside another", () => {
    test("is part of it", async () => {
      const { session } = await opened(open);
      await session.run("create table t (a integer)");
      const work = session.transaction(async () => {
        await session.transaction(() => session.run("insert into t values (1)"));
        throw new Error("no luck");
      });
      await expect(work).rejects.toThrow("no luck");
      expect(await firstValue(session, "select cast(count(*) as integer) from t")).toBe(0);
      await session.transaction(() => session.run("insert into t values (2)"));
      expect(await firstValue(session, "select a from t")).toBe(2);
    });
  });

  describe("staged rows", () => {
    const relation = { schema: "main", name: "Odd name" };
    const rows = async (session: Session) =>
      (await session.query('select * from main."Odd name" order by 1, 2')).rows;
    const start = async () => {
      const { engine, session } = await opened(open);
      await session.replaceTable(relation, `select 1 as "a b", 'old' as c union all select null, 'old'`);
      const staged = await session.stageRows(`select 2 as "a b", 'new' as c union all select null, 'new'`);
      return { engine, session, staged };
    };
    const match = { keys: ["a b"], predicates: [] };

    test("say what they hold, and are seen by their session alone", async () => {
      const { engine, session, staged } = await start();
      expect(staged.columns).toEqual([
        { name: "a b", type: "INTEGER" },
        { name: "c", type: "VARCHAR" },
      ]);
      expect([...(await engine.relations()).keys()]).toEqual(["main.odd name"]);
      await expect((await engine.openSession()).query(`select * from ${staged.table}`)).rejects.toThrow();
      await session.dropStaged();
      await expect(session.query(`select * from ${staged.table}`)).rejects.toThrow();
    });

    test("replace the rows of their keys, nulls as well", async () => {
      const { session } = await start();
      expect(await session.deleteStaged(relation, match)).toBe(1);
      expect(await session.insertStaged(relation, ["a b", "c"])).toBe(2);
      expect(await rows(session)).toEqual([
        [1, "old"],
        [2, "new"],
        [null, "new"],
      ]);
    });

    test("are merged by their keys", async () => {
      const { session } = await start();
      expect(await session.mergeStaged(relation, { ...match, columns: ["a b", "c"], update: ["c"] })).toBe(2);
      expect(await rows(session)).toEqual([
        [1, "old"],
        [2, "new"],
        [null, "new"],
      ]);
    });

    test("whose change fails say nothing of a place that nobody wrote", async () => {
      const { session } = await start();
      await expect(session.insertStaged(relation, ["nope"])).rejects.toMatchObject({
        name: "SqlError",
        offset: undefined,
      });
      const work = session.deleteStaged(relation, { ...match, predicates: ["nope = 1"] });
      await expect(work).rejects.toMatchObject({ name: "SqlError", offset: undefined });
    });
  });

  describe("a table", () => {
    const relation = { schema: "main", name: "t" };

    test("changes its columns", async () => {
      const { session } = await opened(open);
      await session.replaceTable(relation, "select 1 as a, 'x' as b");
      await session.alterTable(relation, {
        add: [{ name: "c d", type: "DATE" }],
        drop: ["b"],
        retype: [{ name: "a", type: "BIGINT" }],
      });
      expect(await session.columnsOf(relation)).toEqual([
        { name: "a", type: "BIGINT" },
        { name: "c d", type: "DATE" },
      ]);
    });

    test("is created with declared columns, which its query fills by name", async () => {
      const { session } = await opened(open);
      const definition = {
        columns: [
          { name: "a", type: "BIGINT", constraints: ["not null"] },
          { name: "b", type: "VARCHAR", constraints: [] },
        ],
        constraints: ["unique (b)"],
      };
      expect(await session.replaceTable(relation, "select 'x' as b, 1 as a", definition)).toBe(1);
      const work = session.replaceTable(relation, "select 'x' as b, null as a", definition);
      await expect(work).rejects.toThrow("NOT NULL");
      expect((await session.query("select * from main.t")).rows).toEqual([["1", "x"]]);
      const wrong = session.replaceTable(relation, "select 'é' as b,\n  nope as a", definition);
      await expect(wrong).rejects.toMatchObject({ name: "SqlError", offset: 19 });
    });
  });

  describe("a relation", () => {
    const relation = { schema: "main", name: "Odd name" };
    const table = 'main."Odd name"';

    test("changes from table to view and back", async () => {
      const { engine, session } = await opened(open);
      expect(await session.replaceTable(relation, "select 1 as a union all select 2")).toBe(2);
      await session.replaceView(relation, "select 3 as a");
      expect((await engine.relations()).get("main.odd name")).toBe("view");
      expect(await session.replaceTable(relation, "select 4 as a where false")).toBe(0);
      expect((await engine.relations()).get("main.odd name")).toBe("table");
    });

    test("changes its kind also when its name is written in another case", async () => {
      const { engine, session } = await opened(open);
      await session.replaceView({ schema: "MAIN", name: "T" }, "select 1 as a");
      await session.replaceTable({ schema: "main", name: "t" }, "select 2 as a");
      expect((await engine.relations()).get("main.t")).toBe("table");
    });

    test("stays as it was when its new query fails", async () => {
      const { session } = await opened(open);
      await session.replaceTable(relation, "select 1 as a");
      await expect(session.replaceTable(relation, "select cast('x' as integer) as a")).rejects.toThrow();
      await expect(session.replaceView(relation, "select nope")).rejects.toThrow();
      expect(await firstValue(session, `select a from ${table}`)).toBe(1);
    });

    test("is for another session the old or the new one, never missing and never empty", async () => {
      const { engine, session } = await opened(open);
      const reader = await engine.openSession();
      await session.replaceTable(relation, "select 0 as version from generate_series(1, 100)");
      let isDone = false;
      const writing = (async () => {
        for (let version = 1; version <= 20; version++) {
          const query = `select ${version} as version from generate_series(1, 100)`;
          if (version % 4 === 0) await session.replaceView(relation, query);
          else await session.replaceTable(relation, query);
        }
        isDone = true;
      })();
      const seen: unknown[] = [];
      while (!isDone) {
        const { rows } = await reader.query(`select count(*), min(version) = max(version) from ${table}`);
        seen.push(JSON.stringify(rows[0]));
      }
      await writing;
      expect([...new Set(seen)]).toEqual(['["100",true]']);
    });
  });

  describe("model SQL", () => {
    test.each([
      ["reads a file", "select * from read_text('/etc/passwd')"],
      ["reads a file by its name alone", "select * from '/etc/passwd'"],
      ["goes up from the project", "select * from read_text('FOLDER/../outside.txt')"],
      ["lists a folder", "select * from glob('/etc/*')"],
      ["writes a file", "copy (select 1) to '/tmp/sillon-outside.csv'"],
      ["attaches a database", "attach '/tmp/sillon-outside.duckdb' as outside"],
      ["exports the database", "export database '/tmp/sillon-outside'"],
      ["installs an extension", "install httpfs"],
      ["reads from the network", "select * from read_csv('http://127.0.0.1:9/x.csv')"],
      ["opens what is closed", "set enable_external_access = true"],
      ["allows itself more folders", "set allowed_directories = ['/']"],
      ["changes the time zone for others", "set global timezone = 'Asia/Tokyo'"],
    ])("that %s is refused", async (_, sql) => {
      const { session, folder } = await opened(open);
      await expect(session.query(sql.replace("FOLDER", folder))).rejects.toBeInstanceOf(SqlError);
      expect(existsSync("/tmp/sillon-outside.csv")).toBe(false);
      expect(existsSync("/tmp/sillon-outside.duckdb")).toBe(false);
    });

    test.each(["read_text('FOLDER/profiles.yml')", "glob('FOLDER/*')", "read_blob('FOLDER/data/state.db')"])(
      "reaches no file of the project: %s",
      async (call) => {
        const { session, folder } = await opened(open);
        writeFileSync(join(folder, "profiles.yml"), "secret: 1\n");
        const query = session.query(`select * from ${call.replace("FOLDER", folder)}`);
        await expect(query).rejects.toThrow("Cannot access file");
      },
    );

    test("may read and write what the profile allows", async () => {
      const { session, folder } = await opened(open);
      mkdirSync(join(folder, "shared"));
      writeFileSync(join(folder, "shared/rows.csv"), "a\n1\n2\n");
      const rows = await session.query(`select a from read_csv('${folder}/shared/rows.csv') order by a`);
      await session.run(`copy (select 1) to '${folder}/shared/out.csv'`);
      expect(rows.rows).toEqual([["1"], ["2"]]);
      expect(existsSync(join(folder, "shared/out.csv"))).toBe(true);
    });

    test("does not follow a link that leads out of what is allowed", async () => {
      const { session, folder } = await opened(open);
      mkdirSync(join(folder, "shared"));
      symlinkSync("/etc", join(folder, "shared/link"));
      await expect(
        session.query(`select * from read_text('${folder}/shared/link/passwd')`),
      ).rejects.toThrow();
    });
  });

  describe("an error", () => {
    test.each([
      ["select nope", 7],
      ["select 'é', nope from (select 1 as a) as t", 12],
      ["select '😀' as x, nope", 18],
      ["-- 日本\nselect\n  nope", 15],
      ["select * from nowhere", 14],
      ["select 1 +", 10],
    ])("in %j points at character %i", async (sql, offset) => {
      const { session } = await opened(open);
      await expect(session.query(sql)).rejects.toMatchObject({ name: "SqlError", offset });
    });

    test("of a query that builds a relation points into that query", async () => {
      const { session } = await opened(open);
      for (const replace of ["replaceTable", "replaceView"] as const) {
        const work = session[replace]({ schema: "main", name: "t" }, "select 'é' as a,\n  nope");
        await expect(work).rejects.toMatchObject({ name: "SqlError", offset: 19 });
      }
    });

    test("of a query that ends too early points at its end", async () => {
      const { session } = await opened(open);
      const work = session.replaceTable({ schema: "main", name: "t" }, "-- nothing");
      await expect(work).rejects.toMatchObject({ name: "SqlError", offset: 10 });
    });
  });

  describe("an abort", () => {
    const endless =
      "select count(*) from generate_series(1, 3000000) as a(x), generate_series(1, 100000) as b(y) where x * y % 7 = 3";

    test("ends a running query and refuses new ones", async () => {
      const { session, abort } = await opened(open);
      const running = session.query(endless);
      abort.abort(new Error("stopped"));
      await expect(running).rejects.toThrow("stopped");
      await expect(session.query("select 1")).rejects.toThrow("stopped");
    });

    test("leaves a table that is being replaced as it was", async () => {
      const { ctx, engine, session, abort } = await opened(open);
      await session.replaceTable({ schema: "main", name: "t" }, "select 1 as a");
      const running = session.replaceTable({ schema: "main", name: "t" }, endless);
      abort.abort(new Error("stopped"));
      await expect(running).rejects.toThrow("stopped");
      engine.close();
      const again = await open({ ...ctx, signal: new AbortController().signal });
      onTestFinished(() => again.close());
      expect(await firstValue(await again.openSession(), "select a from main.t")).toBe(1);
    });
  });
}
