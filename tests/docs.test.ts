import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { duckdbDialect } from "../engines/duckdb-sql.ts";
import { ingestSettings } from "../ingest/settings.ts";
import { startApi } from "../moovitamix/server.ts";
import { DBT_TESTS } from "../runner/data-tests/generic-tests/dbt.ts";
import { EXPECTATIONS, GENERIC_TESTS, TEST_ALIASES } from "../runner/data-tests/generic-tests/known.ts";
import { compileInline } from "../runner/graph/compile.ts";
import { modelConfigInput, TEST_CONFIG_KEYS } from "../runner/project/properties.ts";
import { parseTemplate } from "../runner/templates/template.ts";
import {
  codeOf,
  compared,
  type Example,
  examplesOf,
  fencesOf,
  tableOf,
  wordsOf,
} from "./docs-transcripts.ts";
import { copyProject, ROOT, run, temporaryFolder } from "./e2e/cli.ts";
import { createProject } from "./runner/project.ts";

const GUIDES = [
  "README.md",
  "docs/from-dbt.md",
  "docs/from-dlt.md",
  "docs/from-orchestrators.md",
  "docs/recommendations.md",
  "docs/monitoring.md",
];
const DOCUMENTS = [...GUIDES, "CONTRIBUTING.md", "CHANGELOG.md"];
/** What `run demo` and `run api` serve. */
const DEMO = { seed: 1, users: 1000, tracks: 2000, plays: 60_000 };

function read(document: string): string {
  return readFileSync(join(ROOT, document), "utf8");
}

/** The service of docs/from-dlt.md. */
async function startRadio(): Promise<string> {
  const updated_at = "2026-01-01T00:00:00";
  const items = [
    { id: 1, name: "FIP", country: "FR", updated_at },
    { id: 2, name: "Deutschlandfunk", country: "DE", updated_at },
    { id: 3, name: "Radio Atlantis", country: "AT", updated_at },
  ];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://localhost");
    const [page, size] = [Number(searchParams.get("page")), Number(searchParams.get("size"))];
    const listed = items.slice((page - 1) * size, page * size);
    response.end(JSON.stringify({ items: listed, total: items.length, page, size, pages: 1 }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server's address is an object
}

async function startServices(): Promise<Record<string, string>> {
  const api = await startApi(DEMO);
  onTestFinished(() => api.stop());
  return { MOOVITAMIX_URL: api.url, RADIO_URL: await startRadio() };
}

/** A copy of the project that has been loaded from `env` and built, with the files of the document in it. */
async function prepareProject(document: string, env: Record<string, string>): Promise<string> {
  const cwd = copyProject();
  if (document !== "README.md") expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
  for (const { file, lines } of fencesOf(read(document))) {
    if (file === undefined) continue;
    mkdirSync(join(cwd, dirname(file)), { recursive: true });
    writeFileSync(join(cwd, file), `${lines.join("\n")}\n`);
  }
  return cwd;
}

interface Place {
  cwd: string;
  env: Record<string, string>;
  lastExit: number | null;
}

/** What a person who types the command reads: the answer, or the errors when there is none. */
async function outputOf({ command }: Example, place: Place): Promise<string> {
  const [program, ...words] = wordsOf(command);
  if (command === "echo $?") return String(place.lastExit);
  const isStart = command === "npm start";
  if (!isStart && !(program === "npx" && ["run", "sillon"].includes(words[0] ?? "")))
    throw new Error(`the test cannot run "${command}"`);
  const env = isStart ? {} : place.env;
  const result = await run(isStart ? ["demo"] : words.slice(1), { cwd: place.cwd, env });
  place.lastExit = result.exitCode;
  return result.stdout === "" ? result.stderr : result.stdout;
}

describe("an example", () => {
  const say = (output: string, expected: string[]) => {
    const { said, shown } = compared(output, expected);
    return JSON.stringify(said) === JSON.stringify(shown);
  };

  test("may differ from its output in times, ids and widths", () => {
    expect(say("a  0.12 s\nas 20261123T151744894Z\n", ["a   10.05 s", "as 20200101T000000000Z"])).toBe(true);
  });

  test("may leave out lines where it says so, and only there", () => {
    const output = "a\nb\nc\nd\n";
    const shortened = [["…"], ["a", "…"], ["…", "d"], ["a", "…", "c", "…"], ["…", "a", "b", "c", "d"]];
    expect(shortened.map((expected) => say(output, expected))).toEqual([true, true, true, true, true]);
    const wrong = [
      ["a", "b", "c"],
      ["…", "c"],
      ["b", "…"],
      ["a", "…", "e", "…"],
      ["a", "…", "c", "b", "d"],
    ];
    expect(wrong.map((expected) => say(output, expected))).toEqual([false, false, false, false, false]);
  });
});

/** Each runs whole pipelines in many processes. */
describe("the examples", { timeout: 240_000 }, () => {
  test.each(GUIDES)("of %s print what it says", async (document) => {
    const examples = examplesOf(read(document));
    expect(examples.length).toBeGreaterThan(2);
    const env = await startServices();
    const place: Place = { cwd: await prepareProject(document, env), env, lastExit: null };
    for (const example of examples) {
      const { said, shown } = compared(await outputOf(example, place), example.expected);
      expect(said, `${document}:${example.line}  ${example.command}`).toEqual(shown);
    }
  });

  test("of a source is sound TypeScript", () => {
    const sources = fencesOf(read("docs/from-dlt.md")).filter(({ language }) => language === "ts");
    const folder = temporaryFolder();
    for (const [index, { lines }] of sources.entries())
      writeFileSync(join(folder, `source${index}.ts`), lines.join("\n"));
    writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
    const paths = {
      sillon: [join(ROOT, "core/sillon.ts")],
      zod: [join(ROOT, "node_modules/zod/index.d.ts")],
    };
    const compilerOptions = { noEmit: true, incremental: false, rootDir: "/", types: [], paths };
    const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: ["*.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
  });

  test("of queries on raw tables run", async () => {
    const env = { RADIO_URL: await startRadio() };
    const cwd = await prepareProject("docs/from-dlt.md", await startServices());
    await run(["ingest", "radio.stations"], { cwd, env });
    const queries = tableOf(read("docs/from-dlt.md"), "| to read | write |").map(([, cell]) => codeOf(cell));
    expect(queries.length).toBeGreaterThan(5);
    const all = queries.map((query, index) => `select ${index} as place, count(*) as n from (${query})`);
    const sql = `${all.join(" union all ")} order by place`;
    const { stdout, stderr } = await run(["show", "--json", "--inline", sql], { cwd });
    expect(stderr).toBe("");
    const counts = JSON.parse(stdout).rows.map(({ n }: { n: string }) => Number(n));
    expect(counts).toEqual([2, 2, 2, 1, 0, 1, 1, 1]);
  });
});

async function helpOf(...command: string[]): Promise<string> {
  const { stdout } = await run([...command, "--help"], { cwd: ROOT });
  return stdout;
}

describe("README.md", () => {
  test("names every command and every option", async () => {
    const text = read("README.md");
    const overview = await helpOf();
    const commands = [...overview.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name = ""]) => name);
    expect(commands).toContain("pipeline");
    const helps = await Promise.all(commands.filter((name) => name !== "help").map((name) => helpOf(name)));
    const flags = [overview, ...helps].flatMap((help) => [
      ...[...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = ""]) => flag),
    ]);
    const isNamed = (word: string) => new RegExp(`${word}(?![\\w-])`).test(text);
    const absent = [...new Set([...commands.map((name) => `\\| \`${name}`), ...flags])];
    expect(absent.filter((word) => !isNamed(word))).toEqual([]);
  });

  test("gives every command the arguments that it takes", async () => {
    const overview = await helpOf();
    const usages = [...overview.matchAll(/^ {2}([a-z]+)(?: \[options\])?( [[<][a-z.]+[\]>])? {2}/gm)];
    const named = tableOf(read("README.md"), "| command | does | options of its own |").map(([cell]) =>
      codeOf(cell),
    );
    expect(named).toEqual(usages.map(([, name, argument = ""]) => `${name}${argument}`));
  });

  test("stays below 120 lines", () => {
    expect(read("README.md").split("\n").length).toBeLessThan(120);
  });

  test("lists folders that exist", () => {
    const folders = tableOf(read("README.md"), "| folder | what it is |").flatMap(([cell = ""]) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, folder = ""]) => folder),
    );
    expect(folders.length).toBeGreaterThan(7);
    expect(folders.filter((folder) => !existsSync(join(ROOT, folder)))).toEqual([]);
  });
});

describe("docs/from-dbt.md", () => {
  const text = read("docs/from-dbt.md");
  const usesOf = (template: string) => parseTemplate("docs", template).uses.map(({ where, ...use }) => use);

  test("shows the same calls in both styles", () => {
    const rows = tableOf(text, "| dbt's style | Handlebars' style |");
    const calls = rows.map(([dbt, ours]) => [usesOf(codeOf(dbt)), usesOf(codeOf(ours))]);
    expect(calls.filter(([dbt]) => dbt?.length !== 0).length).toBeGreaterThan(5);
    for (const [dbt, ours] of calls) expect(ours).toEqual(dbt);
  });

  test("shows what every engine helper renders", () => {
    const rows = tableOf(text, "| helper | SQL |").map(([call, sql]) => [codeOf(call), codeOf(sql)]);
    const project = createProject({});
    for (const [call = "", sql] of rows)
      expect(compileInline(project.ctx, project.scope(), call).sql.replaceAll("\n", " ")).toBe(sql);
    const shown = rows.map(([call = ""]) => usesOf(call)[0]?.name);
    expect([...new Set(shown)].sort()).toEqual(Object.keys(duckdbDialect.helpers).sort());
  });

  test("names every key of configuration and every generic test", () => {
    const words = [
      ...Object.keys(modelConfigInput.shape),
      ...TEST_CONFIG_KEYS,
      ...Object.keys(GENERIC_TESTS),
    ];
    expect(words.filter((word) => !text.includes(`\`${word}\``))).toEqual([]);
  });
});

test("docs/from-dbt.md lists every test of the packages with where it belongs and its arguments", () => {
  const rows = tableOf(read("docs/from-dbt.md"), "| test | arguments | it fails for |");
  const shown = rows.map(([test = "", cell = ""]) => {
    const [, on = "column"] = /\((model|model or column)\)/.exec(test) ?? [];
    const names = [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
    return [/`(\w+)`/.exec(test)?.[1], on === "model or column" ? "either" : on, names.sort()];
  });
  const known = Object.entries(GENERIC_TESTS)
    .filter(([name]) => !(name in DBT_TESTS || name in EXPECTATIONS))
    .map(([name, { on, arguments: shape }]) => [name, on, Object.keys(shape.shape).sort()]);
  expect(shown.sort()).toEqual(known.sort());
  expect(
    Object.keys(TEST_ALIASES).filter((name) => !read("docs/from-dbt.md").includes(`\`${name}\``)),
  ).toEqual([]);
});

test("docs/from-dbt.md lists the tests of dbt_expectations that are known, with what they take", () => {
  const rows = tableOf(read("docs/from-dbt.md"), "| tests of dbt_expectations | arguments |");
  const words = (cell = "") => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name).sort();
  const shown = rows.flatMap(([tests, args]) => words(tests).map((name) => [name, words(args)]));
  const known = Object.entries(EXPECTATIONS).map(([name, test]) => [
    name,
    Object.keys(test.arguments.shape).sort(),
  ]);
  expect(shown.sort()).toEqual(known.sort());
});

describe("docs/from-dlt.md", () => {
  test("names every setting of the connector with its default", () => {
    const rows = tableOf(read("docs/from-dlt.md"), "| key | default | what it limits |");
    const shown = rows.map(([key, value]) => [codeOf(key), JSON.parse(value ?? "")]);
    expect(Object.fromEntries(shown)).toEqual(ingestSettings.in.parse({}));
  });
});

describe("every document", () => {
  test.each(DOCUMENTS)("%s links to files that exist", (document) => {
    const links = [...read(document).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, path = ""]) => path);
    expect(links.filter((path) => !existsSync(join(ROOT, dirname(document), path)))).toEqual([]);
  });

  test.each(DOCUMENTS)("%s names npm scripts that exist", (document) => {
    const { scripts } = JSON.parse(read("package.json"));
    const named = [...read(document).matchAll(/npm run ([\w:-]+)/g)].map(([, script = ""]) => script);
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });
});
