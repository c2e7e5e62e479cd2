import type { MemberCounts } from "../contract/members.ts";
import { compareMembers, type Difference, findExchange, observed } from "./compare.ts";
import { guessRenames, type RenamePlace } from "./renames.ts";
import { knownMembers } from "./schema-table.ts";

const NONE: Difference = { changes: [], opened: [], closed: [] };

/** How the records that are about to be committed differ from earlier ones. Writes nothing. */
export async function findDrift(
  place: RenamePlace,
  counts: MemberCounts,
  concludesMissing: boolean,
): Promise<Difference> {
  if (counts.records === 0) return NONE;
  const known = await knownMembers(place);
  const came = observed(counts, concludesMissing);
  const exchange = known.length === 0 ? { gone: [], added: [] } : findExchange(known, came);
  const renames = await guessRenames(place, exchange);
  return compareMembers(known, came, { ...exchange, renames });
}
