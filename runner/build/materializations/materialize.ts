import type { Context } from "../../../core/context.ts";
import type { Session } from "../../../engines/engine.ts";
import type { CompiledNode } from "../../graph/compile.ts";
import { isMicrobatch, type ModelNode } from "../../graph/nodes.ts";
import { runHooks } from "../hooks.ts";
import { checkContract } from "./contract.ts";
import { buildIncremental, isIncrementalRun } from "./incremental.ts";
import { buildBatches } from "./microbatch.ts";
import type { Built, ModelWork } from "./work.ts";

/**
 * Builds one model, its hooks and its comments in one transaction: readers see the relation as it was or as
 * it is to be, and what fails or is killed leaves it as it was. Batches are
 * a transaction each, with the hooks in two of their own.
 */
export async function materialize(ctx: Context, session: Session, work: ModelWork): Promise<Built> {
  const { node } = work;
  const hooks = work.compiled.hooks ?? { pre: [], post: [] };
  const run = (kind: "pre" | "post", isInTransaction: boolean) =>
    runHooks(ctx, session, {
      hooks: hooks[kind].filter((hook) => hook.isInTransaction === isInTransaction),
      owner: `${kind}_hook of ${node.name}`,
    });
  await run("pre", false);
  let built: Built;
  if (isMicrobatch(node)) {
    await session.transaction(() => run("pre", true));
    built = await buildBatches(ctx, session, work);
    if (built.failure === null) {
      await session.transaction(async () => {
        await persistDocs(session, node);
        await run("post", true);
      });
    }
  } else {
    const build = () => buildInTransaction(ctx, session, work);
    const rows = await (isOneStatement(work) ? build() : session.transaction(build));
    built = { rows, batches: null, failure: null };
  }
  if (built.failure === null) await run("post", false);
  return built;
}

/** What is one statement is whole by itself. */
function isOneStatement({ node, compiled }: ModelWork): boolean {
  const { materialized, contract, persist_docs: docs } = node.config;
  const hooks = [...(compiled.hooks?.pre ?? []), ...(compiled.hooks?.post ?? [])];
  return (
    (materialized === "table" || materialized === "view") &&
    !(contract.enforced || docs.relation || docs.columns) &&
    !hooks.some((hook) => hook.isInTransaction)
  );
}

async function buildInTransaction(ctx: Context, session: Session, work: ModelWork): Promise<number | null> {
  const { node } = work;
  const isIncremental = await isIncrementalRun(session, work);
  const ran = (isIncremental ? work.compiled.incremental : undefined) ?? work.compiled;
  work.onChosen(ran);
  const hooks = ran.hooks ?? { pre: [], post: [] };
  const run = (kind: "pre" | "post") =>
    runHooks(ctx, session, {
      hooks: hooks[kind].filter((hook) => hook.isInTransaction),
      owner: `${kind}_hook of ${node.name}`,
    });
  await run("pre");
  const rows = await buildRelation(ctx, session, { ...work, ran, isIncremental });
  await persistDocs(session, node);
  await run("post");
  return rows;
}

async function buildRelation(
  ctx: Context,
  session: Session,
  work: ModelWork & { ran: CompiledNode; isIncremental: boolean },
): Promise<number | null> {
  const { node, ran } = work;
  const definition = await checkContract(ctx, session, { node, sql: ran.sql });
  if (node.config.materialized === "view") {
    await session.replaceView(node.relation, ran.sql);
    return null;
  }
  if (work.isIncremental) return buildIncremental(session, work, definition);
  return session.replaceTable(node.relation, ran.sql, definition);
}

/** Descriptions as comments, on what the relation really has. */
async function persistDocs(session: Session, node: ModelNode): Promise<void> {
  const { relation, columns } = node.config.persist_docs;
  if (!relation && !columns) return;
  const existing = columns ? await session.columnsOf(node.relation) : [];
  const described = new Map(node.columns.map(({ name, description }) => [name.toLowerCase(), description]));
  await session.describe(node.relation, {
    ...(relation ? { relation: node.description } : {}),
    columns: Object.fromEntries(
      existing.flatMap(({ name }) => {
        const description = described.get(name.toLowerCase());
        return description === undefined ? [] : [[name, description]];
      }),
    ),
  });
}
