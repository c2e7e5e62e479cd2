import { describe, expect, test } from "vitest";
import { createFolding, fitAls } from "../../reco/candidates/als.ts";
import { sparseRows, transposed } from "../../reco/candidates/matrix.ts";
import { createRandom } from "../../reco/candidates/random.ts";
import { Top } from "../../reco/candidates/top.ts";
import { inCoherentOrder, likenessOf, pickList } from "../../reco/candidates/variety.ts";

const OPTIONS = { factors: 4, iterations: 15, regularization: 0.1, alpha: 5, seed: 1 };

/** Two tastes: users 0 to 9 play tracks 0 to 4, the others 5 to 9; each leaves one out, or has a word of it. */
function twoTastes(leftOut?: number) {
  const entries = Array.from({ length: 20 }, (_, user) =>
    Array.from({ length: 5 }, (_, track) => ({
      ...{ user, track: track + (user < 10 ? 0 : 5) },
      value: track % 5 === user % 5 ? (leftOut ?? 0) : 1,
    })).filter(({ value }) => value !== 0),
  ).flat();
  return sparseRows(20, {
    rows: entries.map(({ user }) => user),
    columns: entries.map(({ track }) => track),
    values: entries.map(({ value }) => value),
  });
}

describe("ALS", () => {
  test("ranks the track that a user left out above those of another taste", () => {
    const { users, tracks, factors } = fitAls(twoTastes(), 10, OPTIONS);
    const score = (user: number, track: number) =>
      Array.from(
        { length: factors },
        (_, place) => (users[user * factors + place] ?? 0) * (tracks[track * factors + place] ?? 0),
      ).reduce((sum, value) => sum + value, 0);
    for (let user = 0; user < 10; user++) {
      const others = [5, 6, 7, 8, 9].map((track) => score(user, track));
      expect(score(user, user % 5)).toBeGreaterThan(Math.max(...others));
    }
  });

  test("ranks what a user disliked below what the user likes, and lower than what was left out", () => {
    const scoreOf = ({ users, tracks, factors }: ReturnType<typeof fitAls>, user: number, track: number) =>
      users
        .subarray(user * factors, (user + 1) * factors)
        .reduce((sum, value, place) => sum + value * (tracks[track * factors + place] ?? 0), 0);
    const [silent, said] = [fitAls(twoTastes(), 10, OPTIONS), fitAls(twoTastes(-3), 10, OPTIONS)];
    for (let user = 0; user < 10; user++) {
      expect(scoreOf(said, user, user % 5)).toBeLessThan(scoreOf(said, user, (user + 1) % 5));
      expect(scoreOf(said, user, user % 5)).toBeLessThan(scoreOf(silent, user, user % 5));
    }
  });

  test("gives the same factors for the same seed, and finite ones", () => {
    const [left, right] = [fitAls(twoTastes(), 10, OPTIONS), fitAls(twoTastes(), 10, OPTIONS)];
    expect(left).toEqual(right);
    expect([...left.tracks].every(Number.isFinite)).toBe(true);
    expect(fitAls(twoTastes(), 10, { ...OPTIONS, seed: 2 }).tracks).not.toEqual(left.tracks);
  });

  test("folds a user in to where training has that user", () => {
    const plays = twoTastes();
    const { users, tracks, factors } = fitAls(plays, 10, { ...OPTIONS, iterations: 60 });
    const folded = createFolding(tracks, OPTIONS)(plays, 3);
    for (let place = 0; place < factors; place++)
      expect(folded[place]).toBeCloseTo(users[3 * factors + place] ?? 0, 2);
  });
});

test("Top keeps the best, ties in the order of the tracks", () => {
  const random = createRandom(5);
  const offered = Array.from({ length: 500 }, (_, track) => ({ track, score: Math.floor(random() * 40) }));
  const top = new Top(20);
  for (const { track, score } of offered) top.offer(track, score);
  const sorted = offered.sort((left, right) => right.score - left.score || left.track - right.track);
  expect([...top.take().tracks]).toEqual(sorted.slice(0, 20).map(({ track }) => track));
  expect(top.take().tracks.length).toBe(0);
});

test("a transposed matrix has every entry at its mirrored place", () => {
  const matrix = sparseRows(2, { rows: [1, 0, 1], columns: [2, 0, 0], values: [3, 1, 2] });
  const turned = transposed(matrix, 3);
  expect([[...turned.offsets], [...turned.columns], [...turned.values]]).toEqual([
    [0, 2, 2, 3],
    [0, 1, 1],
    [1, 2, 3],
  ]);
});

describe("a list", () => {
  const facts = { artistOf: ["a", "a", "a", "b", "c"], genresOf: [["x"], ["x"], ["x"], ["y"], ["x", "y"]] };
  const ranked = { tracks: Int32Array.of(0, 1, 2, 3, 4), scores: Float32Array.of(1, 0.9, 0.8, 0.7, 0.6) };

  test("has no artist more often than the cap", () => {
    const list = pickList(ranked, facts, { length: 5, variety: 0, maxPerArtist: 2 });
    expect([...list.tracks]).toEqual([0, 1, 3, 4]);
  });

  test("is the more varied the more variety is asked for", () => {
    const varied = pickList(ranked, facts, { length: 3, variety: 0.6, maxPerArtist: 5 });
    expect([...varied.tracks]).toEqual([0, 3, 4]);
    expect([...pickList(ranked, facts, { length: 3, variety: 0, maxPerArtist: 5 }).tracks]).toEqual([
      0, 1, 2,
    ]);
  });

  test("is played so that neighbours are alike", () => {
    const order = inCoherentOrder(
      { tracks: Int32Array.of(0, 3, 1, 4), scores: Float32Array.of(4, 3, 2, 1) },
      facts,
    );
    expect([...order.tracks]).toEqual([0, 1, 4, 3]);
    expect(likenessOf(facts, 0, 1)).toBe(1);
  });
});
