import { describe, expect, test } from "vitest";
import { parseYaml } from "../../core/yaml.ts";
import { bootstrapInterval } from "../../reco/evaluate/bootstrap.ts";
import type { Judgement } from "../../reco/evaluate/judge.ts";
import { describeLists, scoreList } from "../../reco/evaluate/metrics.ts";
import { checkGate } from "../../reco/registry/gate.ts";
import { readRecoSettings } from "../../reco/settings.ts";

const settings = (text = "{}") => readRecoSettings(parseYaml("project.yml", text));

describe("metrics of a list", () => {
  test("are those of the definitions", () => {
    const scores = scoreList([7, 1, 8, 2], new Set([1, 2, 3]), 4);
    expect(scores.recall).toBeCloseTo(2 / 3);
    expect(scores.precision).toBeCloseTo(2 / 4);
    expect(scores.mrr).toBeCloseTo(1 / 2);
    expect(scores.map).toBeCloseTo((1 / 2 + 2 / 4) / 3);
    const ideal = 1 + 1 / Math.log2(3) + 1 / 2;
    expect(scores.ndcg).toBeCloseTo((1 / Math.log2(3) + 1 / Math.log2(5)) / ideal);
    expect(scores.hit_rate).toBe(1);
  });

  test("are nothing without a hit, and one for a perfect list", () => {
    expect(scoreList([7], new Set([1]), 10)).toEqual({
      recall: 0,
      precision: 0,
      ndcg: 0,
      map: 0,
      mrr: 0,
      hit_rate: 0,
    });
    expect(scoreList([1, 2], new Set([1, 2]), 2)).toEqual({
      recall: 1,
      precision: 1,
      ndcg: 1,
      map: 1,
      mrr: 1,
      hit_rate: 1,
    });
  });

  test("of all lists tell coverage, novelty, diversity and popularity bias", () => {
    const facts = { artistOf: ["a", "b", "c", "d"], genresOf: [["x"], ["x"], ["y"], ["z"]] };
    const world = { facts, listeners: Int32Array.of(7, 3, 1, 0), userCount: 7, k: 2 };
    const described = describeLists([[0, 1], [0]], world);
    expect(described.coverage).toBeCloseTo(2 / 3);
    expect(described.novelty).toBeCloseTo((0 + 1 + 0) / 3);
    expect(described.diversity).toBeCloseTo(0.5);
    expect(described.popularity_bias).toBeCloseTo((1 + 0.5 + 1) / 3);
  });
});

test("a bootstrap interval holds the mean, and is the same for the same seed", () => {
  const values = Array.from({ length: 200 }, (_, place) => (place % 10) / 10);
  const [low, high] = bootstrapInterval(values, 1);
  expect(low).toBeLessThan(0.45);
  expect(high).toBeGreaterThan(0.45);
  expect(bootstrapInterval(values, 1)).toEqual([low, high]);
});

describe("the gate", () => {
  const judged = (ndcg: number, { popularity = 0.1, users = 100, coverage = 0.5 } = {}) =>
    ({
      discover: { metrics: { ndcg, users, coverage } },
      popularity: { metrics: { ndcg: popularity } },
    }) as unknown as Judgement; // what the gate reads of it
  const failedOf = (...args: Parameters<typeof checkGate>) =>
    checkGate(...args)
      .filter(({ isMet }) => !isMet)
      .map(({ name }) => name);

  test("asks for more than popularity, test users and coverage", () => {
    expect(failedOf(judged(0.2), null, settings())).toEqual([]);
    expect(failedOf(judged(0.1), null, settings())).toEqual(["beats_popularity"]);
    expect(failedOf(judged(0.2, { users: 3, coverage: 0.001 }), null, settings())).toEqual([
      "test_users",
      "coverage",
    ]);
  });

  test("lets nothing through that is worse than the champion by more than the tolerance", () => {
    const champion = { version: 3, ndcg: 0.21 };
    expect(failedOf(judged(0.208), champion, settings())).toEqual([]);
    expect(failedOf(judged(0.2), champion, settings())).toEqual(["not_worse_than_champion"]);
  });
});

test("settings name the place of a mistake", () => {
  expect(settings("reco: {rules: {blocked_tracks: [12, '13']}}").rules.blocked_tracks).toEqual(["12", "13"]);
  expect(() => settings("reco: {variety: 2}")).toThrow(/variety/);
});
