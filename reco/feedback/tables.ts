/** What a listener may say of a track. */
export const FEEDBACK_KINDS = ["like", "dislike", "listen", "skip", "impression"] as const;
export type FeedbackKind = (typeof FEEDBACK_KINDS)[number];

/** Of an answer in the log, in this order. */
export const ANSWER_COLUMNS = [
  ...["request_id", "served_at", "user_id", "shelf", "model_version", "arm", "propensity"],
  ...["is_fallback", "segment", "tracks"],
] as const;

/** One thing that a listener said or did. */
export interface FeedbackEvent {
  user_id: string;
  track_id: string;
  kind: FeedbackKind;
  /** Of a listen or a skip. */
  listened_ms: number | null;
  /** The answer that had shown the track. */
  request_id: string | null;
  shelf: string | null;
  position: number | null;
}

/**
 * The store of what comes back from listeners, one SQLite file beside the history: nothing delays a confirmation.
 * - `feedback`: by idempotency key; `seq` only ever grows, and says what was landed.
 * - `answer_log`: every list that was given, many in a row: a JSON list of lists with the values of `ANSWER_COLUMNS`.
 *   Positions are places in `tracks` (a list of ids), `propensity` is the probability with which this user was
 *   given this version.
 * - `erasures`: salted hashes of users who asked to be forgotten.
 */
export const FEEDBACK_TABLES = `
create table if not exists feedback (
  seq integer primary key autoincrement, key text not null unique, body_hash text not null, user_id text not null,
  track_id text not null, kind text not null, listened_ms integer, request_id text, shelf text, position integer,
  received_at text not null);
create index if not exists feedback_users on feedback (user_id, seq);
create table if not exists answer_log (seq integer primary key autoincrement, answers text not null);
create table if not exists erasures (user_hash text primary key, erased_at text not null) without rowid;
create table if not exists meta (name text primary key, value text not null) without rowid;
insert or ignore into meta (name, value) values ('salt', lower(hex(randomblob(16)))), ('store', lower(hex(randomblob(8))));
`;
