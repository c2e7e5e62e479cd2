import { createDiscover, DEPTH } from "../candidates/lists.ts";
import { at, rowRange } from "../candidates/matrix.ts";
import { type Listener, repeatsOf } from "../candidates/members.ts";
import type { Model } from "../candidates/model.ts";
import { NOTHING, type Ranked } from "../candidates/top.ts";
import { inCoherentOrder, pickList, type TrackFacts } from "../candidates/variety.ts";
import { blockedBy } from "../rules.ts";
import type { ServedItem } from "../serve/store.ts";
import type { RecoSettings } from "../settings.ts";
import type { Catalogue } from "../train/dataset.ts";

/** What is prepared for one user. */
export interface UserLists {
  discover: ServedItem[];
  on_repeat: ServedItem[];
  playlists: { name: string; items: ServedItem[] }[];
}

/** A way to prepare a user's lists with a model that is aligned with the catalogue. */
export function createPreparing(
  model: Model,
  { catalogue, settings }: { catalogue: Catalogue; settings: RecoSettings },
): (listener: Listener) => UserLists {
  const isBlocked = blockedBy(settings.rules, catalogue);
  const discover = createDiscover(model, isBlocked);
  const facts: TrackFacts = { artistOf: catalogue.artists, genresOf: catalogue.genres };
  const rules = {
    length: settings.list_length,
    variety: settings.variety,
    maxPerArtist: settings.rules.max_per_artist,
  };
  const explain = createExplaining(model, catalogue);
  return (listener) => {
    const { blend } = discover(listener);
    const fresh = pickList(head(blend, rules.length * 3), facts, rules);
    const again = repeatsOf(listener, { depth: DEPTH, isBlocked });
    const repeats = pickList(head(again, rules.length), facts, { ...rules, variety: 0 });
    const whys = explain(listener, fresh.tracks);
    const why = (track: number) => whys.get(track) ?? playedOften(listener, track);
    return {
      discover: itemsOf(catalogue, fresh, why),
      on_repeat: itemsOf(catalogue, repeats, why),
      playlists: [
        {
          name: listener.segment === "all" ? "Your mix" : `Your ${listener.segment} mix`,
          items: itemsOf(
            catalogue,
            createPlaylist([repeats, fresh], { facts, ...rules, length: settings.playlist_length }),
            why,
          ),
        },
      ],
    };
  };
}

/** A playlist of the wanted length from several lists by turns, varied, then put in an order to be played in. */
export function createPlaylist(
  lists: readonly Ranked[],
  { facts, ...rules }: { facts: TrackFacts; length: number; variety: number; maxPerArtist: number },
): Ranked {
  const tracks = new Set<number>();
  const longest = Math.max(0, ...lists.map((list) => list.tracks.length));
  for (let place = 0; place < longest; place++)
    for (const list of lists) if (place < list.tracks.length) tracks.add(at(list.tracks, place));
  const turns = Int32Array.from(tracks);
  const scores = Float32Array.from(turns, (_, place) => 1 - place / Math.max(1, turns.length));
  return inCoherentOrder(pickList({ tracks: turns, scores }, facts, rules), facts);
}

/** What anybody may be served: tracks that are popular of late in a segment. */
export function fallbackItems(
  list: Ranked,
  { segment, catalogue, settings }: { segment: string; catalogue: Catalogue; settings: RecoSettings },
): ServedItem[] {
  const isBlocked = blockedBy(settings.rules, catalogue);
  const { list_length: length } = settings;
  const picked = pickAllowed(list, (track) => !isBlocked(track), { length, catalogue, settings });
  return itemsOf(catalogue, picked, () => popularWith(segment));
}

/** For each track its neighbours, itself left out. */
export function createNeighbourhood(
  model: Model,
  { catalogue, settings }: { catalogue: Catalogue; settings: RecoSettings },
): (track: number) => ServedItem[] {
  const { columns, values } = model.neighbours;
  const isBlocked = blockedBy(settings.rules, catalogue);
  return (own) => {
    const range = rowRange(model.neighbours, own);
    const near = {
      tracks: columns.subarray(...range),
      scores: Float32Array.from(values.subarray(...range)),
    };
    const isAllowed = (track: number) => track !== own && !isBlocked(track);
    const picked = pickAllowed(near, isAllowed, { length: SIMILAR, catalogue, settings });
    const title = catalogue.titles[own] ?? "";
    return itemsOf(catalogue, picked, () => `played by those who play ${title}`);
  };
}

/** The first tracks of a list that are allowed, no artist more often than the cap. */
function pickAllowed(
  { tracks, scores }: Ranked,
  isAllowed: (track: number) => boolean,
  { length, catalogue, settings }: { length: number; catalogue: Catalogue; settings: RecoSettings },
): Ranked {
  const kept = [...tracks.keys()].filter((place) => isAllowed(at(tracks, place)));
  const allowed = {
    tracks: Int32Array.from(kept, (place) => at(tracks, place)),
    scores: Float32Array.from(kept, (place) => at(scores, place)),
  };
  const facts = { artistOf: catalogue.artists, genresOf: catalogue.genres };
  return pickList(allowed, facts, { length, variety: 0, maxPerArtist: settings.rules.max_per_artist });
}

const SIMILAR = 20;

function head({ tracks, scores }: Ranked, length: number): Ranked {
  return { tracks: tracks.subarray(0, length), scores: scores.subarray(0, length) };
}

export function itemsOf(catalogue: Catalogue, list: Ranked, why: (track: number) => string): ServedItem[] {
  return Array.from(list.tracks, (track, place) => ({
    rank: place + 1,
    track_id: catalogue.ids[track] ?? "",
    title: catalogue.titles[track] ?? "",
    artist: catalogue.artists[track] ?? "",
    score: Math.round(at(list.scores, place) * 1e4) / 1e4,
    why: why(track),
  }));
}

function playedOften({ plays, row }: Listener, track: number): string {
  const [from, to] = rowRange(plays, row);
  const place = plays.columns.subarray(from, to).indexOf(track);
  const count = place < 0 ? 0 : Math.round(at(plays.values, from + place));
  if (count === 0) return "you like it";
  return count === 1 ? "you played it once" : `you played it ${count} times`;
}

function popularWith(segment: string): string {
  return segment === "all" ? "popular now" : `popular with those who play ${segment}`;
}

/** The strongest reason for a track: a track of the user's that it is a neighbour of, its artist, or where it is popular. */
function createExplaining(model: Model, catalogue: Catalogue) {
  const best = new Float64Array(model.trackIds.length);
  const source = new Int32Array(model.trackIds.length);
  const { neighbours, artistOf, segments } = model;
  return (listener: Listener, tracks: Int32Array): Map<number, string> => {
    const { weights, row, segment } = listener;
    for (const track of tracks) source[track] = -1;
    for (const track of tracks) best[track] = 0;
    const artists = new Set<string>();
    const [from, to] = rowRange(weights, row);
    for (let entry = from; entry < to; entry++) {
      const own = weights.columns[entry] ?? 0;
      const weight = weights.values[entry] ?? 0;
      if (weight <= 0) continue;
      artists.add(artistOf[own] ?? "");
      const [first, last] = rowRange(neighbours, own);
      for (let place = first; place < last; place++) {
        const track = neighbours.columns[place] ?? 0;
        const worth = weight * (neighbours.values[place] ?? 0);
        if (worth <= (best[track] ?? 0)) continue;
        best[track] = worth;
        source[track] = own;
      }
    }
    const inSegment = new Set((segments.get(segment) ?? NOTHING).tracks);
    const whyOf = (track: number): string => {
      const artist = artistOf[track] ?? "";
      if (artist !== "" && artists.has(artist)) return `more by ${artist}`;
      const own = at(source, track);
      if (own >= 0) return `because you play ${catalogue.titles[own] ?? ""}`;
      return popularWith(inSegment.has(track) ? segment : "all");
    };
    const whys = new Map(Array.from(tracks, (track) => [track, whyOf(track)] as const));
    best.fill(0);
    source.fill(-1);
    return whys;
  };
}
