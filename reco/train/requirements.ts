import { EXIT, ProjectError } from "../../core/errors.ts";
import type { RecoSettings } from "../settings.ts";
import type { Split } from "./split.ts";

/**
 * Throws RECO_TOO_LITTLE_DATA (exit 1), with every number that is too small, when there is too little to learn from
 * or to be measured by; undefined stands for no listens at all.
 */
export function checkEnough(
  splits: { inner: Split; outer: Split } | undefined,
  { requirements }: RecoSettings,
): void {
  const missing =
    splits === undefined ? ["no listen of a known user to a known track"] : shortages(splits, requirements);
  if (missing.length === 0) return;
  throw new ProjectError("RECO_TOO_LITTLE_DATA", {
    message: "there is too little to train on; the champion stays as it is",
    where: "run reco train",
    why: missing,
    hint: "load more listens: run pipeline; or lower reco.requirements in project.yml",
    exitCode: EXIT.failed,
  });
}

function shortages(
  { inner, outer }: { inner: Split; outer: Split },
  { min_listens, min_users, min_test_users }: RecoSettings["requirements"],
): string[] {
  const { plays, cutoff } = inner.dataset;
  const listens = plays.values.reduce((sum, value) => sum + value, 0);
  const users = plays.offsets.slice(1).filter((end, row) => end > (plays.offsets[row] ?? 0)).length;
  const tests = [inner, outer].map(
    ({ dataset, until, exams }) =>
      [
        exams.discover.users.length,
        `users who met a track new to them from ${day(dataset.cutoff)} to ${day(until)}`,
      ] as const,
  );
  const all = [
    [listens, min_listens, `listens before ${day(cutoff)}`],
    [users, min_users, `users who listened before ${day(cutoff)}`],
    ...tests.map(([count, what]) => [count, min_test_users, what] as const),
  ] as const;
  return all
    .filter(([count, minimum]) => count < minimum)
    .map(([count, minimum, what]) => `${count} ${what}, at least ${minimum} are needed`);
}

function day(moment: string): string {
  return moment.slice(0, 10);
}
