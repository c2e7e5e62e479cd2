import type { Context } from "../../core/context.ts";
import { ProjectError, ProjectErrors, projectErrorsOf } from "../../core/errors.ts";
import { type Session, SqlError } from "../../engines/engine.ts";
import type { Hook, HookText } from "../graph/nodes.ts";
import { parseTemplate, type Template } from "../templates/template.ts";

/** A hook as the engine is given it. */
export interface CompiledHook {
  sql: string;
  isInTransaction: boolean;
  where: string;
}

/** Reads a hook whose template is a value of a configuration: all its places are that of the value. */
export function parseHook({ sql, transaction }: HookText, where: string): Hook {
  const parsed = placedAt(where, () => parseTemplate(where, sql));
  const template: Template = {
    ...parsed,
    uses: parsed.uses.map((use) => ({ ...use, where })),
    render: (context) => ({
      text: placedAt(where, () => parsed.render(context)).text,
      placeOf: () => where,
      callOf: () => undefined,
    }),
  };
  return { template, isInTransaction: transaction, where };
}

/** What goes wrong in `work` has this place. */
export function placedAt<T>(where: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const mistakes = projectErrorsOf(error);
    if (mistakes.length === 0) throw error;
    throw new ProjectErrors(
      mistakes.map(({ code, message, why, hint, exitCode, cause }) => {
        return new ProjectError(code, { message, where, why, hint, exitCode, cause });
      }),
    );
  }
}

/** Runs the hooks one after another; one that renders to nothing is left out. Throws HOOK_SQL. */
export async function runHooks(
  ctx: Context,
  session: Session,
  of: { hooks: readonly CompiledHook[]; owner: string },
): Promise<void> {
  for (const { sql, where } of of.hooks) {
    if (sql.trim() === "") continue;
    try {
      await session.run(sql);
    } catch (error) {
      if (ctx.signal.aborted || !(error instanceof SqlError)) throw error;
      const [first = error.message, ...rest] = error.message.split("\n").filter((line) => line.trim() !== "");
      throw new ProjectError("HOOK_SQL", {
        message: `${of.owner} failed: ${first}`,
        where,
        why: [
          ...rest.slice(0, 4),
          `the statement: ${sql.trim().split("\n").slice(0, 3).join(" ").slice(0, 200)}`,
        ],
        hint: "correct the statement; several statements are several entries of a list",
        cause: error,
      });
    }
  }
}
