import { expect, onTestFinished, test } from "vitest";
import { type Life, type LifeOptions, startLife, type Week } from "../population/life.ts";
import { temporaryFolder } from "./cli.ts";

/** A service whose history is a few weeks old: shorter windows, and only the rules that a test is about. */
const settings = (more: string) =>
  `{drift: {min_samples: 150, reference_days: 14}, live: {min_samples: 400}, ${more}}`;

async function life(options: Pick<LifeOptions, "settings"> & Partial<LifeOptions>): Promise<Life> {
  const started = await startLife({ folder: temporaryFolder(), users: 120, seed: 1, weeks: 5, ...options });
  onTestFinished(() => started.end());
  return started;
}

async function weeks(of: Life, count: number): Promise<Week[]> {
  const lived: Week[] = [];
  for (let week = 0; week < count; week++) lived.push(await of.liveWeek());
  return lived;
}

test("tastes drift, success falls, and retraining brings it back by itself", async () => {
  const of = await life({
    settings: settings(
      "rollback: {success_drop: false}, retrain: {drift: {features: false}, new_listens: false}",
    ),
  });
  const calm = await weeks(of, 3);
  for (const { version, successRate, retraining } of calm) {
    expect({ version, action: retraining.action }).toEqual({ version: 1, action: null });
    expect(successRate).toBeGreaterThan(0.5);
  }
  of.population.drift(0.95, of.now());
  const [fallen, ...after] = await weeks(of, 4);
  expect(fallen).toMatchObject({ version: 1, retraining: { action: "retrain", held: null } });
  expect(fallen?.successRate).toBeLessThan(0.15);
  const reasons = fallen?.retraining.rules.filter(({ fired }: { fired: boolean }) => fired);
  expect(reasons.map(({ rule }: { rule: string }) => rule)).toEqual(["success_drop"]);
  expect(reasons[0].text).toMatch(
    /^success on discover \d\.\d % of 1,200 shown, in its first days 5\d\.\d % of /,
  );
  const last = after.at(-1);
  expect(last?.version).toBeGreaterThan(1);
  expect(last?.successRate).toBeGreaterThan(3 * (fallen?.successRate ?? 1));
  const { entries } = await of.run("reco", "audit");
  const decisions = entries.filter(({ kind }: { kind: string }) => kind === "decision");
  expect(decisions[0]).toMatchObject({
    kind: "decision",
    action: "retrain",
    outcome: "promoted",
    version: last?.version,
  });
  const { series } = await of.run("metrics", "show", "reco_success_ratio");
  expect(series[0].points.length).toBeGreaterThan(3);
}, 300_000);

test("a new champion that listeners dislike is rolled back by itself, once", async () => {
  const of = await life({
    settings: settings(
      "retrain: {success_drop: false, drift: {features: false, popularity: false, predictions: false, cold: false}, new_listens: false, age_days: false}",
    ),
    spoils: (version) => version === 2,
  });
  const [first] = await weeks(of, 1);
  expect(first).toMatchObject({ version: 1, retraining: { action: null } });
  await of.run("reco", "train");
  const dry = await of.run("reco", "retrain", "--dry-run");
  expect(dry).toMatchObject({ action: null, dry_run: true });
  const trained = await of.run("reco", "audit", "--limit", "1");
  expect(trained.entries).toMatchObject([{ kind: "registry", action: "promoted", version: 2, former: 1 }]);
  await of.run("reco", "infer");
  const [bad, good] = await weeks(of, 2);
  expect(bad).toMatchObject({
    version: 2,
    successRate: 0,
    retraining: {
      action: "rollback",
      rolled_back_to: 1,
      promotion: { model_version: 2, former: 1, worse: true },
    },
  });
  expect(good).toMatchObject({ version: 1, retraining: { action: null } });
  expect(good?.successRate).toBeGreaterThan(0.5);
  const { entries } = await of.run("reco", "audit");
  expect(entries.slice(0, 2)).toMatchObject([
    { kind: "registry", action: "rolled_back", version: 1, former: 2 },
    { kind: "decision", action: "rollback", outcome: "rolled_back", version: 1, former: 2 },
  ]);
}, 300_000);
