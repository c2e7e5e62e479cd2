import { isAtLeast } from "../drift/divergence.ts";
import type { Drift, DriftKind } from "../drift/drift.ts";
import type { LiveShelf } from "../live/live.ts";
import { hasDropped, rateOf } from "../live/success.ts";
import type { RecoSettings } from "../settings.ts";

/** What the rules look at. */
export interface RetrainFacts {
  /** Null while there is none. */
  champion: { version: number; createdAt: string } | null;
  live: readonly LiveShelf[];
  drift: Drift | undefined;
  /** Listens before the champion's cut-off, and from there until the newest one that features are there for. */
  listens: { learned: number; since: number };
  now: Date;
}

export const RETRAIN_RULES = ["no_champion", "success_drop", "drift", "new_listens", "age"] as const;

/** What a rule says, with the figures. */
export interface RuleVerdict {
  rule: (typeof RETRAIN_RULES)[number];
  isFired: boolean;
  text: string;
}

/** What every rule that is switched on says. Without a champion there is one reason, and no need for others. */
export function judgeRules(
  facts: RetrainFacts,
  { retrain, live }: Pick<RecoSettings, "retrain" | "live">,
): RuleVerdict[] {
  const { champion } = facts;
  if (champion === null) return [{ rule: "no_champion", isFired: true, text: "there is no champion yet" }];
  return [
    ...successRule(facts, { drop: retrain.success_drop, minSamples: live.min_samples }),
    ...driftRule(facts, retrain.drift),
    ...listensRule(facts, retrain.new_listens),
    ...ageRule(champion, facts.now, retrain.age_days),
  ];
}

function successRule(
  { live, champion }: RetrainFacts,
  { drop, minSamples }: { drop: number | false; minSamples: number },
): RuleVerdict[] {
  if (drop === false) return [];
  const own = live.filter(({ alias, first }) => alias === "champion" && first !== null);
  if (own.length === 0)
    return [
      {
        rule: "success_drop",
        isFired: false,
        text: `success of v${champion?.version}: too little to compare its first days with`,
      },
    ];
  return own.map(({ shelf, first, ...last }) => {
    const before = first ?? last;
    return {
      rule: "success_drop",
      isFired: hasDropped(before, last, { drop, minSamples }),
      text: `success on ${shelf} ${percent(rateOf(last))} of ${count(last.shown)} shown, in its first days ${percent(rateOf(before))} of ${count(before.shown)}; limit ${percent(rateOf(before) * (1 - drop))}`,
    };
  });
}

function driftRule(
  { drift }: RetrainFacts,
  limits: Record<DriftKind, "moderate" | "severe" | false>,
): RuleVerdict[] {
  const wanted = Object.entries(limits).filter(([, limit]) => limit !== false);
  if (wanted.length === 0) return [];
  const found = (drift?.measures ?? []).flatMap(({ kind, measure, degree }) => {
    const limit = limits[kind];
    return degree !== null && limit !== false && isAtLeast(degree, limit)
      ? [`${kind}: ${measure} ${degree}`]
      : [];
  });
  return [
    {
      rule: "drift",
      isFired: found.length > 0,
      text:
        found.length > 0
          ? `drift of ${found.join(", ")}`
          : `no drift that asks for it (${wanted.map(([kind, limit]) => `${kind} ${limit}`).join(", ")})`,
    },
  ];
}

function listensRule({ listens: { learned, since } }: RetrainFacts, limit: number | false): RuleVerdict[] {
  if (limit === false) return [];
  const share = learned === 0 ? 0 : since / learned;
  return [
    {
      rule: "new_listens",
      isFired: share >= limit && since > 0,
      text: `${count(since)} new listens, ${percent(share)} of those learned from; limit ${percent(limit)}`,
    },
  ];
}

function ageRule({ createdAt }: { createdAt: string }, now: Date, limit: number | false): RuleVerdict[] {
  if (limit === false) return [];
  const days = (now.getTime() - Date.parse(createdAt)) / 86_400_000;
  return [{ rule: "age", isFired: days >= limit, text: `${days.toFixed(1)} days old; limit ${limit}` }];
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
