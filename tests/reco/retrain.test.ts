import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createContext } from "../../core/context.ts";
import { parseYaml } from "../../core/yaml.ts";
import type { Drift, DriftMeasure } from "../../reco/drift/drift.ts";
import type { LiveShelf } from "../../reco/live/live.ts";
import { hasDropped } from "../../reco/live/success.ts";
import { judgeRules, type RetrainFacts } from "../../reco/retrain/rules.ts";
import { readRecoSettings } from "../../reco/settings.ts";
import { openState } from "../../state/database.ts";
import { beginRetraining, coolDownEnd, endRetraining, listRetrainings } from "../../state/retrainings.ts";
import { temporaryFolder } from "../e2e/cli.ts";

const settingsOf = (reco: string) => readRecoSettings(parseYaml("project.yml", `reco: ${reco}\n`));

describe("success has dropped", () => {
  const before = { shown: 1000, successes: 500 };
  const limits = { drop: 0.2, minSamples: 500 };
  test.each([
    ["by the share", { shown: 1000, successes: 400 }, limits, true],
    ["by less than it", { shown: 1000, successes: 401 }, limits, false],
    [
      "by the share, but chance explains it",
      { shown: 500, successes: 230 },
      { ...limits, drop: 0.05 },
      false,
    ],
    ["of too few samples", { shown: 499, successes: 0 }, limits, false],
    ["of enough samples", { shown: 500, successes: 0 }, limits, true],
    ["not, it has risen", { shown: 1000, successes: 600 }, limits, false],
  ])("%s", (_, after, of, expected) => {
    expect(hasDropped(before, after, of)).toBe(expected);
  });

  test("from nothing it cannot, nor with too few samples before", () => {
    const none = { shown: 1000, successes: 0 };
    expect(hasDropped(none, none, limits)).toBe(false);
    expect(hasDropped({ shown: 400, successes: 400 }, { shown: 1000, successes: 0 }, limits)).toBe(false);
  });
});

const DAY_MS = 86_400_000;
const NOW = new Date("2026-03-31T00:00:00Z");
const daysAgo = (days: number) => new Date(NOW.getTime() - days * DAY_MS).toISOString();

function facts(more: Partial<RetrainFacts> = {}): RetrainFacts {
  return {
    champion: { version: 3, createdAt: daysAgo(2) },
    live: [],
    drift: undefined,
    listens: { learned: 1000, since: 0 },
    now: NOW,
    ...more,
  };
}

function shelf(successes: number, more: Partial<LiveShelf> = {}): LiveShelf {
  return {
    ...{ version: 3, alias: "champion", shelf: "discover", coverage: 0.5, fallbackRatio: 0, lists: 100 },
    ...{ shown: 1000, successes, first: { shown: 1000, successes: 500 } },
    ...more,
  };
}

function driftOf(more: Partial<DriftMeasure>): Drift {
  const measure: DriftMeasure = {
    ...{ kind: "popularity", measure: "track rank", psi: 0.3, distance: 0.2, overlap: null },
    ...{ now: "severe", before: "severe", degree: "severe" },
    ...{ referenceSamples: 1000, currentSamples: 1000, most: null },
    ...more,
  };
  return { version: 3, cutoff: daysAgo(2), reference: null, windows: [], measures: [measure] };
}

const fired = (given: Partial<RetrainFacts>, reco = "{}") =>
  judgeRules(facts(given), settingsOf(reco))
    .filter(({ isFired }) => isFired)
    .map(({ rule }) => rule);

describe("a rule to train anew", () => {
  test("is not there when all is well, and each says what it saw", () => {
    const rules = judgeRules(
      facts({ live: [shelf(490)], drift: driftOf({ degree: "moderate" }) }),
      settingsOf("{}"),
    );
    expect(rules).toEqual([
      {
        rule: "success_drop",
        isFired: false,
        text: "success on discover 49.0 % of 1,000 shown, in its first days 50.0 % of 1,000; limit 40.0 %",
      },
      {
        rule: "drift",
        isFired: false,
        text: "no drift that asks for it (features severe, popularity severe, predictions severe, cold severe)",
      },
      {
        rule: "new_listens",
        isFired: false,
        text: "0 new listens, 0.0 % of those learned from; limit 20.0 %",
      },
      { rule: "age", isFired: false, text: "2.0 days old; limit 30" },
    ]);
  });

  test("is the missing champion, and no other then", () => {
    expect(
      judgeRules(facts({ champion: null, listens: { learned: 0, since: 9 } }), settingsOf("{}")),
    ).toEqual([{ rule: "no_champion", isFired: true, text: "there is no champion yet" }]);
  });

  test.each<[what: string, given: Partial<RetrainFacts>, reco: string, expected: string[]]>([
    ["success fell", { live: [shelf(400)] }, "{}", ["success_drop"]],
    [
      "it fell on one shelf of two",
      { live: [shelf(500), shelf(100, { shelf: "on_repeat" })] },
      "{}",
      ["success_drop"],
    ],
    ["it fell for the challenger", { live: [shelf(100, { alias: "challenger" })] }, "{}", []],
    ["its first days are not over", { live: [shelf(100, { first: null })] }, "{}", []],
    ["too few were shown", { live: [shelf(100, { shown: 999 })] }, "{}", []],
    ["it fell by less than asked", { live: [shelf(400)] }, "{retrain: {success_drop: 0.5}}", []],
    ["the rule is off", { live: [shelf(0)] }, "{retrain: {success_drop: false}}", []],
    ["drift in two windows", { drift: driftOf({}) }, "{}", ["drift"]],
    ["drift in the newest window alone", { drift: driftOf({ before: "none", degree: "none" }) }, "{}", []],
    ["drift in a window of too few samples", { drift: driftOf({ before: null, degree: null }) }, "{}", []],
    [
      "moderate drift, where that is the limit",
      { drift: driftOf({ degree: "moderate" }) },
      "{retrain: {drift: {popularity: moderate}}}",
      ["drift"],
    ],
    ["drift of a kind that is off", { drift: driftOf({}) }, "{retrain: {drift: {popularity: false}}}", []],
    ["many new listens", { listens: { learned: 1000, since: 200 } }, "{}", ["new_listens"]],
    ["not so many", { listens: { learned: 1000, since: 199 } }, "{}", []],
    ["it is old", { champion: { version: 3, createdAt: daysAgo(30) } }, "{}", ["age"]],
    ["it is nearly old", { champion: { version: 3, createdAt: daysAgo(29.9) } }, "{}", []],
    [
      "nothing is asked",
      { champion: { version: 3, createdAt: daysAgo(99) } },
      "{retrain: {age_days: false}}",
      [],
    ],
  ])("%s", (_, given, reco, expected) => {
    expect(fired(given, reco)).toEqual(expected);
  });
});

describe("the book of retrainings", () => {
  function book(at: string) {
    const folder = temporaryFolder();
    let now = new Date(at);
    const clock = { now: () => now, sleep: async () => undefined };
    const ctx = createContext({ projectDir: folder, env: {}, sink: () => undefined, clock });
    const state = openState(join(folder, "state.db"));
    onTestFinished(() => state.destroy());
    const begin = () => beginRetraining(ctx, state, { action: "retrain", champion: 1, rules: [] });
    return {
      ctx,
      state,
      begin,
      setTime: (time: string) => {
        now = new Date(time);
      },
    };
  }

  test("the next one waits for the end of the cool-down", async () => {
    const { ctx, state, begin } = book("2026-03-31T00:00:00Z");
    const at = (time: string) => coolDownEnd(state, { hours: 24, now: new Date(time) });
    expect(await at("2026-03-31T00:00:00Z")).toBeUndefined();
    const id = await begin();
    await endRetraining(ctx, state, { id, outcome: "promoted", version: 2, message: "v2 is the champion" });
    expect(await at("2026-03-31T23:59:59Z")).toBe("2026-04-01T00:00:00.000Z");
    expect(await at("2026-04-01T00:00:00Z")).toBeUndefined();
    expect(await coolDownEnd(state, { hours: 0, now: ctx.clock.now() })).toBeUndefined();
  });

  test("one that was cut off is closed by the next, and cools nothing down", async () => {
    const { ctx, state, begin, setTime } = book("2026-03-31T00:00:00Z");
    await begin();
    expect(await coolDownEnd(state, { hours: 24, now: ctx.clock.now() })).toBeUndefined();
    setTime("2026-03-31T01:00:00Z");
    const id = await begin();
    await endRetraining(ctx, state, { id, outcome: "failed", version: null, message: "no disk" });
    expect(await listRetrainings(state)).toMatchObject([
      { id, outcome: "failed", message: "no disk", ended_at: "2026-03-31T01:00:00.000Z" },
      {
        outcome: "interrupted",
        message: "its run ended before it did",
        ended_at: "2026-03-31T01:00:00.000Z",
      },
    ]);
  });
});

test.each([
  ["{retrain: {success_drop: 2}}", "retrain.success_drop"],
  ["{retrain: {drift: {genre: severe}}}", "genre"],
  ["{rollback: {within_days: 0}}", "within_days"],
  ["{live: {min_samples: 0}}", "min_samples"],
])("settings %s are a mistake with its place", (reco, named) => {
  expect(() => settingsOf(reco)).toThrow(
    expect.objectContaining({ message: expect.stringContaining(named.split(".").at(-1) ?? "") }),
  );
});
