import { messageOf } from "../core/errors.ts";
import type { RunRow, StateDatabase } from "../state/database.ts";
import { countEvents, queueEvents } from "../state/lineage-queue.ts";
import { packageVersion } from "./invocation.ts";
import type { Workspace } from "./workspace.ts";

/** What `run up` does for OpenLineage: it tells of jobs, and sends what commands left. */
export interface LineageSender {
  /** Tells that a job's run has begun or ended, as its row says. */
  tell(run: RunRow): void;
  /** Ends within a moment; what is left waits. */
  stop(): Promise<void>;
}

const LOOK_MS = 5000;
/** After a receiver that was away. */
const PAUSE_MS = 60_000;

/** Throws what is wrong with the settings (exit 2). */
export async function startLineageSender(
  { ctx, project }: Workspace,
  state: StateDatabase,
): Promise<LineageSender> {
  const { loadLineageSettings } = await import("../monitor/openlineage/settings.ts");
  const settings = loadLineageSettings(ctx, project.name);
  if (settings === null) return { tell: () => undefined, stop: async () => undefined };
  const [{ openOutlet, sendQueued }, { jobEvents }] = await Promise.all([
    import("../monitor/openlineage/send.ts"),
    import("../monitor/openlineage/job.ts"),
  ]);
  const { transport, namespace } = settings;
  const told = { namespace, project: project.name, version: packageVersion() };
  const stop = new AbortController();
  let telling: Promise<unknown> = Promise.resolve();
  let work: Promise<void> | undefined;
  let notBefore = 0;
  const keep = async (run: RunRow) => {
    const events = jobEvents(told, run);
    if (transport.type === "file") return openOutlet(ctx, state, transport).take(events);
    const rows = events.map((event) => ({ runId: run.id, body: ctx.secrets.mask(JSON.stringify(event)) }));
    if (rows.length > 0) await queueEvents(state, ctx.clock.now(), rows);
  };
  const look = async () => {
    if (transport.type === "file" || ctx.clock.now().getTime() < notBefore) return;
    if ((await countEvents(state)) === 0) return;
    const failed = await sendQueued(ctx, state, { transport, signal: stop.signal });
    if (failed === null || stop.signal.aborted) return;
    notBefore = ctx.clock.now().getTime() + PAUSE_MS;
    ctx.log.warn("openlineage_failed", `OpenLineage: events wait to be sent: ${ctx.secrets.mask(failed)}`);
  };
  const timer = setInterval(() => {
    work ??= look()
      .catch(() => undefined) // The store is busy: the next look comes soon.
      .finally(() => {
        work = undefined;
      });
  }, LOOK_MS);
  return {
    tell: (run) => {
      // As it is now: the row is brought up to date later.
      const row = { ...run };
      telling = telling
        .then(() => keep(row))
        .catch((error: unknown) => {
          ctx.log.warn("openlineage_failed", `OpenLineage: a run is not told: ${messageOf(error)}`);
        });
    },
    stop: async () => {
      clearInterval(timer);
      stop.abort();
      await work;
      await telling;
    },
  };
}
