import { drawAlbumName, drawArtistName, drawPersonName, drawSongName } from "./names.ts";
import { addToPool, createPool, drawFromPool, type Pool } from "./pool.ts";
import { createIds, createRandom, type Random, shuffle } from "./random.ts";
import {
  DAY_US,
  drawMoment,
  formatTimestamp,
  HISTORY_END_US,
  HISTORY_START_US,
  stampRecord,
  type Track,
} from "./records.ts";

/** From the most to the least liked. */
export const GENRES = [
  "Pop",
  "Rock",
  "Hip Hop",
  "Electronic",
  "R&B",
  "Country",
  "Latin",
  "Metal",
  "Jazz",
  "Folk",
  "Soul",
  "Classical",
  "Punk",
  "Blues",
  "Reggae",
  "Funk",
  "World",
] as const;

export interface Artist {
  name: string;
  genres: string[];
  songwriters: string[];
  album: string;
  /** How many more tracks the album takes. */
  albumRoom: number;
  albumsUs: number;
}

export interface Release {
  track: Track;
  createdUs: number;
}

/** What can be played, by each way in which a listener comes to a track. */
export interface TrackLibrary {
  all: Pool<Release>;
  byGenre: Map<string, Pool<Release>>;
  byArtist: Map<string, Pool<Release>>;
  artists: Artist[];
  artistsByGenre: Map<string, Pool<Artist>>;
  nextId: () => number;
  random: Random;
}

/** All tracks of the start. The most popular one weighs hundreds of times as much as the last. */
export function createTrackLibrary(seed: number, count: number): TrackLibrary {
  const random = createRandom(`${seed}/tracks`);
  const library: TrackLibrary = {
    all: createPool(),
    byGenre: new Map(),
    byArtist: new Map(),
    artists: [],
    artistsByGenre: new Map(),
    nextId: createIds(createRandom(`${seed}/track ids`)),
    random,
  };
  const ranks = shuffle(
    Array.from({ length: count }, (_, rank) => rank),
    random,
  );
  let artist = addArtist(library);
  let tracksLeft = random.integer(3, 14);
  for (const rank of ranks) {
    if (tracksLeft-- === 0) {
      artist = addArtist(library);
      tracksLeft = random.integer(2, 13);
    }
    publishRelease(library, drawRelease(library, artist), 1 / (rank + 5));
  }
  return library;
}

/** A track that nobody can play yet: by an artist who is known already. */
export function createRelease(library: TrackLibrary, createdUs: number): Release {
  const { track } = drawRelease(library, library.random.pick(library.artists));
  const created_at = formatTimestamp(createdUs);
  return { track: { ...track, created_at, updated_at: created_at }, createdUs };
}

export function publishRelease(library: TrackLibrary, release: Release, weight: number): void {
  addToPool(library.all, release, weight);
  addToPool(poolAt(library.byArtist, release.track.artist), release, weight);
  for (const genre of release.track.genres.split(", ")) {
    addToPool(poolAt(library.byGenre, genre), release, weight);
  }
}

/** Genres from the front of the list are drawn more often. */
export function drawGenres(count: number, random: Random): string[] {
  const pool = createPool<string>();
  for (const [rank, genre] of GENRES.entries()) addToPool(pool, genre, 1 / (rank + 4));
  const drawn = new Set<string>();
  while (drawn.size < count) drawn.add(drawFromPool(pool, random) ?? GENRES[0]);
  return [...drawn];
}

function addArtist(library: TrackLibrary): Artist {
  const { random } = library;
  const artist = {
    name: drawArtistName(random),
    genres: drawGenres(random.chance(0.4) ? 2 : 1, random),
    songwriters: Array.from({ length: random.integer(1, 4) }, () => drawPersonName(random)),
    album: "",
    albumRoom: 0,
    albumsUs: 0,
  };
  library.artists.push(artist);
  const weight = 1 / (0.05 + random.next());
  for (const genre of artist.genres) addToPool(poolAt(library.artistsByGenre, genre), artist, weight);
  return artist;
}

function drawRelease(library: TrackLibrary, artist: Artist): Release {
  const { random } = library;
  if (artist.albumRoom-- <= 0) startAlbum(artist, random);
  const createdUs = artist.albumsUs + random.integer(0, DAY_US);
  const genres = random.chance(0.6) ? artist.genres : artist.genres.slice(0, 1);
  const track = {
    id: library.nextId(),
    name: drawSongName(random),
    artist: artist.name,
    songwriters: artist.songwriters.slice(0, random.integer(1, 3)).join(", "),
    duration: drawDuration(random),
    genres: genres.join(", "),
    album: artist.album,
    ...stampRecord(createdUs, random),
  };
  return { track, createdUs };
}

function startAlbum(artist: Artist, random: Random): void {
  artist.album = drawAlbumName(random);
  artist.albumRoom = random.integer(2, 9);
  artist.albumsUs = random.chance(0.15)
    ? drawMoment(HISTORY_START_US, HISTORY_END_US - 14 * DAY_US, random)
    : drawMoment(HISTORY_START_US - 1500 * DAY_US, HISTORY_START_US - DAY_US, random);
}

/** Mostly two to six minutes; now and then an interlude or a long suite. */
function drawDuration(random: Random): string {
  const usual = 120 + random.integer(0, 120) + random.integer(0, 120);
  const seconds = random.chance(0.03) ? random.integer(20, 1500) : usual;
  return [Math.floor(seconds / 60), seconds % 60].map((part) => String(part).padStart(2, "0")).join(":");
}

function poolAt<T>(pools: Map<string, Pool<T>>, name: string): Pool<T> {
  const pool = pools.get(name) ?? createPool<T>();
  pools.set(name, pool);
  return pool;
}
