/**
 * What an error or a warning is about. validation: what came is not what was agreed on; network: a service could not be
 * reached or did not answer; compute: engine, memory, disk, locks; data: rows that break a claim; configuration: what
 * somebody has to change in the project or its surroundings.
 */
export const ERROR_KINDS = ["validation", "network", "compute", "data", "configuration"] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** Codes that differ from others with the same first word. */
const CODES: Readonly<Record<string, ErrorKind>> = {
  API_BODY_MALFORMED: "validation",
  API_BODY_TOO_LARGE: "validation",
  CONTRACT_TYPE: "configuration",
  DATABASE_ENCODING: "validation",
  DATABASE_UNAUTHORIZED: "configuration",
  FILE_CHANGING: "validation",
  FILE_FAULT: "compute",
  FILE_TOO_LARGE: "validation",
  HOOK_SQL: "compute",
  INCREMENTAL_DUPLICATES: "data",
  MODEL_SQL: "compute",
  PARENT_FAILED: "network",
  PARENT_MEMBER_MISSING: "validation",
  PROJECT_LOCKED: "compute",
  SEED_CSV: "validation",
  SEED_VALUE: "data",
  SNAPSHOT_KEY: "data",
  SNAPSHOT_SQL: "compute",
  SOURCE_CHANGING: "validation",
  SOURCE_REPEATED: "validation",
  SOURCE_UNREADABLE: "network",
  STREAM_REPEATED: "validation",
  TEST_SQL: "compute",
  TEST_RELATION_MISSING: "data",
  UNIT_TEST_SQL: "compute",
  WAREHOUSE_MISSING: "configuration",
};

/** By the first word, which names the subject. */
const SUBJECTS: Readonly<Record<ErrorKind, readonly string[]>> = {
  validation: ["COLUMN", "CONTRACT", "CURSOR", "PAGE", "PAGES", "QUARANTINE", "RECORDS", "ROW"],
  network: ["API", "DATABASE"],
  compute: [
    ...[
      "DISK",
      "INTERNAL",
      "INTERRUPTED",
      "LOAD",
      "LOCK",
      "MEMORY",
      "OUT",
      "QUERY",
      "SCHEDULER",
      "STAND",
      "STATE",
    ],
    ...["WAREHOUSE", "WATCH"],
  ],
  data: ["DATA", "FRESHNESS"],
  configuration: [],
};
const SUBJECT_KINDS = new Map(
  ERROR_KINDS.flatMap((kind) => SUBJECTS[kind].map((subject) => [subject, kind] as const)),
);

/** The kind of an error's code. What is neither listed nor about a listed subject is a mistake of the project. */
export function kindOfError(code: string): ErrorKind {
  return CODES[code] ?? SUBJECT_KINDS.get(code.split("_")[0] ?? "") ?? "configuration";
}

const WARNING_KINDS: Readonly<Record<ErrorKind, readonly string[]>> = {
  validation: ["cursor_odd", "records_quarantined", "records_unasked", "schema_changed"],
  network: [
    ...["host_paused", "parts_stopped", "reading_restarted", "request_retried", "sign_in_retried"],
    ...["stream_interrupted"],
  ],
  compute: ["batches_failed", "load_unrecorded", "lock_awaited", "source_unrecorded", "warehouse_awaited"],
  data: [
    ...["model_skipped", "models_withheld", "publish_withheld", "seed_skipped", "snapshot_skipped"],
    ...["test_skipped", "test_warned"],
  ],
  configuration: [],
};
const WARNINGS = new Map(
  ERROR_KINDS.flatMap((kind) => WARNING_KINDS[kind].map((event) => [event, kind] as const)),
);

/** The kind of a warning, by its event. */
export function kindOfWarning(event: string): ErrorKind {
  return WARNINGS.get(event) ?? "configuration";
}
