import { parse } from "yaml";
import { z } from "zod";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import type { LogSink } from "../core/log.ts";
import { nearestLine } from "../core/nearest.ts";

export interface WarnErrorOptions {
  warnError?: boolean;
  /** YAML. */
  warnErrorOptions?: string;
}

/** What becomes of warnings: each is told, is an error, or is left out. */
export interface Warnings {
  /** The sink behind these rules. */
  through(sink: LogSink): LogSink;
  isError(event: string): boolean;
  /** Takes the rules of these options from now on. Throws WARN_ERROR_OPTIONS (exit 2). */
  follow(options: WarnErrorOptions): void;
  /** Names of the warnings that were errors, as often as they came. */
  raised: readonly string[];
  /** Throws WARNINGS (exit 1) when there was one. */
  throwIfAny(): void;
}

/** What `--warn-error-options` may name: the events that are told as warnings. */
export const WARNINGS = [
  ...["batches_failed", "config_ignored", "config_unused", "constraint_unenforced", "load_unrecorded"],
  ...["model_skipped", "models_withheld", "not_supported", "profile_keys_ignored", "project_keys_ignored"],
  ...[
    "publish_withheld",
    "records_quarantined",
    "retry_gone",
    "seed_skipped",
    "selection_empty",
    "snapshot_skipped",
  ],
  ...["as_of_dropped", "contract_broken", "cursor_odd", "records_unasked", "schema_drift"],
  ...["secret_readable", "secret_short", "source_unrecorded"],
  ...["stream_interrupted", "test_skipped", "test_warned"],
] as const;
/** These pass by themselves, and say nothing of the project: never errors. */
export const PASSING = [
  ...[
    "alert_given_up",
    "channel_failing",
    "feedback_uncollected",
    "host_paused",
    "jobs_wrong",
    "lock_awaited",
    "monitor_failed",
    "openlineage_failed",
    "report_unsent",
    "node_unmaintained",
    "parts_stopped",
    "reading_restarted",
    "request_retried",
    "serving_fault",
    "sign_in_retried",
    "stand_in_restarted",
    "store_awaited",
    "warehouse_awaited",
  ],
] as const;

const names = z.array(z.string());
const rulesSchema = z.strictObject({
  error: z.union([z.literal("all"), z.literal("*").transform(() => "all" as const), names]).default([]),
  warn: names.default([]),
  silence: names.default([]),
});
type Rules = z.output<typeof rulesSchema>;

/** Throws WARN_ERROR_OPTIONS (exit 2). */
export function createWarnings(options: WarnErrorOptions): Warnings {
  let rules = rulesOf(options);
  const raised: string[] = [];
  const isSilent = (event: string) => rules.silence.includes(event);
  const isError = (event: string) =>
    (rules.error === "all" ? (WARNINGS as readonly string[]) : rules.error).includes(event) &&
    !rules.warn.includes(event) &&
    !isSilent(event);
  return {
    raised,
    isError,
    follow: (others) => {
      rules = rulesOf(others);
    },
    through: (sink) => (entry) => {
      if (entry.level !== "warn") return sink(entry);
      if (isSilent(entry.event)) return;
      if (!isError(entry.event)) return sink(entry);
      raised.push(entry.event);
      sink({ ...entry, level: "error" });
    },
    throwIfAny: () => {
      if (raised.length > 0) throw warningsRaised(raised);
    },
  };
}

function rulesOf({ warnError = false, warnErrorOptions }: WarnErrorOptions): Rules {
  if (warnErrorOptions === undefined) return { error: warnError ? "all" : [], warn: [], silence: [] };
  let value: unknown;
  try {
    value = parse(warnErrorOptions);
  } catch (error) {
    throw optionsError([messageOf(error).split("\n")[0] ?? ""]);
  }
  const parsed = rulesSchema.safeParse(value);
  if (!parsed.success)
    throw optionsError(parsed.error.issues.map(({ path, message }) => [...path, message].join(": ")));
  const { error, warn, silence } = parsed.data;
  const given = [...(error === "all" ? [] : error), ...warn, ...silence];
  const unknown = given.filter((name) => !(WARNINGS as readonly string[]).includes(name));
  if (unknown.length > 0)
    throw optionsError(
      unknown.flatMap((name) => [`unknown warning "${name}"`, ...nearestLine(name, WARNINGS)]),
    );
  return parsed.data;
}

function optionsError(why: string[]): ProjectError {
  return new ProjectError("WARN_ERROR_OPTIONS", {
    message: "the value of --warn-error-options says not which warnings are errors",
    where: "--warn-error-options",
    why: [...why, `warnings: ${WARNINGS.join(", ")}`],
    hint: "write --warn-error-options '{error: all, warn: [config_unused], silence: [test_warned]}'",
    exitCode: EXIT.usage,
  });
}

function warningsRaised(raised: readonly string[]): ProjectError {
  return new ProjectError("WARNINGS", {
    message: `nothing was run: warnings are errors here (${[...new Set(raised)].join(", ")})`,
    hint: "correct what they name; --warn-error-options '{error: all, warn: [NAME]}' lets one pass",
    exitCode: EXIT.failed,
  });
}
