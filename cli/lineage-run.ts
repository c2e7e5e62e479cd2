import { existsSync } from "node:fs";
import { join } from "node:path";
import { environmentValue } from "../core/config.ts";
import type { Context } from "../core/context.ts";
import { describeError, messageOf, projectErrorsOf } from "../core/errors.ts";
import { RUN_VARIABLES } from "../core/run-environment.ts";
import { databaseName } from "../engines/duckdb-sql.ts";
import type { CatalogRelation } from "../engines/engine.ts";
import type { ParentRun } from "../monitor/openlineage/told.ts";
import type { StateDatabase } from "../state/database.ts";
import type { CommandStatus } from "../state/runs.ts";
import { packageVersion } from "./invocation.ts";
import type { LineageNotes } from "./lineage-notes.ts";
import type { Outcome } from "./outcome.ts";
import type { Workspace } from "./workspace.ts";

/** A command whose beginning was told. */
export interface ToldRun {
  end(ended: {
    outcome: Pick<Outcome, "json" | "quality"> | undefined;
    error?: unknown;
    status: CommandStatus;
    summary: string;
  }): Promise<void>;
}

/** Commands that load, build or check. */
const TOLD = [
  ...["ingest", "models", "seed", "snapshot", "test", "build", "pipeline", "publish", "retry", "demo"],
  ...["reco train", "reco infer"],
];

/** Whether anything is said of OpenLineage; what it is comes later. */
function isAsked({ ctx, project }: Workspace): boolean {
  const isNamed = Object.keys(ctx.env).some((name) => name.startsWith("OPENLINEAGE_"));
  const inside = (project.file.value as { openlineage?: unknown } | null)?.openlineage; // looked at, no more
  return isNamed || inside !== undefined || existsSync(join(ctx.projectDir, "openlineage.yml"));
}

/** How long a command waits at its end for events that are under way. */
const WAIT_MS = 1000;

/**
 * Prepares the OpenLineage events of a command; null when they go nowhere. Throws what is wrong with their settings
 * (exit 2). A receiver that is away changes neither what a command answers nor, noticeably, how long it takes.
 */
export async function planLineage(
  workspace: Workspace,
  command: string,
): Promise<{ notes: LineageNotes; begin(state: StateDatabase): Promise<ToldRun> } | null> {
  if (!TOLD.includes(command) || !isAsked(workspace)) return null;
  const { ctx, project, folders } = workspace;
  const [{ loadLineageSettings }, { openOutlet }, { startEvent, endEvents }] = await Promise.all([
    import("../monitor/openlineage/settings.ts"),
    import("../monitor/openlineage/send.ts"),
    import("../monitor/openlineage/run.ts"),
  ]);
  const settings = loadLineageSettings(ctx, project.name);
  if (settings === null) return null;
  const notes: LineageNotes = { relations: [], engine: null, streams: [] };
  const begin = async (state: StateDatabase): Promise<ToldRun> => {
    const { namespace, transport } = settings;
    const told = {
      ...{ invocationId: ctx.invocationId, namespace, project: project.name, command },
      ...{ startedAt: ctx.startedAt, version: packageVersion() },
      parent: await parentOf(ctx, state, { namespace, project: project.name }),
    };
    const outlet = openOutlet(ctx, state, transport);
    await outlet.take([startEvent(told)]);
    return {
      end: async ({ outcome, error, status, summary }) => {
        try {
          const events = endEvents(told, {
            endedAt: ctx.clock.now(),
            end: ENDS[status] ?? "FAIL",
            message: status === "success" ? null : whatWentWrong(error, summary),
            json: outcome?.json,
            quality: outcome?.quality ?? [],
            streams: notes.streams,
            engine: notes.engine,
            warehouse: warehouseOf(workspace, notes),
            ...(await fromTarget(ctx, folders.target)),
          });
          await outlet.take(events);
          await outlet.finish(WAIT_MS);
        } catch (fault) {
          ctx.log.warn("openlineage_failed", `OpenLineage: the run is not told: ${messageOf(fault)}`);
        }
      },
    };
  };
  return { notes, begin };
}

const ENDS: Partial<Record<CommandStatus, "COMPLETE" | "FAIL" | "ABORT">> = {
  success: "COMPLETE",
  interrupted: "ABORT",
};

function whatWentWrong(error: unknown, summary: string): string {
  const mistakes = projectErrorsOf(error);
  return mistakes.length === 0 ? summary : mistakes.map(describeError).join("\n");
}

async function fromTarget(ctx: Context, target: string) {
  const [{ readRunArtifacts }, { readLineage }, { sourceCodeOf }] = await Promise.all([
    import("../monitor/openlineage/manifest.ts"),
    import("../monitor/incidents/lineage.ts"),
    import("../monitor/openlineage/source-code.ts"),
  ]);
  return {
    artifacts: readRunArtifacts(target, ctx.invocationId),
    lineage: readLineage(target),
    sourceCode: sourceCodeOf(ctx.projectDir),
  };
}

function warehouseOf({ target }: Workspace, { relations }: LineageNotes) {
  const { path } = target.duckdb;
  const database = databaseName(path);
  const named = relations.map((one): [string, CatalogRelation] => [
    [one.database ?? database, one.schema, one.name].join("."),
    one,
  ]);
  return { path, database, relations: new Map(named) };
}

const PARENT = /^([^/]+(?:\/\/[^/]+)?)\/(.+)\/([0-9a-f-]{36})$/i;

/** The run that OPENLINEAGE_PARENT_ID names as `namespace/job/run`, or the job of `run up` that this is a step of. */
async function parentOf(
  { env }: Context,
  state: StateDatabase,
  { namespace, project }: { namespace: string; project: string },
): Promise<ParentRun | undefined> {
  const named = PARENT.exec(environmentValue(env, "OPENLINEAGE_PARENT_ID") ?? "");
  if (named !== null) {
    const [, space = "", name = "", runId = ""] = named;
    return { runId, job: { namespace: space, name } };
  }
  const id = environmentValue(env, RUN_VARIABLES.run);
  if (id === undefined) return undefined;
  const run = await state.selectFrom("runs").select("job").where("id", "=", id).executeTakeFirst();
  if (run?.job == null) return undefined;
  const { nameOfJob } = await import("../monitor/openlineage/job.ts");
  return { runId: id, job: { namespace, name: nameOfJob(project, run.job) } };
}
