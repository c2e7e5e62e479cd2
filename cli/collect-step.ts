import { existsSync } from "node:fs";
import { projectErrorsOf } from "../core/errors.ts";
import { type Engine, relationKey, type Session } from "../engines/engine.ts";
import { type Collected, collectFeedback } from "../reco/feedback/collect.ts";
import { RAW_FEEDBACK, RAW_IMPRESSIONS } from "../reco/feedback/raw-tables.ts";
import { sourcesOf } from "../runner/graph/nodes.ts";
import { type BuildBook, noteForeign } from "../state/builds.ts";
import type { OpenWarehouse } from "./warehouse.ts";
import { openGraph, type Workspace } from "./workspace.ts";

/** Lands what the serving API has stored of feedback and answers. */
export async function collectStep(
  { ctx, folders }: Workspace,
  { source: { engine, session }, book }: { source: { engine: Engine; session: Session }; book: BuildBook },
): Promise<Collected> {
  const now = ctx.clock.now();
  const collected = await collectFeedback(folders.feedbackFile, { engine, session, now });
  if (collected.feedback + collected.answers + collected.erased > 0) noteForeign(book);
  return collected;
}

/** The same before a build, where the project has models over them. A store that cannot be read holds up no build. */
export async function collectBeforeBuild(
  workspace: Workspace,
  { engine, book }: OpenWarehouse,
): Promise<void> {
  const { ctx, folders } = workspace;
  const sources = sourcesOf(openGraph(workspace).graph).map(({ relation }) => relationKey(relation));
  const isRead = [RAW_FEEDBACK, RAW_IMPRESSIONS].some((raw) => sources.includes(relationKey(raw)));
  if (!isRead || !existsSync(folders.feedbackFile)) return;
  const session = await engine.openSession();
  try {
    const { feedback, answers } = await collectStep(workspace, { source: { engine, session }, book });
    if (feedback + answers > 0)
      ctx.log.info("feedback_collected", `${feedback} events of feedback and ${answers} shown tracks landed`);
  } catch (error) {
    const [mistake] = projectErrorsOf(error);
    if (mistake?.code !== "FEEDBACK_UNREADABLE") throw error;
    ctx.log.warn("feedback_uncollected", `${mistake.message} (${mistake.where}); ${mistake.hint}`);
  } finally {
    session.close();
  }
}
