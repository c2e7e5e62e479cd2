import type { CursorDefinition } from "../../core/sillon.ts";
import type { StreamRange } from "../reader.ts";

/** The parameters by which a server leaves out what is not asked for, where the cursor names any. */
export function rangeParameters(
  cursor: CursorDefinition | undefined,
  { since, until }: StreamRange,
): Record<string, string> {
  const { parameter, untilParameter } = cursor ?? {};
  return {
    ...(parameter === undefined || since === null ? {} : { [parameter]: String(since) }),
    ...(untilParameter === undefined || until === null ? {} : { [untilParameter]: String(until) }),
  };
}
