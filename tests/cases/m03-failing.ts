import { join } from "node:path";
import type { Random } from "../../moovitamix/world/random.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, inPairs, runCommand } from "./command.ts";
import { type Files, writeFiles } from "./folders.ts";
import { readRows } from "./read.ts";

const NUMBERS = { quick: 3, full: 50 } as const;

interface GraphPlan {
  /** Parents of each model, which come before it. */
  parents: ReadonlyMap<string, readonly string[]>;
  failing: ReadonlySet<string>;
}

interface Answer {
  name: string;
  status: string;
  reason: string | null;
}

interface Tally {
  wrongNodes: number;
  differing: number;
  failures: string[];
}

/** M-03: a model fails in the middle of the graph. */
export const failingModels: Case = {
  id: "M-03",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const cwd = projects.make({});
    const hasRetry = /^ {2}retry\b/m.test((await runCommand(["--help"], { cwd })).stdout);
    const hasFailFast = (await runCommand(["models", "--help"], { cwd })).stdout.includes("--fail-fast");
    const graphs = Array.from({ length: NUMBERS[size] }, () => randomGraph(random));
    const modes = [false, ...(hasFailFast ? [true] : [])];
    const tally: Tally = { wrongNodes: 0, differing: 0, failures: [] };
    const runs = graphs.flatMap((graph, index) => modes.map((isFailFast) => ({ graph, index, isFailFast })));
    await inPairs(runs, async ({ graph, index, isFailFast }) => {
      const found = await tryGraph(graph, { projects, isFailFast, hasRetry });
      tally.wrongNodes += found.wrongNodes;
      tally.differing += found.differing;
      tally.failures.push(
        ...found.failures.map((text) => `graph ${index}${isFailFast ? " -x" : ""}: ${text}`),
      );
    });
    return {
      figures: [
        { name: "graphs", value: graphs.length },
        { name: "runs", value: runs.length },
        { name: "retries", value: hasRetry ? runs.length : 0 },
        none("wrongly_run_or_left_out", tally.wrongNodes),
        none("differing_tables", tally.differing),
      ],
      failures: tally.failures,
      notRun: [
        ...(hasRetry ? [] : ["retry (there is no run retry)"]),
        ...(hasFailFast ? [] : ["fail-fast (run models has no --fail-fast)"]),
      ],
    };
  },
};

function randomGraph(random: Random): GraphPlan {
  const names = Array.from({ length: random.integer(30, 60) }, (_, index) => `n${index}`);
  const parents = new Map(
    names.map((name, index): [string, string[]] => {
      const count = index === 0 ? 0 : random.integer(0, Math.min(3, index));
      const picked = Array.from({ length: count }, () => random.pick(names.slice(0, index)));
      return [name, [...new Set(picked)]];
    }),
  );
  const failing = new Set(Array.from({ length: random.integer(1, 5) }, () => random.pick(names)));
  return { parents, failing };
}

function filesOf({ parents, failing }: GraphPlan): Files {
  const files = [...parents].map(([name, reads]): [string, string] => {
    const config = `{{ config(materialized='${Number(name.slice(1)) % 3 === 0 ? "view" : "table"}') }}`;
    const rows = [
      `select '${name}' as path`,
      ...reads.map((read) => `select '${name} ' || path from {{ ref('${read}') }}`),
    ];
    const failure = failing.has(name) ? ["select path from no_such_table"] : [];
    return [`models/${name}.sql`, `${config}\n${[...rows, ...failure].join("\nunion\n")}`];
  });
  return Object.fromEntries(files);
}

/** What has to be skipped: all that reads a failed model, on whatever way. */
function descendantsOf({ parents, failing }: GraphPlan): Set<string> {
  const broken = new Set(failing);
  const skipped = new Set<string>();
  for (const [name, reads] of parents) {
    if (!reads.some((read) => broken.has(read))) continue;
    broken.add(name);
    skipped.add(name);
  }
  return skipped;
}

function answersOf({ stdout }: Ended): Map<string, Answer> {
  const { models = [] } = JSON.parse(stdout) as { models?: Answer[] };
  return new Map(models.map((model) => [model.name, model]));
}

async function tryGraph(
  graph: GraphPlan,
  {
    projects,
    isFailFast,
    hasRetry,
  }: { projects: Ground["projects"]; isFailFast: boolean; hasRetry: boolean },
): Promise<Tally> {
  const cwd = projects.make(filesOf(graph));
  const ended = await runCommand(["models", "--json", "--quiet", ...(isFailFast ? ["--fail-fast"] : [])], {
    cwd,
  });
  const answers = answersOf(ended);
  const failures = [
    ...(ended.exitCode === 1 ? [] : [`exit ${ended.exitCode}`]),
    ...(isFailFast ? wrongAfterFailFast(graph, answers) : wrongAnswers(graph, answers)),
  ];
  const tally: Tally = { wrongNodes: failures.length, differing: 0, failures };
  if (!hasRetry) return tally;
  const fixed = { ...graph, failing: new Set<string>() };
  writeFiles(cwd, filesOf(fixed));
  const retried = await runCommand(["retry", "--json", "--quiet"], { cwd });
  const wrong = wrongRetry(answers, retried);
  const differing = await differingTables(cwd, fixed, projects);
  return {
    wrongNodes: tally.wrongNodes + wrong.length,
    differing: differing.length,
    failures: [...failures, ...wrong, ...differing],
  };
}

function wrongAnswers(graph: GraphPlan, answers: ReadonlyMap<string, Answer>): string[] {
  const skipped = descendantsOf(graph);
  return [...graph.parents.keys()].flatMap((name) => {
    const wanted = skipped.has(name) ? "skipped" : graph.failing.has(name) ? "error" : "success";
    const { status, reason } = answers.get(name) ?? { status: "not told of", reason: null };
    const culprit = /^(n\d+) failed$/.exec(reason ?? "")?.[1] ?? "";
    if (status !== wanted) return [`${name} is ${status}, not ${wanted}`];
    return status !== "skipped" || graph.failing.has(culprit)
      ? []
      : [`${name} is skipped because "${reason}"`];
  });
}

/** One has failed, what reads it is left out, and every node left out says why. */
function wrongAfterFailFast(graph: GraphPlan, answers: ReadonlyMap<string, Answer>): string[] {
  const errors = [...answers.values()].filter(({ status }) => status === "error");
  const broken = descendantsOf({ ...graph, failing: new Set(errors.map(({ name }) => name)) });
  return [
    ...(errors.length > 0 && errors.every(({ name }) => graph.failing.has(name))
      ? []
      : ["the wrong ones failed"]),
    ...[...broken]
      .filter((name) => answers.get(name)?.status === "success")
      .map((name) => `${name} was built`),
    ...[...answers.values()]
      .filter(({ status, reason }) => status === "skipped" && (reason ?? "") === "")
      .map(({ name }) => `${name} does not say why it is skipped`),
    ...(answers.size === graph.parents.size ? [] : [`${answers.size} of ${graph.parents.size} are told of`]),
  ];
}

/** A retry runs the failed, the skipped and the not started, and nothing else. */
function wrongRetry(before: ReadonlyMap<string, Answer>, retried: Ended): string[] {
  const wanted = [...before.values()].filter(({ status }) => status !== "success").map(({ name }) => name);
  const ran = answersOf(retried);
  return [
    ...(retried.exitCode === 0 ? [] : [`retry: exit ${retried.exitCode} ${retried.stderr.slice(0, 200)}`]),
    ...wanted.filter((name) => ran.get(name)?.status !== "success").map((name) => `retry left out ${name}`),
    ...[...ran.keys()].filter((name) => !wanted.includes(name)).map((name) => `retry ran ${name}`),
  ];
}

/** Against a clean build of the same project. */
async function differingTables(
  cwd: string,
  graph: GraphPlan,
  projects: Ground["projects"],
): Promise<string[]> {
  const clean = projects.make(filesOf(graph));
  await runCommand(["models", "--quiet"], { cwd: clean });
  const sql = [...graph.parents.keys()]
    .map((name) => `select '${name}' as name, path from main.${name}`)
    .join("\nunion all\n");
  const read = (folder: string) => readRows(join(folder, "data/warehouse.duckdb"), `${sql}\norder by all`);
  const [ours, theirs] = await Promise.all([read(cwd), read(clean)]).catch((error: unknown) => [
    [String(error)],
    [],
  ]);
  return JSON.stringify(ours) === JSON.stringify(theirs)
    ? []
    : ["the tables differ from those of a clean build"];
}
