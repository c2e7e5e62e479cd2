export const VERDICTS = ["good", "warning", "bad", "unknown"] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Answer {
  question: string;
  verdict: Verdict;
  text: string;
}

/** The runs of a job, or those of a command that somebody typed. */
export interface RunGroup {
  name: string;
  is_job: boolean;
  done: number;
  failed: number;
  missed: number;
  skipped: number;
  open: number;
  /** Of the newest run that ended. */
  last_status: string | null;
  /** Of those that were done. */
  median_seconds: number | null;
  longest_seconds: number | null;
  /** The median of the runs before; null while there are too few of them. */
  usual_seconds: number | null;
  /** How many took longer than usual. */
  slow: number;
  /** Seconds of the newest that were done, in order of time. */
  recent: number[];
}

export interface BadRun {
  /** The newest. */
  id: string;
  name: string;
  status: string;
  at: string;
  reason: string;
  /** How many ended so in a row, nothing else of it in between that went badly. */
  times: number;
  /** When the first of those was due, or queued. */
  first_at: string;
}

/** What the loads of a stream brought. */
export interface StreamVolume {
  name: string;
  loads: number;
  failed_loads: number;
  received: number;
  new: number;
  changed: number;
  unchanged: number;
  duplicate: number;
  deleted: number;
  quarantined: number;
  /** The median of new and changed records in stretches of the same length before; null while there are too few. */
  usual: number | null;
  /** New and changed records of those stretches and of this one, in order of time. */
  recent: number[];
}

export interface FailingTest {
  name: string;
  /** fail, error, warn. */
  status: string;
  rows: number | null;
  message: string | null;
  /** Whether it was well when it ran last before this stretch of time, or is told of for the first time. */
  is_new: boolean;
}

export interface TestSummary {
  passed: number;
  warned: number;
  failed: number;
  /** Could not run. */
  errors: number;
  skipped: number;
  /** Those that fail, cannot run or warn now; new and worse ones first. */
  failing: FailingTest[];
  /** Names of those that failed meanwhile, and pass now. */
  recovered: string[];
}

export interface ColumnShare {
  column: string;
  ratio: number;
}

export interface TableQuality {
  name: string;
  rows: number;
  /** Before this stretch of time; null when it was not measured then. */
  rows_before: number | null;
  /** The largest share of rows that repeat what is to be unique; null when nothing is. */
  duplicate_ratio: number | null;
  /** Columns with missing values, the largest share first. */
  missing: ColumnShare[];
  measured_at: string;
}

export interface Freshness {
  name: string;
  /** Of the newest row, at the end of the stretch of time. */
  age_seconds: number;
  measured_at: string;
}

export interface ModelTime {
  name: string;
  builds: number;
  median_seconds: number;
  longest_seconds: number;
  /** The median of builds before; null while there are too few of them. */
  usual_seconds: number | null;
}

export interface KindCount {
  /** validation, network, compute, data, configuration. */
  kind: string;
  errors: number;
  warnings: number;
}

export interface OpenIncident {
  id: string;
  title: string;
  severity: string;
  opened_at: string;
  affected: string[];
}

export interface Recommendations {
  version: number;
  cutoff: string;
  /** Of the lists of what is not known yet, on the test split; null where a figure was not kept. */
  ndcg: number | null;
  recall: number | null;
  coverage: number | null;
  popularity_ndcg: number | null;
  inferred_at: string | null;
  users: number | null;
}

/** What happened in a stretch of time: what `run report --json` prints, and what templates are given. */
export interface Report {
  project: string;
  /** ISO, UTC, as all times. */
  since: string;
  until: string;
  verdict: Verdict;
  answers: Answer[];
  runs: RunGroup[];
  /** The newest runs that ended badly or were missed. */
  bad_runs: BadRun[];
  streams: StreamVolume[];
  tests: TestSummary;
  tables: TableQuality[];
  freshness: Freshness[];
  /** The slowest first. */
  models: ModelTime[];
  problems: KindCount[];
  incidents: OpenIncident[];
  recommendations: Recommendations | null;
}

/** A report before its questions are answered. */
export type Facts = Omit<Report, "answers" | "verdict">;

/** From `since`, before `until`; ISO, UTC. */
export interface Stretch {
  since: string;
  until: string;
}
