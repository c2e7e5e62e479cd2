import { type ProjectError, ProjectErrors, projectErrorsOf } from "../core/errors.ts";

/** Gathers the mistakes of a project, so that all of them are reported at once. */
export class Mistakes {
  private readonly errors: ProjectError[] = [];

  add(error: ProjectError): void {
    this.errors.push(error);
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

  throwIfAny(): void {
    if (this.errors.length > 0) throw new ProjectErrors(this.errors);
  }
}
