import { type AsOf, loadAsOf } from "../core/as-of.ts";
import type { Context } from "../core/context.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { Engine } from "../engines/engine.ts";
import { type Graph, modelsOf, type Node } from "../runner/graph/nodes.ts";

/**
 * Warns of streams whose records of that moment were dropped: they are read as empty. Throws AS_OF_UNKNOWN when no source has a load with that id, and AS_OF_PRUNED when versions of that moment were
 * removed (both exit 2).
 */
export async function checkAsOf({ log }: Context, engine: Engine, asOf: AsOf): Promise<void> {
  const keys = [...(await engine.relations()).keys()].filter((key) => /^raw_\w+\._loads$/.test(key));
  const session = await engine.openSession();
  let newest = 0;
  try {
    for (const schema of keys.map((key) => key.slice(0, -"._loads".length))) {
      const loads = engine.nameOf({ schema, name: "_loads" });
      const found = await session.query(
        `select max(load_id), ${loadAsOf(asOf, loads)}, max(try_cast("cursor" as bigint)) filter (where mode = 'prune')
from ${loads} where mode <> 'prune' or "cursor" is not null`,
      );
      const [last, load, horizon] = (found.rows[0] ?? []).map((value) =>
        value === null ? 0 : Number(value),
      );
      newest = Math.max(newest, last ?? 0);
      if ((load ?? 0) < (horizon ?? 0)) throw pruned(schema, load ?? 0, horizon ?? 0);
      const { rows } = await session.query(
        `select stream, max(load_id) from ${loads} as resets
where mode = 'reset' and deleted > 0 and load_id > ${load ?? 0}
  and exists (select 1 from ${loads} as former where former.stream = resets.stream and former.load_id <= ${load ?? 0})
group by stream order by stream`,
      );
      for (const [stream, dropped] of rows) {
        const message = `${schema}.${stream} is empty as of load ${load ?? 0}: run ingest reset --drop removed its records at load ${dropped}`;
        log.warn("as_of_dropped", message, { schema, stream, load: load ?? 0, dropped: Number(dropped) });
      }
    }
  } finally {
    session.close();
  }
  if ("load" in asOf && asOf.load > newest) throw unknownLoad(asOf.load, newest);
}

function pruned(schema: string, load: number, horizon: number): ProjectError {
  return new ProjectError("AS_OF_PRUNED", {
    message: `${schema} cannot be read as of load ${load}`,
    where: "--as-of",
    why: [`run ingest prune removed versions that ended at load ${horizon}`],
    hint: `ask for load ${horizon} or later`,
    exitCode: EXIT.usage,
  });
}

function unknownLoad(load: number, newest: number): ProjectError {
  return new ProjectError("AS_OF_UNKNOWN", {
    message: `there is no load ${load}`,
    where: "--as-of",
    why: [`the newest one is ${newest}`],
    hint: `run show --inline "select load_id, stream, ended_at from raw_<source>._loads" lists them`,
    exitCode: EXIT.usage,
  });
}

/** The graph in which every model is part of what reads it, so that a query of one reads nothing but sources. */
export function asQueries(graph: Graph): Graph {
  const nodes = new Map<string, Node>(graph.nodes);
  for (const model of modelsOf(graph))
    nodes.set(model.id, { ...model, config: { ...model.config, materialized: "ephemeral" } });
  return { ...graph, nodes };
}
