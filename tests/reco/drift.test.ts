import { describe, expect, onTestFinished, test } from "vitest";
import { createContext } from "../../core/context.ts";
import { openDuckdb } from "../../engines/duckdb.ts";
import { degreeOf, divergenceQuery, milder } from "../../reco/drift/divergence.ts";
import { temporaryFolder } from "../e2e/cli.ts";

const MEMORY = {
  type: "duckdb",
  path: ":memory:",
  schema: "main",
  threads: 1,
  settings: {},
  allowed_directories: [],
} as const;

/** The bins of samples, given as `side, number, category, n`. */
async function binsOf(samples: [string, number | null, string | null, number][]) {
  const ctx = createContext({ projectDir: temporaryFolder(), env: {}, sink: () => undefined });
  const engine = await openDuckdb(ctx, { ...MEMORY, allowed_directories: [] });
  onTestFinished(() => engine.close());
  const session = await engine.openSession();
  const rows = samples.map(
    ([side, number, category, n]) =>
      `select 'k' as kind, 'm' as measure, '${side}' as side, cast(${number ?? "null"} as double) as number, ${category === null ? "null" : `'${category}'`} as category, ${n} as n`,
  );
  const found = await session.query(divergenceQuery(rows.join(" union all ")));
  session.close();
  return found.rows.map((row) => ({
    bin: String(row[2]),
    counts: [Number(row[3]), Number(row[4])],
    part: Number(row[5]),
    psi: Number(row[6]),
    distance: Number(row[7]),
    samples: [Number(row[8]), Number(row[9])],
  }));
}

describe("the distance of two distributions", () => {
  test("is the PSI and the Jensen-Shannon distance of the definitions", async () => {
    const [first, second, ...rest] = await binsOf([
      ["reference", null, "rock", 60],
      ["reference", null, "jazz", 40],
      ["current", null, "rock", 20],
      ["current", null, "jazz", 80],
    ]);
    // Half a sample is added to each of the two bins.
    const share = (count: number) => (count + 0.5) / 101;
    const part = (e: number, a: number) => (share(a) - share(e)) * Math.log(share(a) / share(e));
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ bin: "rock", counts: [60, 20], samples: [100, 100] });
    expect(first?.part).toBeCloseTo(part(60, 20), 12);
    expect(first?.psi).toBeCloseTo(part(60, 20) + part(40, 80), 12);
    expect(second?.psi).toBe(first?.psi);
    // 0.4 and 0.6 are the means of the shares.
    const divergence =
      (0.6 * Math.log2(0.6 / 0.4) + 0.4 * Math.log2(0.4 / 0.6)) / 2 +
      (0.2 * Math.log2(0.2 / 0.4) + 0.8 * Math.log2(0.8 / 0.6)) / 2;
    expect(first?.distance).toBeCloseTo(Math.sqrt(divergence), 12);
  });

  test("is nothing between equals, and 1 where nothing is in common", async () => {
    const [equal] = await binsOf([
      ["reference", null, "rock", 30],
      ["current", null, "rock", 3000],
    ]);
    expect(equal).toMatchObject({ psi: 0, distance: 0 });
    const apart = await binsOf([
      ["reference", null, "rock", 10],
      ["current", null, "jazz", 10],
    ]);
    expect(apart.map(({ bin }) => bin).sort()).toEqual(["other", "rock"]);
    expect(apart[0]?.distance).toBeCloseTo(1, 12);
    expect(Number.isFinite(apart[0]?.psi)).toBe(true);
  });

  test("cuts numbers where the reference has its tenths, and keeps what has no value apart", async () => {
    const hundred = Array.from({ length: 100 }, (_, place): [string, number, null, number] => [
      "reference",
      place + 1,
      null,
      1,
    ]);
    const bins = await binsOf([
      ...hundred,
      ["current", 5, null, 10],
      ["current", 500, null, 70],
      ["current", null, null, 20],
    ]);
    expect(bins).toHaveLength(11);
    expect(bins.find(({ bin }) => bin === "up to 10.0")?.counts).toEqual([10, 10]);
    expect(bins.find(({ bin }) => bin === "above 10.0 to 20.0")?.counts).toEqual([10, 0]);
    expect(bins.find(({ bin }) => bin === "above 90.0")?.counts).toEqual([10, 70]);
    expect(bins.find(({ bin }) => bin === "none")?.counts).toEqual([0, 20]);
    expect(bins[0]?.part).toBe(Math.max(...bins.map(({ part }) => part)));
  });

  test("has ten bins of categories at most: the most frequent ones of the reference, and the rest", async () => {
    const genres = Array.from({ length: 14 }, (_, place): [string, null, string, number] => [
      "reference",
      null,
      `g${place}`,
      100 - place,
    ]);
    const bins = await binsOf([...genres, ["current", null, "g0", 5], ["current", null, "unheard", 7]]);
    expect(bins).toHaveLength(10);
    const rest = 91 + 90 + 89 + 88 + 87;
    expect(bins.find(({ bin }) => bin === "other")?.counts).toEqual([rest, 7]);
  });
});

test("degrees are those of the usual limits, and of two windows the milder one counts", () => {
  expect([0, 0.0999, 0.1, 0.2499, 0.25, 3].map(degreeOf)).toEqual([
    ...["none", "none", "moderate", "moderate", "severe", "severe"],
  ]);
  expect([milder("severe", "moderate"), milder("none", "severe")]).toEqual(["moderate", "none"]);
});
