import { appendFileSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Context } from "../../core/context.ts";
import { messageOf } from "../../core/errors.ts";
import { readSecret } from "../../core/secret-places.ts";
import type { StateDatabase } from "../../state/database.ts";
import {
  claimEvents,
  type LineageEvent,
  queueEvents,
  releaseEvents,
  removeEvents,
} from "../../state/lineage-queue.ts";
import type { RunEvent } from "./event.ts";
import type { Transport } from "./settings.ts";

/** Where the events of a project go. Nothing that fails here is thrown. */
export interface LineageOutlet {
  /** Takes events over, and begins to send them where they are sent. */
  take(events: readonly RunEvent[]): Promise<void>;
  /** Waits for what is being sent, so many milliseconds at most; what is left is sent by a later command or by `run up`. */
  finish(waitMs: number): Promise<void>;
}

/** Opens the way to a transport. */
export function openOutlet(ctx: Context, state: StateDatabase, transport: Transport): LineageOutlet {
  return transport.type === "file" ? fileOutlet(ctx, transport) : httpOutlet(ctx, state, transport);
}

function bodyOf(ctx: Context, event: RunEvent): string {
  return ctx.secrets.mask(JSON.stringify(event));
}

function tellFailed(ctx: Context, why: string): void {
  ctx.log.warn("openlineage_failed", `OpenLineage: ${why}`);
}

/** One event a line. */
function fileOutlet(ctx: Context, { log_file_path }: Transport & { type: "file" }): LineageOutlet {
  const file = resolve(ctx.projectDir, log_file_path);
  return {
    take: async (events) => {
      try {
        mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
        appendFileSync(file, events.map((event) => `${bodyOf(ctx, event)}\n`).join(""), { mode: 0o600 });
      } catch (error) {
        tellFailed(ctx, `the events are lost: ${messageOf(error)}`);
      }
    },
    finish: async () => undefined,
  };
}

type Http = Transport & { type: "http" };

/** Events wait in the store until the receiver confirms them. */
function httpOutlet(ctx: Context, state: StateDatabase, transport: Http): LineageOutlet {
  const stop = new AbortController();
  let work: Promise<string | null> = Promise.resolve(null);
  const isLeft = new Set<string>();
  const send = () => {
    work = work.then((failed) => failed ?? sendQueued(ctx, state, { transport, signal: stop.signal }));
  };
  return {
    take: async (events) => {
      try {
        const rows = events.map((event) => ({ runId: event.run.runId, body: bodyOf(ctx, event) }));
        await queueEvents(state, ctx.clock.now(), rows);
        send();
      } catch (error) {
        isLeft.add(messageOf(error));
      }
    },
    finish: async (waitMs) => {
      const timer = setTimeout(() => stop.abort(), waitMs);
      const failed = await work;
      clearTimeout(timer);
      const why = [...isLeft, ...(failed === null ? [] : [failed])];
      if (why.length > 0) tellFailed(ctx, `events wait to be sent: ${ctx.secrets.mask(why.join("; "))}`);
    },
  };
}

/** Requests under way at once. */
const TOGETHER = 8;

/**
 * Sends what waits, in its order; events of one run never overtake each other. Returns why it was left before the end,
 * null when nothing is left. Never throws.
 */
export async function sendQueued(
  ctx: Context,
  state: StateDatabase,
  { transport, signal }: { transport: Http; signal: AbortSignal },
): Promise<string | null> {
  let held = new Set<number>();
  try {
    const headers = headersOf(ctx, transport);
    for (;;) {
      const rows = await claimEvents(state, ctx.clock.now());
      if (rows.length === 0) return null;
      held = new Set(rows.map(({ id }) => id));
      const sent: number[] = [];
      try {
        for (const group of groupsOf(rows)) {
          const done = await Promise.allSettled(
            group.map((row) => post(ctx, row, { transport, headers, signal })),
          );
          sent.push(...group.filter((_, place) => done[place]?.status === "fulfilled").map(({ id }) => id));
          const failed = done.find((one) => one.status === "rejected");
          if (failed !== undefined) throw failed.reason;
        }
      } finally {
        await removeEvents(state, sent);
        for (const id of sent) held.delete(id);
      }
    }
  } catch (error) {
    await releaseEvents(state, [...held]).catch(() => undefined); // The lease ends by itself.
    return messageOf(error);
  }
}

/** Neighbours that may be under way together: no two of one run. */
function groupsOf(rows: readonly LineageEvent[]): LineageEvent[][] {
  const groups: LineageEvent[][] = [];
  for (const row of rows) {
    const last = groups.at(-1);
    if (last === undefined || last.length === TOGETHER || last.some(({ run_id }) => run_id === row.run_id))
      groups.push([row]);
    else last.push(row);
  }
  return groups;
}

function headersOf(ctx: Context, { auth }: Http): Record<string, string> {
  const type = { "content-type": "application/json" };
  if (auth === undefined) return type;
  if (typeof auth === "string") ctx.secrets.add(auth);
  const key = typeof auth === "string" ? auth : readSecret(ctx, auth);
  return { ...type, authorization: `Bearer ${key}` };
}

const FIRST_DELAY_MS = 100;

/** Throws when it may be taken later; an event that is refused for good is told and done with. */
async function post(
  ctx: Context,
  { body }: LineageEvent,
  { transport, headers, signal }: { transport: Http; headers: Record<string, string>; signal: AbortSignal },
): Promise<void> {
  const { url, endpoint, timeout, retries } = transport;
  const address = `${url.replace(/\/$/, "")}/${endpoint.replace(/^\//, "")}`;
  for (let attempt = 0; ; attempt++) {
    let why: string;
    try {
      const response = await fetch(address, {
        method: "POST",
        headers,
        body,
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
      });
      await response.arrayBuffer();
      if (response.ok) return;
      why = `the receiver answered ${response.status}`;
      if ([400, 413, 422].includes(response.status)) return tellFailed(ctx, `an event is refused: ${why}`);
      if (response.status < 500 && response.status !== 429) throw new Error(why);
    } catch (error) {
      if (signal.aborted) throw new Error("the receiver is slow");
      if (error instanceof Error && /^the receiver answered/.test(error.message)) throw error;
      why = whyUnreached(error, timeout);
    }
    if (attempt >= retries) throw new Error(why);
    await ctx.clock.sleep(FIRST_DELAY_MS * 2 ** attempt, signal).catch(() => undefined);
  }
}

function whyUnreached(error: unknown, timeout: number): string {
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${timeout / 1000} s`;
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : messageOf(cause);
}
