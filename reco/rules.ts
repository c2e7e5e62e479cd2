import type { Rules } from "./settings.ts";

/** What the rules look at. */
export interface RuledTrack {
  id: string;
  artist: string;
  genres: readonly string[];
}

/** Whether the rules forbid a track. */
export function createBlocking(rules: Rules): (track: RuledTrack) => boolean {
  const tracks = new Set(rules.blocked_tracks);
  const artists = new Set(rules.blocked_artists);
  const blocked = new Set(rules.blocked_genres);
  return ({ id, artist, genres }) =>
    tracks.has(id) || artists.has(artist) || genres.some((genre) => blocked.has(genre));
}

/** The same of a track by its place in a catalogue. */
export function blockedBy(
  rules: Rules,
  { ids, artists, genres }: { ids: readonly string[]; artists: readonly string[]; genres: string[][] },
): (track: number) => boolean {
  const isBlocked = createBlocking(rules);
  return (track) =>
    isBlocked({ id: ids[track] ?? "", artist: artists[track] ?? "", genres: genres[track] ?? [] });
}
