import type { Context } from "../../core/context.ts";
import { messageOf } from "../../core/errors.ts";
import type { StateDatabase } from "../../state/database.ts";
import type { OutboxRow } from "../../state/monitor-tables.ts";
import { claimNext, dueChannels, markFailed, markSent, pauseChannel } from "../../state/outbox.ts";
import type { MonitorSettings } from "../settings.ts";
import { parseMessage } from "./message.ts";
import { DeliveryError, openSender, type Sender } from "./send.ts";

export interface Delivered {
  sent: number;
  /** To be tried again. */
  failed: number;
  givenUp: number;
  /** The channels that were tried: null where the last message got through, or why it did not, secrets masked. */
  channels: Map<string, string | null>;
}

const FIRST_DELAY_MS = 30_000;
const LONGEST_DELAY_MS = 900_000;

/** The delay after an attempt, growing, with jitter so that messages do not come all at once. */
export function delayAfter(attempts: number, random: () => number): number {
  const longest = Math.min(FIRST_DELAY_MS * 2 ** attempts, LONGEST_DELAY_MS);
  return longest * (0.5 + random() / 2);
}

/**
 * Sends what is due, each message once, channel by channel. What fails is due again later, until it is given up; a
 * channel that fails as a whole is left alone until then. Never throws because of a channel.
 */
export async function deliverDue(
  ctx: Context,
  state: StateDatabase,
  settings: Pick<MonitorSettings, "channels" | "give_up_after">,
): Promise<Delivered> {
  const done: Delivered = { sent: 0, failed: 0, givenUp: 0, channels: new Map() };
  for (const name of await dueChannels(state, ctx.clock.now())) {
    if (ctx.signal.aborted) return done;
    await deliverTo(ctx, state, { name, settings, done });
  }
  return done;
}

async function deliverTo(
  ctx: Context,
  state: StateDatabase,
  { name, settings, done }: { name: string; settings: Parameters<typeof deliverDue>[2]; done: Delivered },
): Promise<void> {
  let sender: Sender | undefined;
  try {
    for (;;) {
      const row = await claimNext(state, name, ctx.clock.now());
      if (row === undefined) return;
      try {
        sender ??= await open(ctx, name, settings);
        await sender.send(row.id, parseMessage(row.payload));
        await markSent(state, row, ctx.clock.now());
        done.sent++;
        done.channels.set(name, null);
      } catch (error) {
        const failure = asDelivery(error);
        const again = await fail(ctx, state, { row, failure, settings, done });
        if (failure.isChannel) {
          // Its own first message is not tried again after all the others.
          if (again !== null) await pauseChannel(state, name, again);
          if (again !== null) return;
        }
      }
      if (ctx.signal.aborted) return;
    }
  } finally {
    sender?.close();
  }
}

async function open(
  ctx: Context,
  name: string,
  { channels }: Pick<MonitorSettings, "channels">,
): Promise<Sender> {
  const channel = channels[name];
  if (channel === undefined)
    throw new DeliveryError(`no channel is called "${name}" any longer`, { isChannel: true });
  return openSender(ctx, channel);
}

/** A setting that is missing or wrong is a fault of the channel. */
function asDelivery(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  return new DeliveryError(messageOf(error), { isChannel: true, cause: error });
}

/** When it is tried again; null when it is given up. */
async function fail(
  ctx: Context,
  state: StateDatabase,
  {
    row,
    failure,
    settings,
    done,
  }: {
    row: OutboxRow;
    failure: DeliveryError;
    settings: Pick<MonitorSettings, "give_up_after">;
    done: Delivered;
  },
): Promise<Date | null> {
  const now = ctx.clock.now().getTime();
  const delay = Math.max(delayAfter(row.attempts, ctx.random), Math.min(failure.waitMs, LONGEST_DELAY_MS));
  const isLast = now + delay > Date.parse(row.created_at) + settings.give_up_after;
  const again = isLast ? null : new Date(now + delay);
  const error = ctx.secrets.mask(failure.message);
  done.channels.set(row.channel, error);
  await markFailed(state, row, { error, again });
  if (again === null) {
    done.givenUp++;
    ctx.log.warn("alert_given_up", `a message to ${row.channel} is given up: ${error}`, { id: row.id });
  } else done.failed++;
  return again;
}
