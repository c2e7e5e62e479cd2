import type { Judgement } from "../evaluate/judge.ts";
import type { RecoSettings } from "../settings.ts";

/** One demand on a model that wants to be served, and whether it is met. */
export interface GateCheck {
  name: "unseen_test" | "test_users" | "beats_popularity" | "coverage" | "not_worse_than_champion";
  isMet: boolean;
  /** With the figures, for people. */
  text: string;
}

/** Whether a model may become the champion. The champion's figures are those on the same split; null without one. */
export function checkGate(
  judgement: Judgement,
  champion: { version: number; ndcg: number } | null,
  { requirements, promotion, k }: RecoSettings,
): GateCheck[] {
  const { metrics } = judgement.discover;
  const popularity = judgement.popularity.metrics.ndcg;
  const checks: GateCheck[] = [
    {
      name: "test_users",
      isMet: metrics.users >= requirements.min_test_users,
      text: `${metrics.users} test users, at least ${requirements.min_test_users}`,
    },
    {
      name: "beats_popularity",
      isMet: metrics.ndcg > popularity,
      text: `ndcg@${k} ${figure(metrics.ndcg)}, popularity ${figure(popularity)}`,
    },
    {
      name: "coverage",
      isMet: metrics.coverage >= promotion.min_coverage,
      text: `coverage ${figure(metrics.coverage)}, at least ${promotion.min_coverage}`,
    },
  ];
  if (champion === null) return checks;
  return [
    ...checks,
    {
      name: "not_worse_than_champion",
      isMet: metrics.ndcg >= champion.ndcg * (1 - promotion.tolerance),
      text: `ndcg@${k} ${figure(metrics.ndcg)}, champion v${champion.version} ${figure(champion.ndcg)}`,
    },
  ];
}

function figure(value: number): string {
  return value.toFixed(4);
}
