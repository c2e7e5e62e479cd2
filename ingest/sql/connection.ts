import { environmentValue } from "../../core/config.ts";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { SqlSourceDefinition } from "../../core/sillon.ts";

/** What the connection's variable holds. Throws CONNECTION_MISSING (exit 2). */
export function connectionText(ctx: Context, { connection, type }: SqlSourceDefinition): string {
  const text = environmentValue(ctx.env, connection.env) ?? connection.default;
  if (text !== undefined) return text;
  throw new ProjectError("CONNECTION_MISSING", {
    message: `${connection.env} holds no connection`,
    where: `environment variable ${connection.env}`,
    hint: `set ${connection.env} to ${EXAMPLES[type]}`,
    exitCode: EXIT.usage,
  });
}

export const EXAMPLES = {
  postgres: "an address such as postgres://user:password@127.0.0.1:5432/shop",
  sqlite: "the path of a SQLite file, such as data/shop.db",
} as const;
