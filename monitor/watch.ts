import type { Context } from "../core/context.ts";
import type { StateDatabase } from "../state/database.ts";
import { type Finding, type Findings, findingsOfRun } from "./incidents/finding.ts";
import { lineageWhenAsked } from "./incidents/lineage.ts";
import { settle } from "./incidents/settle.ts";
import { evaluateRules } from "./rules/evaluate.ts";
import type { MonitorSettings } from "./settings.ts";

/** What is watched, and where its lineage is. */
export interface Watched {
  ctx: Context;
  state: StateDatabase;
  settings: MonitorSettings;
  /** As project.yml calls it. */
  project: string;
  /** The folder of the artifacts. */
  target: string;
}

/** Opens and closes incidents by what became of a run and by what it measured at `measuredAt`. */
export async function watchRun(
  watched: Watched,
  run: Parameters<typeof findingsOfRun>[0] & { id: string; measuredAt: Date },
): Promise<void> {
  const { state, settings } = watched;
  const ruled = await evaluateRules(state, settings, { now: run.measuredAt, measuredAt: run.measuredAt });
  const own = findingsOfRun(run);
  await settleAll(watched, { bad: [...own.bad, ...ruled.bad], good: [...own.good, ...ruled.good] }, run.id);
}

/** The same by what grows old while nothing runs: freshness, and the time since a run ended well. */
export async function watchAges(watched: Watched): Promise<void> {
  const { ctx, state, settings } = watched;
  await settleAll(watched, await evaluateRules(state, settings, { now: ctx.clock.now() }), null);
}

/** The same by single things that were looked at. */
export async function watchFindings(
  watched: Watched,
  findings: { bad: Finding[]; good: string[] },
  runId: string | null,
): Promise<void> {
  await settleAll(watched, findings, runId);
}

async function settleAll(
  { ctx, state, settings, project, target }: Watched,
  findings: Findings,
  runId: string | null,
): Promise<void> {
  if (findings.bad.length === 0 && findings.good.length === 0) return;
  const lineage = lineageWhenAsked(target);
  await settle(ctx, state, findings, { project, settings, lineage, runId });
}
