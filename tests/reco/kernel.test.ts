import { expect, test } from "vitest";
import { createFolding, fitAls } from "../../reco/candidates/als.ts";
import { sparseRows } from "../../reco/candidates/matrix.ts";
import { createRandom } from "../../reco/candidates/random.ts";
import { compileKernel } from "../../reco/kernel/compile.mjs";
import { BLOCK, createKernelScoring } from "../../reco/kernel/scores.ts";
import { KERNEL_WASM } from "../../reco/kernel/wasm.ts";

/** Users by tracks, a user in seven without any play; one in eleven entries is a dislike. */
function plays(userCount: number, trackCount: number) {
  const random = createRandom(7);
  const entries = Array.from({ length: userCount }, (_, user) => {
    const tracks = new Set(
      Array.from({ length: user % 7 === 0 ? 0 : 12 }, () => Math.floor(trackCount * random() ** 2)),
    );
    return [...tracks].map((track) => ({
      ...{ user, track },
      value: (user + track) % 11 === 0 ? -3 : 1 + Math.floor(random() * 4),
    }));
  }).flat();
  return sparseRows(userCount, {
    rows: entries.map(({ user }) => user),
    columns: entries.map(({ track }) => track),
    values: entries.map(({ value }) => value),
  });
}

const options = (factors: number) => ({ factors, iterations: 6, regularization: 0.1, alpha: 3, seed: 4 });

/** The largest distance of two numbers at the same place. */
function distance(left: Float32Array, right: Float32Array): number {
  expect(left.length).toBe(right.length);
  return left.reduce((most, value, place) => Math.max(most, Math.abs(value - (right[place] ?? 0))), 0);
}

test("the kernel that is kept is what its source compiles to", { timeout: 60_000 }, async () => {
  expect((await compileKernel()).toString("base64") === KERNEL_WASM).toBe(true);
});

// Rounding grows from one iteration to the next where little regularization holds it.
test.each([
  [2, 1, 0.1],
  [6, 1, 0.1],
  [16, 1, 0.1],
  [16, 6, 5],
  [19, 6, 5],
  [64, 6, 5],
])(
  "the kernel gives the factors of plain JavaScript: %i of them, after %i iterations",
  (factors, iterations, regularization) => {
    const matrix = plays(150, 70);
    const als = { ...options(factors), iterations, regularization };
    const made = fitAls(matrix, 70, als);
    const plain = fitAls(matrix, 70, als, { isPlain: true });
    expect(distance(made.users, plain.users)).toBeLessThan(1e-3);
    expect(distance(made.tracks, plain.tracks)).toBeLessThan(1e-2);
    expect([...made.users.subarray(0, factors)]).toEqual(Array(factors).fill(0));
  },
);

test("any number of threads gives the same factors, bit by bit", () => {
  const matrix = plays(900, 300);
  const alone = fitAls(matrix, 300, options(16), { threads: 1 });
  for (const threads of [2, 3, 5]) expect(fitAls(matrix, 300, options(16), { threads })).toEqual(alone);
});

test("the kernel scores tracks as the folded factors do, and finds those above a floor", () => {
  const trackCount = BLOCK + 37;
  const matrix = plays(400, trackCount);
  const als = options(10);
  const { tracks } = fitAls(matrix, trackCount, als);
  const scoring = createKernelScoring(tracks, als);
  if (scoring === undefined) throw new Error("no kernel here");
  const [from, to] = [matrix.offsets[5] ?? 0, matrix.offsets[6] ?? 0];
  const scores = scoring.score(matrix.columns.subarray(from, to), matrix.values.subarray(from, to));
  const own = createFolding(tracks, als)(matrix, 5);
  const expected = Float32Array.from({ length: trackCount }, (_, track) =>
    own.reduce((sum, value, place) => sum + value * (tracks[track * 10 + place] ?? 0), 0),
  );
  expect(distance(scores.slice(0, trackCount), expected)).toBeLessThan(1e-3);
  const wanted = [...scores.subarray(0, BLOCK).keys()].filter((track) => (scores[track] ?? 0) > 0.1);
  expect(wanted.length).toBeGreaterThan(0);
  expect([...scoring.above(0, BLOCK, 0.1)]).toEqual(wanted);
});
