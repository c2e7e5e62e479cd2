import type { Opinion } from "../feedback/store.ts";
import type { Snapshot } from "./snapshot.ts";
import type { ServedItem } from "./store.ts";

/** What a listener's own words of late change in a list. */
export interface Taste {
  /** By track: liked or not; the newest word counts. */
  liked: ReadonlySet<string>;
  disliked: ReadonlySet<string>;
  /** Tracks that were listened to long enough, with how often, since a moment. */
  listened: ReadonlyMap<string, number>;
}

/** `since` is when the lists were made: listens before it are in them. */
export function tasteOf(
  opinions: readonly Opinion[],
  { since, minListenMs }: { since: string; minListenMs: number },
): Taste {
  const words = new Map<string, "like" | "dislike">();
  const listened = new Map<string, number>();
  for (const { track_id, kind, listened_ms, received_at } of opinions) {
    if (kind === "like" || kind === "dislike") {
      // The newest ones are to come last.
      words.delete(track_id);
      words.set(track_id, kind);
    }
    if (kind === "listen" && (listened_ms ?? 0) >= minListenMs && received_at >= since)
      listened.set(track_id, (listened.get(track_id) ?? 0) + 1);
  }
  const of = (wanted: string) => new Set([...words].filter(([, word]) => word === wanted).map(([id]) => id));
  return { liked: of("like"), disliked: of("dislike"), listened };
}

/** By which a track of an artist whom the listener disliked something of counts less. */
const SHADOW = 0.5;
/** What a neighbour of a liked track is worth, against the list's best. */
const NEARNESS = 0.9;
const LIKES = 5;

/**
 * A list after what its listener said: disliked tracks are gone and others by their artists sink; neighbours of liked
 * tracks come into discover, liked tracks to the top of on repeat. The same list when nothing was said.
 */
export function applyTaste(
  items: readonly ServedItem[],
  { taste, shelf, snapshot }: { taste: Taste; shelf: string; snapshot: Snapshot },
): ServedItem[] {
  const { liked, disliked, listened } = taste;
  if (liked.size + disliked.size === 0) return [...items];
  const best = items[0]?.score ?? 1;
  const found = new Map(items.map((item) => [item.track_id, { ...item }]));
  for (const id of [...liked].reverse().slice(0, LIKES)) {
    const text = snapshot.track(id);
    if (text === undefined) continue;
    if (shelf === "on_repeat")
      found.set(id, { ...text, track_id: id, rank: 0, score: best * 1.01, why: "you like it" });
    else {
      const near = snapshot.similar(id)?.slice(0, 10) ?? [];
      const nearest = near[0]?.score || 1;
      for (const item of near) {
        const score = (best * NEARNESS * item.score) / nearest;
        raise(found, { ...item, score, why: `because you like ${text.title}` });
      }
    }
  }
  const shadowed = new Set([...disliked].map((id) => snapshot.track(id)?.artist ?? ""));
  shadowed.delete("");
  const known = shelf === "discover" ? new Set([...liked, ...listened.keys()]) : new Set<string>();
  return [...found.values()]
    .filter(({ track_id }) => !disliked.has(track_id) && !known.has(track_id))
    .map((item) => (shadowed.has(item.artist) ? { ...item, score: item.score * SHADOW } : item))
    .sort((left, right) => right.score - left.score);
}

function raise(found: Map<string, ServedItem>, item: ServedItem): void {
  const former = found.get(item.track_id);
  if (former === undefined || former.score < item.score) found.set(item.track_id, item);
}
