import type { TestOptions } from "../runner/data-tests/data-tests.ts";
import type { SelectionOptions } from "../runner/select/select.ts";
import type { Workspace } from "./workspace.ts";

/** What commands that run nodes of the graph are asked for. */
export interface RunOptions extends SelectionOptions, TestOptions {
  onlySelected?: boolean;
  fullRefresh?: boolean;
  /** False with `--no-reuse`: what is unchanged is made anew as well. */
  reuse?: boolean;
  eventTimeStart?: string;
  eventTimeEnd?: string;
}

/** The arguments of a run in run_results.json, by dbt's names: `run retry` reads them. */
export function recordedArgs(
  { invocation, target, options: common }: Workspace,
  options: RunOptions,
): Record<string, unknown> {
  return {
    invocation_command: `run ${invocation}`,
    target: target.name,
    threads: target.duckdb.threads,
    vars: common.vars ?? "{}",
    profiles_dir: common.profilesDir ?? null,
    select: options.select ?? [],
    exclude: options.exclude ?? [],
    selector: options.selector ?? null,
    indirect_selection: options.indirectSelection ?? "eager",
    resource_types: options.resourceType ?? [],
    exclude_resource_types: options.excludeResourceType ?? [],
    full_refresh: options.fullRefresh ?? false,
    no_reuse: options.reuse === false,
    fail_fast: options.failFast ?? false,
    store_failures: options.storeFailures ?? false,
    only_selected: options.onlySelected ?? false,
    event_time_start: options.eventTimeStart ?? null,
    event_time_end: options.eventTimeEnd ?? null,
  };
}
