import type { Context } from "../core/context.ts";
import type { IngestSettings } from "./settings.ts";

/**
 * The wait after so many attempts. It doubles with each; a tenth of it is certain, so that a host that is down is not
 * asked in a hurry, and the rest is left to chance, so that streams that failed together do not come back together.
 */
export function backoffMs(
  ctx: Pick<Context, "random">,
  { backoffBaseMs }: IngestSettings,
  attempts: number,
): number {
  return Math.ceil(backoffBaseMs * 2 ** (attempts - 1) * (0.1 + 0.9 * ctx.random()));
}
