import { createBlend } from "./blend.ts";
import { createAsk, type Listener } from "./members.ts";
import { MEMBERS, type Member, type Model } from "./model.ts";
import type { Ranked } from "./top.ts";

/** Candidates that each member names, and tracks of the blend, before a list is picked from them. */
export const DEPTH = 200;

/** Unknown tracks for a user by the blend of the model's members, the best first. */
export function createDiscover(
  model: Model,
  isBlocked: (track: number) => boolean,
): (listener: Listener) => { blend: Ranked; members: ReadonlyMap<Member, Ranked> } {
  const ask = createAsk(model, { depth: DEPTH, isBlocked });
  const blend = createBlend(model.trackIds.length, DEPTH);
  const { weights } = model.recipe;
  const asked = MEMBERS.filter((member) => weights[member] > 0);
  return (listener) => {
    const members = new Map(asked.map((member) => [member, ask(listener, member)]));
    return { blend: blend(members, weights), members };
  };
}
