import { join } from "node:path";
import { createContext } from "../../core/context.ts";
import { createRandom } from "../../moovitamix/world/random.ts";
import { sparseRows } from "../../reco/candidates/matrix.ts";
import type { Model } from "../../reco/candidates/model.ts";
import type { Ranked } from "../../reco/candidates/top.ts";
import { writeArtefact } from "../../reco/registry/artefact.ts";
import { openState } from "../../state/database.ts";
import { addModel } from "../../state/registry.ts";
import { writeServingStore } from "../reco/serving-files.ts";
import type { Projects } from "./folders.ts";
import { createClient, feedbackOf, type Server, servingFolder } from "./serving.ts";

const TRACKS = 10_000;
const FACTORS = 64;
const NEIGHBOURS = 50;
const PLAYED = 40;
const USERS = 1_000;
const CUTOFF = "2026-01-01 00:00:00";

/** Requests for lists that are made on the fly, a hundred times each user's, each of another length. */
export const SCORED = Array.from(
  { length: USERS * 100 },
  (_, place) =>
    `/v1/users/u${place % USERS}/recommendations?k=${1 + ((place + Math.floor(place / USERS)) % 100)}`,
);

/** A project that folds listens into its model: the whole blend, over 10,000 tracks with 64 factors. */
export async function scoringProject(projects: Projects): Promise<string> {
  const folder = projects.make({ "project.yml": "name: shop\nreco: {fold_in: true}\n" });
  const random = createRandom("scoring");
  const track = () => `t${random.integer(0, TRACKS - 1)}`;
  writeServingStore(servingFolder(folder), {
    ...{ name: "n1", version: 1, users: USERS },
    spoil: (store) => {
      store.exec("begin");
      const addTrack = store.prepare("insert or ignore into tracks values (?, ?, ?, ?)");
      for (let place = 0; place < TRACKS; place++)
        addTrack.run(`t${place}`, `Title ${place}`, `Artist ${place % 700}`, '["Rock"]');
      const addPlays = store.prepare(
        "insert or ignore into features values ('user_track', ?, ?, '2026-01-01', '{\"plays\": 3, \"decayed_plays\": 2}')",
      );
      for (let user = 0; user < USERS; user++)
        for (let place = 0; place < PLAYED; place++) addPlays.run(`u${user}`, track());
      store.exec("commit");
    },
  });
  const artefact = "data/models/v1/model.bin";
  const { checksum, shape, sizeBytes } = writeArtefact(join(folder, artefact), modelOf());
  const state = openState(join(folder, "data/state.db"), { project: "shop", folder });
  const ctx = createContext({ projectDir: folder, env: {}, sink: () => undefined });
  await addModel(ctx, state, {
    ...{ version: 1, kind: "blend", artefact, checksum, size_bytes: sizeBytes, shape: JSON.stringify(shape) },
    ...{ experiment_id: "e1", metrics: "{}", lineage: "{}", gate: "[]" },
    ...{ created_at: "2026-01-01T00:00:00.000Z", cutoff: CUTOFF },
  });
  await state.destroy();
  return folder;
}

/** Every user has listened to something since the lists were made. */
export async function listenToSomething({ url }: Server): Promise<void> {
  const client = createClient();
  const sent = Array.from({ length: USERS }, (_, user) => {
    const event = { user_id: `u${user}`, track_id: `t${user}`, kind: "listen", listened_ms: 60_000 };
    return client.ask(url, "/v1/feedback", feedbackOf(`listen-${user}`, event));
  });
  const statuses = (await Promise.all(sent)).map((answer) => answer?.status);
  client.close();
  if (statuses.some((status) => status !== 201)) throw new Error(`not stored: ${statuses}`);
}

function modelOf(): Model {
  const random = createRandom("factors");
  const trackIds = Array.from({ length: TRACKS }, (_, place) => `t${place}`).sort();
  const artistOf = trackIds.map((id) => `Artist ${Number(id.slice(1)) % 700}`);
  const places = [...trackIds.keys()];
  const ranked = (tracks: readonly number[]): Ranked => ({
    tracks: Int32Array.from(tracks),
    scores: Float32Array.from(tracks, (_, place) => 1 / (place + 1)),
  });
  const byArtist = new Map<string, number[]>();
  for (const place of places) {
    const artist = artistOf[place] ?? "";
    byArtist.set(artist, [...(byArtist.get(artist) ?? []), place]);
  }
  return {
    recipe: {
      measure: "bm25",
      als: { factors: FACTORS, iterations: 1, regularization: 0.1, alpha: 1, seed: 1 },
      weights: { popular: 1, segment: 1, artists: 1, neighbours: 1, factors: 1 },
    },
    cutoff: CUTOFF,
    trackIds,
    neighbours: sparseRows(TRACKS, {
      rows: places.flatMap((place) => Array<number>(NEIGHBOURS).fill(place)),
      columns: places.flatMap((place) =>
        Array.from({ length: NEIGHBOURS }, (_, nth) => (place + nth * nth) % TRACKS),
      ),
      values: places.flatMap(() => Array.from({ length: NEIGHBOURS }, (_, nth) => 1 / (nth + 1))),
    }),
    factors: Float32Array.from({ length: TRACKS * FACTORS }, () => random.next() - 0.5),
    segments: new Map(["all", "Rock", "Jazz"].map((name) => [name, ranked(places.slice(0, 200))])),
    artists: new Map([...byArtist].map(([artist, own]) => [artist, ranked(own)])),
    artistOf,
  };
}
