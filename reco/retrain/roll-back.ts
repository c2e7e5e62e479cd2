import type { StateDatabase } from "../../state/database.ts";
import { findModel, listModelEvents, readAliases } from "../../state/registry.ts";
import { shifted } from "../live/live.ts";
import { hasDropped, type Outcomes, rateOf, readSettled, readSuccess } from "../live/success.ts";
import type { RecoSettings } from "../settings.ts";
import { percent } from "./rules.ts";

/** What a promotion has done to live success. */
export interface PromotionVerdict {
  version: number;
  /** The champion before, which is there to go back to. */
  former: number;
  isWorse: boolean;
  /** A shelf each, with the figures. */
  texts: string[];
}

/**
 * The last promotion beside the former champion's last days. Undefined when there was none of late, or the champion got
 * there by a rollback: that is done once. A shelf is worse when success has fallen as `hasDropped` says.
 */
export async function judgePromotion(
  outcomes: Outcomes,
  state: StateDatabase,
  { rollback, live }: Pick<RecoSettings, "rollback" | "live">,
): Promise<PromotionVerdict | undefined> {
  const { success_drop: drop, within_days } = rollback;
  if (drop === false) return undefined;
  const { champion } = await readAliases(state);
  const moves = (await listModelEvents(state)).filter(({ action }) => MOVES.includes(action));
  const [last] = moves;
  if (champion === undefined || last === undefined || last.action !== "promoted") return undefined;
  const { former, at, version } = last;
  if (version !== champion || former === null || former === version) return undefined;
  if (shifted(at, within_days) < outcomes.now || (await findModel(state, former)) === undefined)
    return undefined;
  const settled = await readSettled(outcomes, former);
  if (settled === undefined) return undefined;
  const before = await readSuccess(outcomes, former, {
    settledAfter: shifted(settled.last, -live.window_days),
  });
  const after = await readSuccess(outcomes, version, { shownFrom: at });
  const texts: string[] = [];
  let isWorse = false;
  for (const [shelf, own] of after) {
    const other = before.get(shelf);
    if (other === undefined) continue;
    const isShelfWorse = hasDropped(other, own, { drop, minSamples: live.min_samples });
    isWorse ||= isShelfWorse;
    texts.push(
      `success on ${shelf} ${percent(rateOf(own))} by v${version}, ${percent(rateOf(other))} by v${former} before${isShelfWorse ? "" : ": not worse"}`,
    );
  }
  return { version, former, isWorse, texts };
}

const MOVES = ["promoted", "rolled_back"];
