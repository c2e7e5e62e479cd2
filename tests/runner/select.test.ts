import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { writeManifest } from "../../artifacts/manifest.ts";
import { duckdbDialect } from "../../engines/duckdb-sql.ts";
import { loadGraph } from "../../runner/graph/load.ts";
import type { Graph } from "../../runner/graph/nodes.ts";
import type { FormerRun } from "../../runner/select/methods.ts";
import { dependsOnFormerRun, selectNodes } from "../../runner/select/select.ts";
import { loadSelectors } from "../../runner/select/selectors-file.ts";
import { compareStates, openFormerRun } from "../../runner/select/state.ts";
import { manifestContent, presentState } from "../../runner/to-artifacts/manifest.ts";
import { mistakesOf } from "./project.ts";
import { FORMER_STATUSES, FORMERLY, SELECTIONS, SELECTORS, SHORT, shop } from "./selection-table.ts";

const graph = (): Graph => shop().scope().graph;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sillon-state-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with artifacts of a run in another target, in which the project was another. */
function formerTarget(): string {
  const folder = temporaryFolder();
  const { ctx, scope } = shop(FORMERLY);
  const { project, target, ...rest } = scope();
  const former = loadGraph(ctx, project, { dialect: duckdbDialect, targetSchema: "production" });
  const place = { ...target, name: "prod", database: "prod", schema: "production" };
  writeManifest(ctx, folder, manifestContent({ ...rest, project, graph: former, target: place }, new Map()));
  const results = Object.entries(FORMER_STATUSES).map(([unique_id, status]) => ({ unique_id, status }));
  writeFileSync(join(folder, "run_results.json"), JSON.stringify({ results }));
  writeLoads(folder, { users: "2026-01-01T00:00:00Z", plays: "2026-01-01T00:00:00Z" });
  return folder;
}

function writeLoads(folder: string, times: Record<string, string>): void {
  const results = Object.entries(times).map(([name, max_loaded_at]) => ({
    unique_id: `source.shop.api.${name}`,
    max_loaded_at,
  }));
  writeFileSync(join(folder, "sources.json"), JSON.stringify({ results }));
}

function formerRun(): FormerRun {
  const target = temporaryFolder();
  writeLoads(target, { users: "2026-01-02T00:00:00Z", plays: "2026-01-01T00:00:00+00:00" });
  return openFormerRun(formerTarget(), { state: () => presentState(shop().scope()), target });
}

test.each(SELECTIONS)("%o", (options, names) => {
  const project = shop({ "selectors.yml": SELECTORS });
  const { nodes } = project.scope().graph;
  const sources = { selectors: loadSelectors(project.ctx), former: formerRun() };
  const chosen = [...selectNodes(project.scope().graph, options, sources)].map(
    (id) => nodes.get(id)?.name ?? id,
  );
  const short = chosen.map((name) => SHORT[name] ?? name);
  expect(short.sort().join(" ")).toBe(names);
});

test("a selection may hold every node of the table's hundred", () => {
  expect(SELECTIONS.length).toBeGreaterThan(100);
});

describe("names what is near when nothing matches:", () => {
  test.each([
    ["dim_user", '"dim_user" matches nothing', "nearest names: dim_users"],
    ["mart", '"mart" matches nothing', "nearest names: marts"],
    ["tag:nightli", '"tag:nightli" matches nothing', "nearest names: nightly"],
    ["+tag:nightli+2", '"+tag:nightli+2" matches nothing', "nearest names: nightly"],
    ["models/mrts", '"models/mrts" matches nothing', "nearest names: models/marts"],
    ["file:reprt.sql", '"file:reprt.sql" matches nothing', "nearest names: report.sql"],
    ["source:apy.users", '"source:apy.users" matches nothing', "nearest names: api.users"],
    ["resource_type:models", 'unknown value "models"', "nearest names: model"],
    ["test_type:singlar", 'unknown value "singlar"', "nearest names: singular"],
    ["users", '"users" matches nothing', "nearest names: .*source:api.users"],
    ["exposure:board", '"exposure:board" matches nothing', undefined],
    ["config:view", 'unknown method "config:"', "nearest names: config.KEY"],
    ["config.materialized:vieww", '"config.materialized:vieww" matches nothing', "nearest names: view"],
    ["state:modified", "compares with a former run, and none is given", undefined],
    ["result:error", "compares with a former run, and none is given", undefined],
    ["state:changed", 'unknown value "changed"', undefined],
    ["result:failed", 'unknown value "failed"', "nearest names: fail"],
    ["selector:nope", 'no selector "nope"', undefined],
    ["test_name:uniqe", '"test_name:uniqe" matches nothing', "nearest names: unique"],
    ["tagg:nightly", 'unknown method "tagg:"', "nearest names: tag"],
    ["constructor:x", 'unknown method "constructor:"', undefined],
    ["@dim_users+", '"@dim_users+" has both @ and a +', undefined],
    ["lonely,marts", '"lonely,marts" matches nothing', undefined],
    ["+", '"+" matches nothing', undefined],
    ["(", '"(" matches nothing', undefined],
    ["[", '"[" matches nothing', undefined],
  ])("%s", (select, message, near) => {
    const [error, ...others] = mistakesOf(() => selectNodes(graph(), { select: [select] }));
    expect(others).toEqual([]);
    expect(error).toMatchObject({ where: "--select", exitCode: 2 });
    expect(error?.message).toContain(message);
    if (near !== undefined) expect(error?.why[0]).toMatch(new RegExp(`^${near}\\b`));
    expect(error?.hint).toBeTruthy();
  });

  test("each criterion of --select and --exclude", () => {
    const options = { select: ["dim_user", "marts"], exclude: ["nope tag:pi"] };
    const errors = mistakesOf(() => selectNodes(graph(), options));
    expect(errors.map(({ where, message }) => [where, message])).toEqual([
      ["--select", '"dim_user" matches nothing'],
      ["--exclude", '"nope" matches nothing'],
      ["--exclude", '"tag:pi" matches nothing'],
    ]);
  });
});

describe("selectors.yml", () => {
  const load = (text: string) => loadSelectors(shop({ "selectors.yml": text }).ctx);
  const one = (definition: string) => `selectors:\n  - name: a\n    definition: ${definition}\n`;

  test("has a default that holds when nothing else is said", () => {
    const selectors = load(
      "selectors: [{name: a, default: true, definition: lonely}, {name: b, definition: report}]",
    );
    const chosen = (options: object) => [...selectNodes(graph(), options, { selectors })];
    expect(chosen({})).toEqual(["model.shop.lonely"]);
    expect(chosen({ select: ["stg_plays"] })).toEqual(["model.shop.stg_plays"]);
    expect(chosen({ exclude: ["lonely"] })).toHaveLength(11);
    expect(chosen({ selector: "b" })).toHaveLength(2);
  });

  test.each([
    ["selectors: [{name: a}]", "selectors.yml:1:13", '"definition" is missing'],
    ["selectors: [{name: a, defalt: true, definition: x}]", "selectors.yml:1:23", 'unknown key "defalt"'],
    [one("5"), "selectors.yml:3:17", "a definition is a text or a map"],
    [one("{tag: x, path: y}"), "selectors.yml:3:17", "found the keys tag, path"],
    [one("{tagg: x}"), "selectors.yml:3:24", 'unknown method "tagg:"'],
    [one("{method: tag}"), "selectors.yml:3:17", '"value" is wrong'],
    [one("{method: tag, value: x, parent: true}"), "selectors.yml:3:41", 'unknown key "parent"'],
    [
      one("{method: tag, value: x, indirect_selection: lazy}"),
      "selectors.yml:3:61",
      '"indirect_selection" is wrong',
    ],
    [one("{union: lonely}"), "selectors.yml:3:18", '"union" has to be a list'],
    [one("{union: [a, {exclude: [b]}, {exclude: [c]}]}"), "selectors.yml:3:45", '"union" has two exclude'],
    [one("{union: [a, {exclude: b}]}"), "selectors.yml:3:30", '"exclude" has to be a list'],
    [one("{exclude: [a]}"), "selectors.yml:3:17", "exclude stands beside other parts"],
    [one("'@a+'"), "selectors.yml:3:17", "both @ and a +"],
    [one("{method: state, value: changed}"), "selectors.yml:3:17", 'unknown value "changed"'],
    [one("{method: selector, value: b}"), "selectors.yml:3:17", 'no selector "b"'],
    [
      "selectors: [{name: a, definition: x}, {name: a, definition: y}]",
      "selectors.yml:1:46",
      'selector "a" is defined twice',
    ],
    [
      "selectors: [{name: a, default: true, definition: x}, {name: b, default: true, definition: y}]",
      "selectors.yml:1:64",
      "two selectors are the default",
    ],
  ])("with the mistake %s says where", (text, where, message) => {
    const [error, ...others] = mistakesOf(() => load(text));
    expect(others).toEqual([]);
    expect(error).toMatchObject({ where, exitCode: 2 });
    expect(error?.message).toContain(message);
    expect(error?.hint).toBeTruthy();
  });

  test("may not name itself", () => {
    const selectors = load(
      "selectors: [{name: a, definition: 'selector:b'}, {name: b, definition: 'selector:a'}]",
    );
    const [error] = mistakesOf(() => selectNodes(graph(), { selector: "a" }, { selectors }));
    expect(error).toMatchObject({ code: "SELECTION_INVALID", exitCode: 2 });
    expect(error?.why).toEqual(["b -> a -> b"]);
  });

  test("is not mixed with --select, and its names are near", () => {
    const selectors = load(one("x"));
    const both = mistakesOf(() => selectNodes(graph(), { selector: "a", select: ["lonely"] }, { selectors }));
    expect(both[0]?.message).toBe("--selector goes with neither --select nor --exclude");
    const [unknown] = mistakesOf(() => selectNodes(graph(), { selector: "ab" }, { selectors }));
    expect(unknown).toMatchObject({ message: 'no selector "ab"', where: "--selector" });
    expect(unknown?.why).toEqual(["nearest names: a"]);
  });
});

describe("--state", () => {
  const select = (folder: string, criterion: string) =>
    mistakesOf(() =>
      selectNodes(
        graph(),
        { select: [criterion] },
        { former: openFormerRun(folder, { state: () => presentState(shop().scope()), target: folder }) },
      ),
    );

  test.each(["state:new", "result:error", "source_status:fresher"])(
    "without the artifact that %s reads is exit 2",
    (criterion) => {
      const [error] = select(temporaryFolder(), criterion);
      expect(error).toMatchObject({ code: "STATE_MISSING", exitCode: 2 });
      expect(error?.where).toMatch(/\.json$/);
      expect(error?.hint).toContain("a copy of target/");
    },
  );

  test("with an artifact that is none is exit 2", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "run_results.json"), '{"results": [{}]}');
    writeFileSync(join(folder, "manifest.json"), "{");
    for (const criterion of ["result:error", "state:new"])
      expect(select(folder, criterion)[0]).toMatchObject({ code: "STATE_INVALID", exitCode: 2 });
  });

  test("makes nothing an answer", () => {
    expect(dependsOnFormerRun({ select: ["marts,state:modified+"] })).toBe(true);
    expect(dependsOnFormerRun({ select: ["marts"] })).toBe(false);
    const project = shop({ "selectors.yml": "selectors: [{name: ci, definition: 'state:modified+'}]" });
    expect(dependsOnFormerRun({ select: ["selector:ci"] }, loadSelectors(project.ctx))).toBe(true);
  });
});

describe("a node of a former run", () => {
  const entry = (more: object) => ({ unique_id: "m", resource_type: "model", fqn: ["p", "m"], ...more });
  const states = (now: object, then: object) =>
    [
      ...(compareStates(
        { nodes: new Map([["m", entry(now)]]), macros: new Map() },
        { nodes: new Map([["m", entry(then)]]), macros: new Map() },
      ).get("m") ?? []),
    ].sort();

  test.each<[string, object, object]>([
    ["in dbt's words for the same", ours(), dbts()],
    [
      "with other spaces around its text",
      { raw_code: "a\n" },
      { raw_code: "a", checksum: { checksum: "1" } },
    ],
    ["in another database", { database: "a", relation_name: "a.b" }, { database: "c", relation_name: "c.d" }],
    ["with another description that is not persisted", { description: "a" }, { description: "b" }],
  ])("%s is unmodified", (_, now, then) => {
    expect(states(now, then)).toEqual(["old", "unmodified"]);
  });

  test.each<[string, object, object]>([
    ["body", { raw_code: "a" }, { raw_code: "b" }],
    ["configs", { config: { materialized: "view" } }, { config: { materialized: "table" } }],
    ["configs", { config: { unique_key: ["a", "b"] } }, { config: { unique_key: "a" } }],
    ["relation", { config: { schema: "a" } }, { config: { schema: "b" } }],
    ["persisted_descriptions", persisted("a"), persisted("b")],
    ["contract", promised("integer"), promised("text")],
  ])("may differ in %s", (aspect, now, then) => {
    expect(states(now, then)).toEqual(["modified", `modified.${aspect}`, "old"]);
  });

  test("is modified when a macro that its macros call is", () => {
    const macro = (text: string, uses: string[] = []) => ({ macro_sql: text, depends_on: { macros: uses } });
    const node = entry({ depends_on: { macros: ["outer"] } });
    const now = new Map([
      ["outer", macro("o", ["inner"])],
      ["inner", macro("i")],
    ]);
    const compared = (inner: string) =>
      compareStates(
        { nodes: new Map([["m", node]]), macros: now },
        {
          nodes: new Map([["m", node]]),
          macros: new Map([
            ["outer", "o"],
            ["inner", inner],
          ]),
        },
      ).get("m");
    expect(compared("i")).toEqual(new Set(["old", "unmodified"]));
    expect(compared("j")).toEqual(new Set(["old", "modified", "modified.macros"]));
  });
});

function ours() {
  return {
    checksum: { checksum: "1" },
    config: {
      unique_key: ["id"],
      tags: ["b", "a"],
      contract: { enforced: false },
      persist_docs: { relation: false, columns: false },
      full_refresh: null,
    },
  };
}

function dbts() {
  return {
    checksum: { checksum: "1" },
    config: {
      unique_key: "id",
      tags: ["a", "b"],
      contract: { enforced: false, alias_types: true },
      persist_docs: {},
      on_schema_change: "ignore",
      access: "protected",
      docs: { show: true, node_color: null },
      grants: {},
    },
  };
}

function persisted(description: string) {
  return { description, config: { persist_docs: { relation: true } } };
}

function promised(data_type: string) {
  return { config: { contract: { enforced: true } }, columns: { a: { name: "a", data_type } } };
}
