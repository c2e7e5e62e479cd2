// `npm run bench -- reco`: candidates of recommendations beside the Python library implicit, on MovieLens 100K and on
// synthetic plays of 10,000 users and tracks.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { type SparseRows, sparseRows } from "../reco/candidates/matrix.ts";
import { createAsk } from "../reco/candidates/members.ts";
import { createRandom } from "../reco/candidates/random.ts";
import { scoreList } from "../reco/evaluate/metrics.ts";
import { type Fitted, fetchMovieLens, fitImplicit, installImplicit } from "./implicit.ts";

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SEEDS = [1, 2, 3, 4, 5];
const MOVIES = { factors: 64, iterations: 15, regularization: 10, alpha: 0.25 };
const SYNTHETIC = { factors: 64, iterations: 15, regularization: 0.1, alpha: 1 };
const SIZE = 10_000;
const PLAYS = 80;
const NEIGHBOURS = 50;

export async function benchReco(): Promise<void> {
  const folder = join(tmpdir(), "sillon-bench-reco");
  mkdirSync(folder, { recursive: true });
  const python = installImplicit(folder);
  const movies = python === undefined ? undefined : fetchMovieLens(folder, python);
  if (python === undefined || movies === undefined) console.log("MovieLens 100K: NOT RUN, not reachable");
  else await onMovies(join(folder, "movies"), { python, lines: movies });
  onSynthetic(join(folder, "synthetic"), python);
}

async function onMovies(folder: string, { python, lines }: { python: string; lines: string[] }) {
  const { plays, trackCount, truth } = splitMovies(lines);
  writeMatrix(folder, plays);
  const pairs = SEEDS.map((seed) => {
    const parameters = { ...MOVIES, seed };
    const ours = fitOurs(folder, { trackCount, parameters });
    return { ours, theirs: fitImplicit(python, { folder, trackCount, kind: "als", parameters }) };
  });
  const scores = pairs.map(({ ours, theirs }) =>
    [ours.lists, theirs.lists].map((lists) => meanScores(lists, truth)),
  );
  const mean = (side: number, name: "ndcg" | "recall") =>
    scores.reduce((sum, sides) => sum + (sides[side]?.[name] ?? 0), 0) / scores.length;
  tell("ML-100K, ALS, ndcg@10, mean of 5 seeds", mean(0, "ndcg"), ">= 0.205");
  tell("  recall@10", mean(0, "recall"), ">= 0.12");
  tell("  ndcg@10 of implicit", mean(1, "ndcg"));
  tell("  ndcg@10 against implicit", mean(0, "ndcg") / mean(1, "ndcg"), ">= 0.99");
  for (const kind of ["cosine", "bm25"] as const) {
    const lists = listsOf(plays, await neighboursInSql(plays, { kind, trackCount }));
    const theirs = fitImplicit(python, { folder, trackCount, kind, parameters: { neighbours: NEIGHBOURS } });
    tell(`ML-100K, item-kNN ${kind}, ndcg@10`, meanScores(lists, truth).ndcg);
    tell(
      "  share of places equal to implicit's",
      equality(lists, theirs.lists),
      kind === "cosine" ? ">= 0.98" : ">= 1",
    );
  }
}

function onSynthetic(folder: string, python: string | undefined) {
  writeMatrix(folder, syntheticPlays());
  const parameters = { ...SYNTHETIC, seed: 1 };
  const rounds = Array.from({ length: 3 }, () => ({
    ours: fitOurs(folder, { trackCount: SIZE, parameters }),
    theirs: python && fitImplicit(python, { folder, trackCount: SIZE, kind: "als", parameters }),
  }));
  const middle = (values: number[]) => values.sort((left, right) => left - right)[1] ?? Number.NaN;
  tell("10k x 10k, ALS, CPU s", middle(rounds.map(({ ours }) => ours.fit.cpuSeconds)));
  tell("  wall s", middle(rounds.map(({ ours }) => ours.fit.wallSeconds)));
  tell("  peak MB of the process", middle(rounds.map(({ ours }) => ours.peakMb)), "<= 150");
  const ratios = rounds.flatMap(({ ours, theirs }) =>
    theirs ? [ours.fit.cpuSeconds / theirs.fit.cpuSeconds] : [],
  );
  if (ratios.length > 0) {
    tell("  CPU against implicit", middle(ratios), "<= 1");
    tell("  peak MB of implicit", middle(rounds.map(({ theirs }) => (theirs ? theirs.peakMb : 0))));
  }
  tell(
    "  lists of ten, users/s of one core",
    middle(rounds.map(({ ours }) => ours.usersPerSecond)),
    ">= 10000",
  );
}

function fitOurs(
  folder: string,
  { trackCount, parameters }: { trackCount: number; parameters: object },
): Fitted & { usersPerSecond: number } {
  const args = [file("./reco-fit.mjs"), folder, String(trackCount), JSON.stringify(parameters)];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`reco-fit ended with ${status}: ${stderr.slice(-500)}`);
  return JSON.parse(readFileSync(join(folder, "ours.json"), "utf8"));
}

/** The last fifth of each user's ratings, by their time, is what is to be found; a rating counts as so many plays. */
function splitMovies(lines: readonly string[]) {
  const ratings = lines.map((line) => line.split("\t").map(Number) as [number, number, number, number]);
  const users = groupByUser(ratings);
  const rows = [...users]
    .sort(([left], [right]) => left - right)
    .map(([, own]) => own.sort((a, b) => a[3] - b[3]));
  const parts = rows.map((own) => {
    const cut = own.length - Math.max(1, Math.round(own.length / 5));
    return { known: own.slice(0, cut), later: own.slice(cut) };
  });
  const entries = parts.flatMap(({ known }, row) => known.map(([, item, value]) => ({ row, item, value })));
  const items = [...new Set(entries.map(({ item }) => item))].sort((left, right) => left - right);
  const places = new Map(items.map((id, place) => [id, place]));
  // What nobody had rated before is no part of the catalogue, and is missed.
  const placeOf = (item: number) => places.get(item) ?? -item;
  entries.sort((left, right) => left.row - right.row || left.item - right.item);
  const plays = sparseRows(rows.length, {
    rows: entries.map(({ row }) => row),
    columns: entries.map(({ item }) => placeOf(item)),
    values: entries.map(({ value }) => value),
  });
  const truth = parts.map(({ later }) => new Set(later.map(([, item]) => placeOf(item))));
  return { plays, truth, trackCount: places.size };
}

function syntheticPlays(): SparseRows {
  const random = createRandom(1);
  const entries = Array.from({ length: SIZE }, () => {
    const tracks = new Set<number>();
    while (tracks.size < PLAYS) tracks.add(Math.floor(SIZE * random() ** 2));
    return [...tracks].sort((left, right) => left - right);
  });
  return sparseRows(SIZE, {
    rows: entries.flatMap((tracks, row) => tracks.map(() => row)),
    columns: entries.flat(),
    values: entries.flat().map(() => 1 + Math.floor(random() * 4)),
  });
}

function writeMatrix(folder: string, matrix: SparseRows): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ["offsets", "columns", "values"] as const)
    writeFileSync(join(folder, name), new Uint8Array(matrix[name].buffer));
}

/** By the project's own model, over a table of these plays. */
async function neighboursInSql(
  plays: SparseRows,
  { kind, trackCount }: { kind: "cosine" | "bm25"; trackCount: number },
): Promise<SparseRows> {
  const sql = readFileSync(file("../models/marts/feat_similar_tracks.sql"), "utf8")
    .replace("{{ ref('feat_user_tracks') }}", "plays")
    .replace("{{ var('reco_history_tracks', 500) }}", "100000")
    .replace("{{ var('reco_neighbours', 50) }}", String(NEIGHBOURS));
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(
      "create table plays (cutoff integer, user_id integer, track_id integer, plays double, decayed_plays double)",
    );
    const appender = await connection.createAppender("plays");
    for (let row = 0; row + 1 < plays.offsets.length; row++)
      for (let entry = plays.offsets[row] ?? 0; entry < (plays.offsets[row + 1] ?? 0); entry++) {
        for (const value of [0, row, plays.columns[entry] ?? 0]) appender.appendInteger(value);
        for (let column = 0; column < 2; column++) appender.appendDouble(plays.values[entry] ?? 0);
        appender.endRow();
      }
    appender.closeSync();
    const reader = await connection.runAndReadAll(
      `select track_id, similar_track_id, similarity from (${sql}) where measure = '${kind}'`,
    );
    const [rows = [], columns = [], values = []] = reader.getColumns() as number[][];
    return sparseRows(trackCount, { rows, columns, values });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function listsOf(plays: SparseRows, neighbours: SparseRows): number[][] {
  const trackIds = Array.from({ length: neighbours.offsets.length - 1 }, (_, track) => String(track));
  const recipe = {
    measure: "cosine",
    als: { factors: 2, iterations: 1, regularization: 1, alpha: 1, seed: 1 },
    weights: { popular: 0, segment: 0, artists: 0, neighbours: 1, factors: 0 },
  } as const;
  const model = {
    ...{ recipe, cutoff: "", trackIds, neighbours, artistOf: [] },
    ...{ factors: new Float32Array(0), segments: new Map(), artists: new Map() },
  };
  const ask = createAsk(model, { depth: 10, isBlocked: () => false });
  return Array.from(plays.offsets.subarray(1), (_, row) => [
    ...ask({ id: String(row), row, plays, decayed: plays, weights: plays, segment: "all" }, "neighbours")
      .tracks,
  ]);
}

function meanScores(lists: readonly number[][], truth: readonly ReadonlySet<number>[]) {
  const scores = truth.map((wanted, user) => scoreList(lists[user] ?? [], wanted, 10));
  const mean = (name: "ndcg" | "recall") =>
    scores.reduce((sum, score) => sum + score[name], 0) / scores.length;
  return { ndcg: mean("ndcg"), recall: mean("recall") };
}

/** Places that name a track which the other list of the user names too. */
function equality(lists: readonly number[][], others: readonly number[][]): number {
  const named = lists.flatMap((list, user) => list.map((track) => others[user]?.includes(track) ?? false));
  return named.filter(Boolean).length / named.length;
}

function tell(what: string, value: number, bound = "told only"): void {
  console.log(`${what}: ${value >= 100 ? value.toFixed(0) : value.toFixed(4)} (${bound})`);
}

function groupByUser<T extends readonly number[]>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) {
    const group = groups.get(row[0] ?? 0) ?? [];
    group.push(row);
    groups.set(row[0] ?? 0, group);
  }
  return groups;
}
