import { z } from "zod";
import { type CursorDefinition, defineSource, type StreamDefinition } from "../../core/sillon.ts";
import { sendPage, type Visit } from "./scripted-api.ts";
import { withScript } from "./setup.ts";
import type { World } from "./world.ts";

export type Event = Record<string, unknown> & { id: number };

export interface Feed {
  events: Event[];
  world: World;
  /** The query of each request, in order. */
  asked: URLSearchParams[];
  /** Called before an answer; true when it answered itself. */
  before: (visit: Visit) => boolean;
  cursor(): Promise<unknown>;
}

interface FeedOptions {
  cursor?: CursorDefinition | undefined;
  stream?: Partial<StreamDefinition>;
  /** Whether the service leaves out what is older than `since`. */
  filters?: boolean;
}

export const cursor: CursorDefinition = { field: "at", parameter: "since" };

/** A world with one stream `events`, and the service behind it. */
export async function withFeed(events: Event[], options: FeedOptions = {}): Promise<Feed> {
  const definition = "cursor" in options ? options.cursor : cursor;
  const source = defineSource({
    name: "moovitamix",
    baseUrl: { env: "MOOVITAMIX_URL" },
    pageSize: 10,
    streams: [
      {
        name: "events",
        path: "/events",
        key: ["id"],
        record: z.looseObject({ id: z.number() }),
        mode: "incremental",
        ...(definition === undefined ? {} : { cursor: definition }),
        ...options.stream,
      },
    ],
  });
  const asked: URLSearchParams[] = [];
  const feed = { events, asked, before: (_visit: Visit) => false };
  const { world } = await withScript(
    (visit) => {
      const { searchParams } = new URL(visit.request.url ?? "", "http://localhost");
      asked.push(searchParams);
      if (feed.before(visit)) return;
      const since = searchParams.get("since");
      const isMeant = ({ at }: Event) => since === null || options.filters === false || String(at) >= since;
      sendPage(
        visit,
        feed.events.filter(isMeant).map((event) => JSON.stringify(event)),
      );
    },
    { source },
  );
  const last = `select "cursor" from raw_moovitamix._loads where outcome = 'ok' order by load_id desc limit 1`;
  return Object.assign(feed, { world, cursor: async () => (await world.rows(last))[0]?.[0] });
}

/** Events 1 to `count`, a minute apart. */
export function minutes(count: number, from = 1): Event[] {
  return Array.from({ length: count }, (_, index) => ({ id: from + index, at: minute(from + index) }));
}

export function minute(number: number): string {
  return new Date(Date.UTC(2026, 0, 1) + number * 60_000).toISOString().replace(".000Z", "Z");
}
