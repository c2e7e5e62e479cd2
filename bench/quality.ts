import { createContext } from "../core/context.ts";
import { openDuckdb } from "../engines/duckdb.ts";
import { databaseName, duckdbDialect } from "../engines/duckdb-sql.ts";
import { loadTarget } from "../engines/profiles.ts";
import { runNodes } from "../runner/build/run-nodes.ts";
import { createSessionPool, withSession } from "../runner/build/session-pool.ts";
import { compileNodes } from "../runner/graph/compile.ts";
import { loadGraph } from "../runner/graph/load.ts";
import { modelsOf, testsOf } from "../runner/graph/nodes.ts";
import { loadProject } from "../runner/project/project.ts";
import { measureQuality } from "../runner/quality/quality.ts";

const ROUNDS = 5;

/** What the quality of the tested tables adds to the CPU time of their tests, both in one process, in turns. */
export async function benchQuality(projectDir: string, name: string): Promise<void> {
  const ctx = createContext({ projectDir, env: process.env, sink: () => undefined });
  const project = loadProject(ctx, {});
  const { duckdb } = loadTarget(ctx, project.profileName, {});
  const { schema, threads, path } = duckdb;
  const graph = loadGraph(ctx, project, { dialect: duckdbDialect, targetSchema: schema });
  const database = databaseName(path);
  const target = { name: "dev", profileName: project.profileName, schema, threads, database };
  const scope = { project, graph, dialect: duckdbDialect, target };
  const nodes = testsOf(graph);
  const compiled = compileNodes(ctx, scope, [...modelsOf(graph), ...nodes]);
  const engine = await openDuckdb(ctx, duckdb);
  try {
    const pool = createSessionPool(engine, threads);
    const rounds: { tests: number; quality: number }[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const tested = await cpuOf(() => runNodes(ctx, pool, { graph, nodes, compiled }));
      const { result: results } = tested;
      const asked = await cpuOf(() =>
        withSession(pool, (session) => measureQuality(ctx, session, { dialect: engine, graph, results })),
      );
      if (asked.result.length === 0) throw new Error("no table was measured");
      // The first round finds nothing of the file in memory.
      if (round > 0) rounds.push({ tests: tested.seconds, quality: asked.seconds });
    }
    const middle = rounds.sort((a, b) => a.quality / a.tests - b.quality / b.tests)[ROUNDS >> 1];
    if (middle === undefined) throw new Error("nothing was measured");
    const share = ((100 * middle.quality) / middle.tests).toFixed(1);
    console.log(
      `${name}: tests ${middle.tests.toFixed(3)} s CPU, quality of their tables ${middle.quality.toFixed(3)} s, adds ${share} % (at most 20 %)`,
    );
  } finally {
    engine.close();
  }
}

async function cpuOf<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return { result, seconds: (user + system) / 1_000_000 };
}
