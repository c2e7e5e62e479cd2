/** One retraining, or one rollback, that was decided without a person: what said so, and what came of it. */
export interface RetrainingRow {
  id: number;
  run_id: string;
  /** ISO, UTC: when it was decided. */
  at: string;
  ended_at: string | null;
  action: "retrain" | "rollback";
  /** JSON: what each rule said. */
  rules: string;
  /** running, until it is one of the others; interrupted when its run ended before it did. */
  outcome: "running" | "promoted" | "challenger" | "failed" | "rolled_back" | "interrupted";
  /** Before it. */
  champion: number | null;
  /** The version that was trained, or gone back to. */
  version: number | null;
  /** What came of it, in a line. */
  message: string | null;
}

export interface RetrainingTables {
  retrainings: Omit<RetrainingRow, "id"> & { id?: number };
}

export const RETRAINING_MIGRATION = `create table retrainings (
     id integer primary key,
     run_id text not null,
     at text not null,
     ended_at text,
     action text not null,
     rules text not null,
     outcome text not null,
     champion integer,
     version integer,
     message text
   );
   create index retrainings_at on retrainings (at);`;
