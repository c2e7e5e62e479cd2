import { createRandom } from "../candidates/random.ts";

const RESAMPLES = 400;

/** The middle 95 % of the mean over users drawn again and again. The same seed gives the same interval. */
export function bootstrapInterval(values: readonly number[], seed: number): [low: number, high: number] {
  if (values.length === 0) return [0, 0];
  const random = createRandom(seed);
  const means = Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[Math.floor(random() * values.length)] ?? 0;
    return sum / values.length;
  }).sort((left, right) => left - right);
  const at = (share: number) => means[Math.min(means.length - 1, Math.floor(share * means.length))] ?? 0;
  return [at(0.025), at(0.975)];
}
