import { at, rowRange, type SparseRows, sparseRows } from "./matrix.ts";
import type { GivenLists, Model } from "./model.ts";
import type { Ranked } from "./top.ts";

/** The model over another catalogue: tracks that are gone go, tracks that it never saw have neither neighbours nor factors. */
export function alignModel(
  model: Model,
  catalogue: { ids: readonly string[]; artists: readonly string[]; places: ReadonlyMap<string, number> },
): Model {
  const isSame =
    model.trackIds.length === catalogue.ids.length &&
    model.trackIds.every((id, place) => id === catalogue.ids[place]);
  if (isSame) return model;
  const places = Int32Array.from(model.trackIds, (id) => catalogue.places.get(id) ?? -1);
  const realigned = (lists: ReadonlyMap<string, Ranked>) =>
    new Map([...lists].map(([name, list]) => [name, alignList(list, places)]));
  return {
    ...model,
    trackIds: catalogue.ids,
    artistOf: catalogue.artists,
    neighbours: alignRows(model.neighbours, places, catalogue.ids.length),
    factors: alignFactors(model, places, catalogue.ids.length),
    segments: realigned(model.segments),
    artists: realigned(model.artists),
    ...(model.given === undefined ? {} : { given: alignGiven(model.given, places) }),
  };
}

function alignList({ tracks, scores }: Ranked, places: Int32Array): Ranked {
  const kept = [...tracks.keys()].filter((index) => at(places, at(tracks, index)) >= 0);
  return {
    tracks: Int32Array.from(kept, (index) => at(places, at(tracks, index))),
    scores: Float32Array.from(kept, (index) => at(scores, index)),
  };
}

function alignGiven({ userIds, rows }: GivenLists, places: Int32Array): GivenLists {
  const kept: { rows: number[]; columns: number[]; values: number[] } = { rows: [], columns: [], values: [] };
  for (const user of userIds.keys()) {
    const [from, to] = rowRange(rows, user);
    for (let entry = from; entry < to; entry++) {
      const column = at(places, at(rows.columns, entry));
      if (column < 0) continue;
      kept.rows.push(user);
      kept.columns.push(column);
      kept.values.push(at(rows.values, entry));
    }
  }
  return { userIds, rows: sparseRows(userIds.length, kept) };
}

function alignRows(matrix: SparseRows, places: Int32Array, trackCount: number): SparseRows {
  const rows: number[] = [];
  const columns: number[] = [];
  const values: number[] = [];
  for (let track = 0; track < places.length; track++) {
    const row = at(places, track);
    const [from, to] = rowRange(matrix, track);
    for (let entry = from; entry < to && row >= 0; entry++) {
      const column = at(places, at(matrix.columns, entry));
      if (column < 0) continue;
      rows.push(row);
      columns.push(column);
      values.push(at(matrix.values, entry));
    }
  }
  return sparseRows(trackCount, { rows, columns, values });
}

function alignFactors({ factors, recipe }: Model, places: Int32Array, trackCount: number): Float32Array {
  if (factors.length === 0) return factors;
  const width = recipe.als.factors;
  const aligned = new Float32Array(trackCount * width);
  for (const [track, place] of places.entries())
    if (place >= 0) aligned.set(factors.subarray(track * width, (track + 1) * width), place * width);
  return aligned;
}
