import type { StateDatabase } from "../state/database.ts";
import { countEvents } from "../state/lineage-queue.ts";
import type { Workspace } from "./workspace.ts";

/** What `run up` does for OpenLineage events that commands left. */
export interface LineageSender {
  /** Ends within a moment; what is left waits. */
  stop(): Promise<void>;
}

const LOOK_MS = 5000;
/** After a receiver that was away. */
const PAUSE_MS = 60_000;

/** Sends what waits for an HTTP receiver. Throws what is wrong with the settings (exit 2). */
export async function startLineageSender(
  { ctx, project }: Workspace,
  state: StateDatabase,
): Promise<LineageSender> {
  const { loadLineageSettings } = await import("../monitor/openlineage/settings.ts");
  const settings = loadLineageSettings(ctx, project.name);
  if (settings?.transport.type !== "http") return { stop: async () => undefined };
  const { sendQueued } = await import("../monitor/openlineage/send.ts");
  const { transport } = settings;
  const stop = new AbortController();
  let work: Promise<void> | undefined;
  let notBefore = 0;
  const look = async () => {
    if (ctx.clock.now().getTime() < notBefore || (await countEvents(state)) === 0) return;
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
    stop: async () => {
      clearInterval(timer);
      stop.abort();
      await work;
    },
  };
}
