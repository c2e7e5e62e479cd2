import type { PageRequest } from "../answers.ts";
import type { FaultRule } from "../faults.ts";
import { createRandom, type Random } from "../world/random.ts";

export interface Strike {
  rule: FaultRule;
  /** For what the rule leaves open. */
  random: Random;
}

/** Decides which requests are struck. The same seed strikes the same attempts at a page, in whatever order they come. */
export function createStrikes(
  seed: number,
): (rules: readonly FaultRule[], request: PageRequest) => Strike | undefined {
  const attempts = new Map<string, number>();
  const tallies = new WeakMap<FaultRule, { seen: number; struck: number }>();
  return (rules, request) => {
    const name = `${request.stream}/${request.page}/${request.size}`;
    const attempt = (attempts.get(name) ?? 0) + 1;
    attempts.set(name, attempt);
    for (const [index, rule] of rules.entries()) {
      if (!isMeant(rule, request)) continue;
      const tally = tallies.get(rule) ?? { seen: 0, struck: 0 };
      tallies.set(rule, tally);
      tally.seen += 1;
      const random = createRandom(`${seed}/faults/${index}/${name}/${attempt}`);
      const isOver = tally.struck >= (rule.times ?? Number.POSITIVE_INFINITY);
      if (tally.seen <= (rule.after ?? 0) || isOver || !random.chance(rule.probability ?? 1)) continue;
      tally.struck += 1;
      return { rule, random };
    }
    return undefined;
  };
}

function isMeant(rule: FaultRule, request: PageRequest): boolean {
  const isStream = rule.stream === undefined || rule.stream === request.stream;
  return isStream && (rule.page === undefined || rule.page === request.page);
}
