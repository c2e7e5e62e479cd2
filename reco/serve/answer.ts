import { hash } from "node:crypto";
import type { FeedbackStore } from "../feedback/store.ts";
import type { RecoSettings } from "../settings.ts";
import type { FoldIn } from "./fold-in.ts";
import { applyTaste, type Taste, tasteOf } from "./opinions.ts";
import type { Ruling } from "./ruling.ts";
import type { Snapshot } from "./snapshot.ts";
import type { ServedItem } from "./store.ts";

export const SHELVES = ["discover", "on_repeat"] as const;
export type Shelf = (typeof SHELVES)[number];

export interface ListRequest {
  user: string;
  shelf: Shelf;
  k: number;
  /** Leaves out what the user is known to have played. */
  isSeenExcluded: boolean;
  /** Only tracks of it. */
  genre: string | undefined;
}

/** One version of what is served. */
export interface Version {
  snapshot: Snapshot;
  ruling: Ruling;
  /** Whether its lists were made by the rules of today. */
  isRuled: boolean;
  /** Where it is switched on and the model is whole. */
  foldIn: FoldIn | undefined;
  arm: "champion" | "challenger";
  /** The probability with which a user is given this version. */
  propensity: number;
}

/** A list ready to be sent. */
export interface Answer {
  body: string;
  bytes: number;
  etag: string;
  /** What the log says of it after request id and time: the rest of a JSON list. */
  logged: string;
  user: string;
}

export interface Makings {
  version: Version;
  feedback: FeedbackStore;
  settings: RecoSettings;
}

/** What a user is recommended, and whether that is by popularity alone for want of anything known of the user. */
export function listFor(
  { user, shelf, k, isSeenExcluded, genre }: ListRequest,
  { version, feedback, settings }: Makings,
): { items: ServedItem[]; isFallback: boolean; segment: string } {
  const { snapshot } = version;
  const isErased = feedback.isErased(user);
  const taste = isErased ? NO_TASTE : tasteFor(user, { version, feedback, settings });
  const own = isErased ? undefined : ownList(user, { shelf, version, taste });
  const segment = (isErased ? undefined : snapshot.segmentOf(user)) ?? "all";
  const popular = snapshot.fallback(genre ?? segment) ?? snapshot.fallback("all") ?? [];
  const isFallback = own === undefined || (own.length === 0 && shelf === "discover");
  const base = isFallback ? popular : own;
  let items = applyTaste(base, { taste, shelf: isFallback ? "discover" : shelf, snapshot });
  // A list that filters have made short is filled up with what is popular; what was played stays what was played.
  if (shelf === "discover") items = distinct([...items, ...popular]);
  const played =
    isSeenExcluded && !isErased ? new Set(snapshot.played(user).map(({ track_id }) => track_id)) : undefined;
  const kept = items.filter(
    ({ track_id }) =>
      !taste.disliked.has(track_id) &&
      !(isSeenExcluded && (taste.listened.has(track_id) || played?.has(track_id) === true)) &&
      (genre === undefined || snapshot.track(track_id)?.genres.includes(genre) === true),
  );
  return {
    items: version
      .ruling(kept)
      .slice(0, k)
      .map((item, place) => ({ ...item, rank: place + 1 })),
    isFallback,
    segment,
  };
}

const NO_TASTE: Taste = { liked: new Set(), disliked: new Set(), listened: new Map() };

export function tasteFor(user: string, { version, feedback, settings }: Makings): Taste {
  return tasteOf(feedback.opinionsOf(user), {
    since: version.snapshot.meta.created_at,
    minListenMs: settings.serving.min_listen_ms,
  });
}

function ownList(
  user: string,
  { shelf, version, taste }: { shelf: Shelf; version: Version; taste: Taste },
): ServedItem[] | undefined {
  const { snapshot, foldIn } = version;
  if (foldIn !== undefined && taste.listened.size > 0) return foldIn(user, taste.listened)[shelf];
  return snapshot.list(user, shelf);
}

function distinct(items: readonly ServedItem[]): ServedItem[] {
  const seen = new Set<string>();
  return items.filter(({ track_id }) => !seen.has(track_id) && seen.add(track_id));
}

export function makeAnswer(request: ListRequest, makings: Makings): Answer {
  const { items, isFallback, segment } = listFor(request, makings);
  const { version, feedback } = makings;
  const { model_version } = version.snapshot.meta;
  const { user, shelf } = request;
  const body = JSON.stringify({
    user_id: user,
    shelf,
    model_version,
    fallback: isFallback,
    items: items.map(servedItem),
  });
  // Of a user who is to be forgotten nothing is written down.
  const logged = feedback.isErased(user)
    ? ""
    : JSON.stringify([
        ...[user, shelf, model_version, version.arm, version.propensity, isFallback ? 1 : 0, segment],
        items.map(({ track_id }) => track_id),
      ]).slice(1);
  return { body, bytes: Buffer.byteLength(body), etag: etagOf(body), logged, user };
}

/** Its own fields alone, in one order. */
export function servedItem({ rank, track_id, title, artist, score, why }: ServedItem): ServedItem {
  return { rank, track_id, title, artist, score: Math.round(score * 1e4) / 1e4, why };
}

export function etagOf(body: string): string {
  return `"${hash("sha1", body, "base64url")}"`;
}
