/** One evaluation of a recipe or a model on a split. */
export interface ExperimentRow {
  id: string;
  /** train, evaluate, register. */
  command: string;
  /** Of the run whose work it was. */
  run_id: string;
  /** ISO, UTC. */
  created_at: string;
  /** JSON: the recipe. */
  recipe: string;
  /** JSON: what was tried on the inner split, and how it did. */
  trials: string;
  /** JSON: what the data were: loads, numbers, hash. */
  data_version: string;
  /** Hash of this program and its version. */
  code_hash: string;
  /** JSON: from, until, inner. */
  split: string;
  /** JSON: by shelf, with the popularity that is to be beaten. */
  metrics: string;
  seconds: number;
  /** Largest resident memory of the process so far. */
  memory_mb: number;
}

/** A model that was kept. */
export interface ModelRow {
  version: number;
  /** blend, factors, lists. */
  kind: string;
  /** Relative to the project. */
  artefact: string;
  /** SHA-256 of the artefact, in hexadecimal digits. */
  checksum: string;
  size_bytes: number;
  /** JSON: numbers of tracks, factors, neighbours, by which a loaded artefact is checked. */
  shape: string;
  experiment_id: string;
  /** JSON: the metrics of its experiment. */
  metrics: string;
  /** JSON: data version, code hash, cut-off. */
  lineage: string;
  /** JSON: a list of checks of the gate. */
  gate: string;
  created_at: string;
  /** Nothing after it was seen. */
  cutoff: string;
}

/** A name that points to a version: champion or challenger. */
export interface ModelAliasRow {
  alias: string;
  version: number;
  moved_at: string;
}

/** What became of the aliases, and why: the audit trail. */
export interface ModelEventRow {
  id: number;
  at: string;
  run_id: string;
  /** registered, promoted, refused, rolled_back. */
  action: string;
  version: number;
  /** The champion before. */
  former: number | null;
  /** JSON: checks of the gate, or a text. */
  reason: string;
}

/** One inference: a store of prepared lists. */
export interface InferenceRow {
  id: string;
  run_id: string;
  version: number;
  at: string;
  /** Relative to the project. */
  store: string;
  /** all, active, top. */
  scope: string;
  users: number;
  skipped: number;
  seconds: number;
  expires_at: string;
}

export interface RegistryTables {
  experiments: ExperimentRow;
  models: ModelRow;
  model_aliases: ModelAliasRow;
  model_events: Omit<ModelEventRow, "id"> & { id?: number };
  inferences: InferenceRow;
}

export const REGISTRY_MIGRATION = `create table experiments (
     id text primary key,
     command text not null,
     run_id text not null,
     created_at text not null,
     recipe text not null,
     trials text not null,
     data_version text not null,
     code_hash text not null,
     split text not null,
     metrics text not null,
     seconds real not null,
     memory_mb real not null
   );
   create table models (
     version integer primary key,
     kind text not null,
     artefact text not null,
     checksum text not null,
     size_bytes integer not null,
     shape text not null,
     experiment_id text not null,
     metrics text not null,
     lineage text not null,
     gate text not null,
     created_at text not null,
     cutoff text not null
   );
   create table model_aliases (
     alias text primary key,
     version integer not null,
     moved_at text not null
   );
   create table model_events (
     id integer primary key,
     at text not null,
     run_id text not null,
     action text not null,
     version integer not null,
     former integer,
     reason text not null
   );
   create table inferences (
     id text primary key,
     run_id text not null,
     version integer not null,
     at text not null,
     store text not null,
     scope text not null,
     users integer not null,
     skipped integer not null,
     seconds real not null,
     expires_at text not null
   );`;
