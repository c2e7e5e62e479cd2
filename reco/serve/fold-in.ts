import { join } from "node:path";
import type { StateDatabase } from "../../state/database.ts";
import { findModel } from "../../state/registry.ts";
import { alignModel } from "../candidates/align.ts";
import { sparseRows } from "../candidates/matrix.ts";
import { createPreparing, type UserLists } from "../infer/prepare.ts";
import { readArtefact } from "../registry/artefact.ts";
import type { RecoSettings } from "../settings.ts";
import type { Catalogue } from "../train/dataset.ts";
import type { Snapshot } from "./snapshot.ts";

/** Lists made on the fly from what a user had played and has listened to since. */
export type FoldIn = (user: string, fresh: ReadonlyMap<string, number>) => UserLists;

/** With the model that made the snapshot. Throws RECO_ARTEFACT_DAMAGED (exit 4) when it is not whole. */
export async function createFoldIn(
  snapshot: Snapshot,
  { state, settings, projectDir }: { state: StateDatabase; settings: RecoSettings; projectDir: string },
): Promise<FoldIn | undefined> {
  const row = await findModel(state, snapshot.meta.model_version);
  if (row === undefined) return undefined;
  const seal = { checksum: row.checksum, shape: JSON.parse(row.shape) };
  const kept = readArtefact(join(projectDir, row.artefact), seal);
  const catalogue = catalogueOf(snapshot);
  const prepare = createPreparing(alignModel(kept, catalogue), { catalogue, settings });
  return (user, fresh) => {
    const plays = new Map<number, { plays: number; decayed: number }>();
    const add = (track: string, count: number, decayed: number) => {
      const place = catalogue.places.get(track);
      if (place === undefined) return;
      const former = plays.get(place) ?? { plays: 0, decayed: 0 };
      plays.set(place, { plays: former.plays + count, decayed: former.decayed + decayed });
    };
    for (const one of snapshot.played(user)) add(one.track_id, one.plays, one.decayed);
    for (const [track, count] of fresh) add(track, count, count);
    const columns = [...plays.keys()];
    const rows = columns.map(() => 0);
    const matrix = (name: "plays" | "decayed") =>
      sparseRows(1, { rows, columns, values: [...plays.values()].map((value) => value[name]) });
    return prepare({
      id: user,
      row: 0,
      plays: matrix("plays"),
      decayed: matrix("decayed"),
      weights: matrix("plays"),
      segment: snapshot.segmentOf(user) ?? "all",
    });
  };
}

function catalogueOf(snapshot: Snapshot): Catalogue {
  const tracks = snapshot.tracks();
  const ids = tracks.map(({ id }) => id);
  return {
    ids,
    titles: tracks.map(({ text }) => text.title),
    artists: tracks.map(({ text }) => text.artist),
    genres: tracks.map(({ text }) => text.genres),
    places: new Map(ids.map((id, place) => [id, place])),
  };
}
