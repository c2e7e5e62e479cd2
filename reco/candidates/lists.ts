import { createBlend } from "./blend.ts";
import { at, rowRange } from "./matrix.ts";
import { createAsk, type Listener } from "./members.ts";
import { type GivenLists, MEMBERS, type Member, type Model } from "./model.ts";
import { type Ranked, Top } from "./top.ts";

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
  const given = model.given === undefined ? undefined : byGiven(model, model.given, isBlocked);
  const asked = MEMBERS.filter((member) => weights[member] > 0);
  return (listener) => {
    const own = given?.(listener);
    if (own !== undefined) return { blend: own, members: new Map() };
    const members = new Map(asked.map((member) => [member, ask(listener, member)]));
    return { blend: blend(members, weights), members };
  };
}

/** The list that was given for a user, without what the user knows and what is blocked; undefined where none was given. */
function byGiven(
  model: Model,
  { userIds, rows }: GivenLists,
  isBlocked: (track: number) => boolean,
): (listener: Listener) => Ranked | undefined {
  const places = new Map(userIds.map((id, place) => [id, place]));
  const isKnown = new Uint8Array(model.trackIds.length);
  const top = new Top(DEPTH);
  return ({ id, plays, row }) => {
    const place = places.get(id);
    if (place === undefined) return undefined;
    const known = plays.columns.subarray(...rowRange(plays, row));
    for (const track of known) isKnown[track] = 1;
    const [from, to] = rowRange(rows, place);
    for (let entry = from; entry < to; entry++) {
      const track = at(rows.columns, entry);
      if (isKnown[track] === 0 && !isBlocked(track)) top.offer(track, at(rows.values, entry));
    }
    for (const track of known) isKnown[track] = 0;
    return top.take();
  };
}
