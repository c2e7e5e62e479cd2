import { statSync } from "node:fs";
import type Sqlite from "libsql";
import Background from "libsql/promise";
import type { Clock } from "../../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { openFeedback, readErasures } from "./open.ts";
import { ANSWER_COLUMNS, type FeedbackEvent, type FeedbackKind } from "./tables.ts";
import { createUserFilter, type UserFilter } from "./user-filter.ts";

export interface Keyed extends FeedbackEvent {
  key: string;
  /** Of the event as it was sent: another event with the same key has another one. */
  body_hash: string;
}

/** What a listener thinks of a track, the newest word last. */
export interface Opinion {
  track_id: string;
  kind: FeedbackKind;
  listened_ms: number | null;
  received_at: string;
}

/** Where feedback and answers are kept by a server. */
export interface FeedbackStore {
  /**
   * Resolves when the event is safe on disk: once, however often it is sent. `conflict`: its key belongs to another
   * event. Rejects with FEEDBACK_UNWRITTEN when it could not be stored, or too many wait.
   */
  add(event: Keyed): Promise<"stored" | "conflict">;
  /** An answer as a JSON list of the values of `ANSWER_COLUMNS`. Written within a moment, in the background. */
  log(answer: string): void;
  opinionsOf(user: string): Opinion[];
  /** False: nothing was ever heard of the user, which needs no look at the disk. */
  mayHaveOpinions(user: string): boolean;
  isErased(user: string): boolean;
  /** Users of whom something was written since the last call, by this or another process; all when users were erased. */
  changedUsers(): string[] | "all";
  /** Deletes what is known of a user, who stays unknown. */
  erase(user: string): Promise<void>;
  /** What is wrong with it now. */
  problems(): string[];
  /** Writes what waits. */
  close(): Promise<void>;
}

const MAX_WAITING = 5_000;
const AT_ONCE = 500;
const MAX_ANSWERS = 50_000;
const ANSWERS_AT_ONCE = 2_000;
const ANSWER_MS = 200;
const OPINIONS = 300;
/** Another program may hold the file for so long. */
const PATIENCE_MS = 2_000;

interface Waiting {
  event: Keyed;
  resolve: (fate: "stored" | "conflict") => void;
  reject: (error: unknown) => void;
}

interface Store {
  file: string;
  clock: Clock;
  reader: Sqlite.Database;
  /** Runs statements beside the event loop, which a disk that is slow does not hold up. */
  writer: InstanceType<typeof Background>;
  inode: number;
  waiting: Waiting[];
  answers: string[];
  lostAnswers: number;
  fault: string | undefined;
  /** One writes after another. */
  turn: Promise<void>;
  isFlushing: boolean;
  flushingAnswers: Promise<void> | undefined;
  /** Of whom there is feedback. */
  heard: UserFilter;
}

/** Throws FEEDBACK_UNREADABLE (exit 4). */
export async function startFeedback(file: string, clock: Clock): Promise<FeedbackStore> {
  const reader = openFeedback(file);
  const writer = new Background(file, { timeout: PATIENCE_MS });
  await writer.exec(
    `pragma synchronous = full; pragma secure_delete = on; pragma busy_timeout = ${PATIENCE_MS};`,
  );
  const store: Store = {
    ...{ file, clock, reader, writer, inode: statSync(file).ino },
    ...{ waiting: [], answers: [], lostAnswers: 0, fault: undefined, turn: Promise.resolve() },
    ...{ isFlushing: false, flushingAnswers: undefined, heard: createUserFilter() },
  };
  const users = reader.prepare("select distinct user_id from feedback").all() as { user_id: string }[]; // its own table
  for (const { user_id } of users) store.heard.add(user_id);
  let erasures = readErasures(reader);
  let version = dataVersion(reader);
  const opinions = reader.prepare(
    `select track_id, kind, listened_ms, received_at from feedback where user_id = ? and kind <> 'impression' order by seq desc limit ${OPINIONS}`,
  );
  const changed = reader.prepare(
    "select user_id, max(seq) as seq from feedback where seq > ? group by user_id",
  );
  let { seen } = reader.prepare("select coalesce(max(seq), 0) as seen from feedback").get() as {
    seen: number;
  }; // its own table
  const timer = setInterval(() => {
    if (store.flushingAnswers === undefined) void flushAnswers(store);
  }, ANSWER_MS);
  return {
    add: (event) => add(store, event),
    log: (answer) => {
      if (store.answers.length < MAX_ANSWERS) store.answers.push(answer);
      else store.lostAnswers++;
    },
    opinionsOf: (user) => (opinions.all(user) as Opinion[]).reverse(), // its own table
    mayHaveOpinions: (user) => store.heard.mayHave(user),
    isErased: (user) => erasures.hashes.size > 0 && erasures.hashes.has(erasures.hashOf(user)),
    changedUsers: () => {
      const now = dataVersion(reader);
      if (now === version) return [];
      version = now;
      const known = erasures.hashes.size;
      erasures = readErasures(reader);
      const rows = changed.all(seen) as { user_id: string; seq: number }[]; // its own table
      seen = rows.reduce((most, { seq }) => Math.max(most, seq), seen);
      for (const { user_id } of rows) store.heard.add(user_id);
      return erasures.hashes.size === known ? rows.map(({ user_id }) => user_id) : "all";
    },
    erase: async (user) => {
      const userHash = erasures.hashOf(user);
      erasures.hashes.add(userHash);
      forgetWaiting(store, user);
      await flushAnswers(store);
      forgetAnswers(store, user);
      const at = clock.now().toISOString();
      await inTurn(store, () =>
        write(
          store,
          `insert or ignore into erasures (user_hash, erased_at) values (${literal(userHash)}, ${literal(at)});
delete from feedback where user_id = ${literal(user)};
${eraseAnswers(user)}`,
        ),
      );
      // What was deleted is not to stay in the log of changes either.
      await writer.exec("pragma wal_checkpoint(truncate)").catch(() => undefined); // busy: the next one does it
    },
    problems: () => [
      ...(store.fault === undefined ? [] : [`feedback cannot be stored: ${store.fault}`]),
      ...(store.lostAnswers === 0 ? [] : [`${store.lostAnswers} answers were not logged`]),
    ],
    close: async () => {
      clearInterval(timer);
      await flush(store);
      await flushAnswers(store);
      await store.turn;
      writer.close();
      reader.close();
    },
  };
}

/** What is not being written yet must not be written after the user was erased. */
function forgetWaiting(store: Store, user: string): void {
  const own = store.waiting.filter(({ event }) => event.user_id === user);
  store.waiting = store.waiting.filter(({ event }) => event.user_id !== user);
  for (const { reject } of own) reject(unwritten(store.file, new Error("the user was erased")));
}

/** Those that could not be written yet. */
function forgetAnswers(store: Store, user: string): void {
  const place = ANSWER_COLUMNS.indexOf("user_id");
  store.answers = store.answers.filter((answer) => JSON.parse(answer)[place] !== user);
}

/** A batch that does not have the name is not looked into. */
function eraseAnswers(user: string): string {
  return `update answer_log set answers = (select coalesce(json_group_array(json(value)), '[]')
  from json_each(answers) where value ->> ${ANSWER_COLUMNS.indexOf("user_id")} <> ${literal(user)})
where instr(answers, ${literal(JSON.stringify(user))}) > 0;`;
}

function dataVersion(reader: Sqlite.Database): number {
  const row = reader.prepare("pragma data_version").get() as { data_version: number }; // SQLite's own answer
  return row.data_version;
}

function add(store: Store, event: Keyed): Promise<"stored" | "conflict"> {
  if (store.waiting.length >= MAX_WAITING)
    return Promise.reject(unwritten(store.file, new Error(`${MAX_WAITING} events wait for the disk`)));
  return new Promise((resolve, reject) => {
    store.waiting.push({ event, resolve, reject });
    if (!store.isFlushing) void flush(store);
  });
}

/** Those that came while a batch was being written are the next batch. */
async function flush(store: Store): Promise<void> {
  store.isFlushing = true;
  while (store.waiting.length > 0) {
    const batch = store.waiting.splice(0, AT_ONCE);
    try {
      const fates = await inTurn(store, () => writeEvents(store, batch));
      for (const [place, { resolve }] of batch.entries()) resolve(fates[place] ?? "conflict");
    } catch (error) {
      for (const { reject } of batch) reject(unwritten(store.file, error));
    }
  }
  store.isFlushing = false;
}

const EVENT_COLUMNS = [
  ...["key", "body_hash", "user_id", "track_id", "kind", "listened_ms", "request_id", "shelf", "position"],
  "received_at",
];

async function writeEvents(store: Store, batch: readonly Waiting[]): Promise<("stored" | "conflict")[]> {
  const at = store.clock.now().toISOString();
  const rows = batch.map(({ event: one }) => [
    ...[one.key, one.body_hash, one.user_id, one.track_id, one.kind, one.listened_ms],
    ...[one.request_id, one.shelf, one.position, at],
  ]);
  const values = EVENT_COLUMNS.map((_, place) => `value ->> ${place}`);
  await write(
    store,
    `insert into feedback (${EVENT_COLUMNS.join(", ")}) select ${values.join(", ")} from json_each(${literal(JSON.stringify(rows))}) where true order by json_each.key on conflict (key) do nothing;`,
  );
  const kept = store.reader
    .prepare("select key, body_hash from feedback where key in (select value from json_each(?))")
    .all(JSON.stringify(batch.map(({ event }) => event.key))) as { key: string; body_hash: string }[]; // its own table
  const hashes = new Map(kept.map(({ key, body_hash }) => [key, body_hash]));
  for (const { event } of batch) store.heard.add(event.user_id);
  return batch.map(({ event }) => (hashes.get(event.key) === event.body_hash ? "stored" : "conflict"));
}

/** What is under way already ends before it begins anew, so that answers never stand in line before feedback. */
async function flushAnswers(store: Store): Promise<void> {
  await store.flushingAnswers;
  store.flushingAnswers ??= writeAnswers(store).finally(() => {
    store.flushingAnswers = undefined;
  });
  await store.flushingAnswers;
}

async function writeAnswers(store: Store): Promise<void> {
  while (store.answers.length > 0) {
    const batch = store.answers.splice(0, ANSWERS_AT_ONCE);
    try {
      await inTurn(store, () =>
        write(store, `insert into answer_log (answers) values (${literal(`[${batch.join(",")}]`)});`),
      );
    } catch {
      // Its reason is in `fault`. Lists are served although nobody can write down that they were, which is done later.
      store.answers.unshift(...batch);
      return;
    }
  }
}

async function inTurn<T>(store: Store, work: () => Promise<T>): Promise<T> {
  const done = store.turn.then(work);
  store.turn = done.then(
    () => undefined,
    () => undefined, // told to whom it concerns
  );
  return done;
}

/** In one transaction, on disk when it resolves. */
async function write(store: Store, sql: string): Promise<void> {
  try {
    checkPlace(store);
    await store.writer.exec(`begin immediate;\n${sql}\ncommit;`);
    checkPlace(store);
    store.fault = undefined;
  } catch (error) {
    store.fault = messageOf(error);
    await store.writer.exec("rollback").catch(() => undefined); // There may be none to undo.
    throw error;
  }
}

/** A file that was moved away takes what is written, and nobody will find it. */
function checkPlace({ file, inode }: Store): void {
  if (statSync(file, { throwIfNoEntry: false })?.ino !== inode)
    throw new Error("the file was moved away; the server has to be started again");
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function unwritten(file: string, cause: unknown): ProjectError {
  return new ProjectError("FEEDBACK_UNWRITTEN", {
    message: `feedback could not be stored: ${messageOf(cause)}`,
    where: file,
    hint: "send it again with the same key",
    exitCode: EXIT.environment,
    cause,
  });
}
