import type { Context } from "../../core/context.ts";
import { type ProjectError, ProjectErrors, projectErrorsOf } from "../../core/errors.ts";

/** Whether configs that this version does not know are mistakes: a dbt project may give any. */
export type UnknownConfigs = "refused" | "noted";

/** Gathers the mistakes of a project, so that all of them are reported at once. */
export class Mistakes {
  private readonly errors: ProjectError[] = [];
  private readonly unsupported: string[] = [];

  constructor(readonly unknownConfigs: UnknownConfigs = "refused") {}

  add(error: ProjectError): void {
    this.errors.push(error);
  }

  addAll(errors: readonly ProjectError[]): void {
    this.errors.push(...errors);
  }

  /** The result of `work`; undefined, with its mistakes kept, when it throws them. */
  attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      const found = projectErrorsOf(error);
      if (found.length === 0) throw error;
      this.errors.push(...found);
      return undefined;
    }
  }

  /** Notes what the project declares and this version does not do. */
  cannotRun(where: string, what: string, why: readonly string[] = []): void {
    this.unsupported.push(`${where}  ${what}${why.map((line) => `; ${line}`).join("")}`);
  }

  /** One warning for all of it. */
  warnOfUnsupported(ctx: Context): void {
    if (this.unsupported.length === 0) return;
    const list = this.unsupported.map((line) => `\n  ${line}`).join("");
    ctx.log.warn("not_supported", `these are read and do nothing yet:${list}`, { entries: this.unsupported });
  }

  throwIfAny(): void {
    if (this.errors.length > 0) throw new ProjectErrors(this.errors);
  }
}
