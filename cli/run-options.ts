import { existsSync } from "node:fs";
import { z } from "zod";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { TestOptions } from "../runner/data-tests/data-tests.ts";
import type { SelectionOptions } from "../runner/select/select.ts";
import { INDIRECT_MODES } from "../runner/select/words.ts";
import { type CommonOptions, parseVars, type Workspace } from "./workspace.ts";

/** What commands that run nodes of the graph are asked for. */
export interface RunOptions extends SelectionOptions, TestOptions {
  onlySelected?: boolean;
  fullRefresh?: boolean;
  /** False with `--no-reuse`: what is unchanged is made anew as well. */
  reuse?: boolean;
  eventTimeStart?: string;
  eventTimeEnd?: string;
  /** Models, seeds and snapshots get columns and no rows. */
  empty?: boolean;
  /** Nothing is run, and what would be is told. */
  dryRun?: boolean;
  /** Of `run models`. */
  asOf?: string;
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
    vars: parseVars(common.vars),
    profiles_dir: target.profilesDir,
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
    empty: options.empty ?? false,
    warn_error: common.warnError ?? false,
    warn_error_options: common.warnErrorOptions ?? null,
    as_of: options.asOf ?? null,
  };
}

const words = z.array(z.string()).nullish();
const flag = z.boolean().nullish();
const text = z.string().nullish();

const argsSchema = z.object({
  which: z.enum(["run", "seed", "snapshot", "test", "build"]),
  invocation_command: text,
  target: text,
  threads: z.number().nullish(),
  vars: z.record(z.string(), z.unknown()).nullish(),
  profiles_dir: text,
  select: words,
  exclude: words,
  selector: text,
  indirect_selection: z.enum(INDIRECT_MODES).nullish(),
  resource_types: words,
  exclude_resource_types: words,
  full_refresh: flag,
  no_reuse: flag,
  fail_fast: flag,
  store_failures: flag,
  only_selected: flag,
  event_time_start: text,
  event_time_end: text,
  empty: flag,
  warn_error: flag,
  // dbt writes a map, of names that are not ours.
  warn_error_options: text.catch(null),
  as_of: text,
  pipeline: z.object({ streams_loaded: z.boolean(), left_out: z.array(z.string()) }).nullish(),
});

/** The command that an earlier run_results.json is of. */
export interface RecordedCommand {
  which: z.output<typeof argsSchema>["which"];
  /** As it was typed. */
  invocation: string;
  options: RunOptions;
  common: CommonOptions;
  /** Of `run pipeline`: whether all streams were loaded, and what its selection kept from being published. */
  pipeline: { streamsLoaded: boolean; leftOut: string[] } | null;
}

/** Reads what `recordedArgs` wrote, or dbt. Throws RETRY_COMMAND (exit 2). */
export function readRecordedArgs(args: Record<string, unknown>, file: string): RecordedCommand {
  const parsed = argsSchema.safeParse(args);
  if (!parsed.success) {
    throw new ProjectError("RETRY_COMMAND", {
      message: "these results do not say what can be run again",
      where: file,
      why: z.prettifyError(parsed.error).split("\n").slice(0, 4),
      hint: "run the command itself: run build, run models, run seed, run snapshot, run test or run pipeline",
      exitCode: EXIT.usage,
    });
  }
  const { data } = parsed;
  const { vars, pipeline } = data;
  return {
    which: data.which,
    invocation: data.invocation_command ?? `run ${data.which}`,
    options: withoutNothing({
      select: data.select,
      exclude: data.exclude?.length ? data.exclude : null,
      selector: data.selector,
      indirectSelection: data.indirect_selection,
      resourceType: data.resource_types?.length ? data.resource_types : null,
      excludeResourceType: data.exclude_resource_types,
      fullRefresh: data.full_refresh,
      reuse: data.no_reuse === true ? false : null,
      failFast: data.fail_fast,
      storeFailures: data.store_failures,
      onlySelected: data.only_selected,
      eventTimeStart: data.event_time_start,
      eventTimeEnd: data.event_time_end,
      empty: data.empty,
      asOf: data.as_of,
    }),
    common: withoutNothing({
      target: data.target,
      threads: data.threads,
      vars: vars ? JSON.stringify(vars) : null,
      // A run that was copied from another machine may name a folder that is not here.
      profilesDir: data.profiles_dir != null && existsSync(data.profiles_dir) ? data.profiles_dir : null,
      warnError: data.warn_error || null,
      warnErrorOptions: data.warn_error_options,
    }),
    pipeline: pipeline ? { streamsLoaded: pipeline.streams_loaded, leftOut: pipeline.left_out } : null,
  };
}

type Given<T> = { [K in keyof T]?: NonNullable<T[K]> };

function withoutNothing<T extends Record<string, unknown>>(values: T): Given<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value != null)) as Given<T>;
}
