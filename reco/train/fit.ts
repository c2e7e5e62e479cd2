import { fitAls } from "../candidates/als.ts";
import { at, transposed } from "../candidates/matrix.ts";
import type { Model, Recipe } from "../candidates/model.ts";
import { type Ranked, Top } from "../candidates/top.ts";
import type { Dataset } from "./dataset.ts";

/** The model that a recipe makes of what was known before the data's cut-off. The same data give the same model. */
export function fitModel(dataset: Dataset, recipe: Recipe): Model {
  const { catalogue, cutoff, weights, neighbours } = dataset;
  const { als } = recipe;
  const usesFactors = recipe.weights.factors > 0;
  return {
    ...commonParts(dataset),
    recipe,
    cutoff,
    neighbours: neighbours[recipe.measure],
    factors: usesFactors ? fitAls(weights, catalogue.ids.length, als).tracks : new Float32Array(0),
  };
}

const TRACKS_PER_ARTIST = 30;

/** What every model tells of tracks, whoever learned it: neighbours, what is popular, and artists. */
export function commonParts(
  dataset: Dataset,
): Pick<Model, "trackIds" | "neighbours" | "segments" | "artists" | "artistOf"> {
  const { catalogue, neighbours, segments } = dataset;
  return {
    trackIds: catalogue.ids,
    neighbours: neighbours.cosine,
    segments,
    artists: tracksByArtist(dataset),
    artistOf: catalogue.artists,
  };
}

function tracksByArtist({ catalogue, plays }: Dataset): Map<string, Ranked> {
  const { offsets } = transposed(plays, catalogue.ids.length);
  const lists = new Map<string, Top>();
  for (const [track, artist] of catalogue.artists.entries()) {
    const listeners = at(offsets, track + 1) - at(offsets, track);
    if (artist === "" || listeners === 0) continue;
    const list = lists.get(artist) ?? new Top(TRACKS_PER_ARTIST);
    list.offer(track, listeners);
    lists.set(artist, list);
  }
  return new Map([...lists].map(([artist, list]) => [artist, list.take()]));
}
