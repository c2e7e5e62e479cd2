import { ProjectError } from "../../core/errors.ts";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { placeholdersOf } from "../definitions/rest-mistakes.ts";
import type { Batch, Parent, ReadJob, ReadOutcome, StreamRange } from "../reader.ts";
import { parsePlace, spanAt, valueAt } from "../records/places.ts";
import type { RawRecord } from "../records/raw-record.ts";

/** The list of one parent's record. */
export interface ChildList {
  /** The parent's record, for people. */
  parent: string;
  /** The child stream, its path and parameters filled with members of that record. */
  stream: RestStreamDefinition;
  range: StreamRange;
  signal: AbortSignal;
  restart(): Promise<void>;
  onBatch(batch: Batch): Promise<void>;
}

export interface ChildrenJob {
  job: ReadJob;
  source: string;
  stream: RestStreamDefinition;
  parent: RestStreamDefinition;
  /** How many parents' lists are read at the same time. */
  listsAtOnce: number;
}

/**
 * Reads the lists of all records of the parent stream, several at once. A list is handed on when it is complete.
 * The first that fails ends the others; where lists have cursors of their own the others go on, unless the fault is of
 * the service as a whole.
 */
export async function readChildren(
  children: ChildrenJob,
  read: (list: ChildList) => Promise<ReadOutcome>,
): Promise<ReadOutcome> {
  const { job, listsAtOnce } = children;
  const stop = new AbortController();
  const signal = AbortSignal.any([job.signal, stop.signal]);
  const parents = job.parents()[Symbol.asyncIterator]();
  const sum: Sum = { pages: 0, total: 0, batches: 0 };
  const failures: ProjectError[] = [];
  await job.restart();
  const work = async () => {
    try {
      for (;;) {
        const { done, value: parent } = await parents.next();
        if (done || signal.aborted) return;
        await readList(children, { parent, signal, sum }, read).catch((error: unknown) => {
          if (!isOfOneList(children, error) || failures.length === MOST_FAILURES) throw error;
          failures.push(error);
        });
      }
    } catch (error) {
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: listsAtOnce }, work));
  await parents.return?.();
  job.signal.throwIfAborted();
  stop.signal.throwIfAborted();
  if (failures[0] !== undefined) throw listsError(failures[0], failures.length);
  return { pages: sum.pages, total: sum.total };
}

/** Lists that may fail before the others are given up. */
const MOST_FAILURES = 20;

/** What is wrong with one list need not be with the next one. */
const OF_ONE_LIST =
  /^(API_NOT_FOUND|API_FORBIDDEN|API_REFUSED|API_FAILING|API_BODY_\w+|PAGE_\w+|PARENT_MEMBER_MISSING)$/;

function isOfOneList({ stream, job }: ChildrenJob, error: unknown): error is ProjectError {
  if (stream.cursor === undefined || job.readsAgain || job.signal.aborted) return false;
  return error instanceof ProjectError && OF_ONE_LIST.test(error.code);
}

function listsError(first: ProjectError, count: number): ProjectError {
  const { code, message, where, why, exitCode, cause } = first;
  const hint = first.hint?.replace(/: nothing of this stream was changed$/, "");
  const others =
    count === 1 ? "the other lists were loaded" : `${count} lists failed; the others were loaded`;
  return new ProjectError(code, { message, where, why: [...why, others], hint, exitCode, cause });
}

interface Sum {
  pages: number;
  total: number | null;
  batches: number;
}

async function readList(
  { job, stream, parent, source }: ChildrenJob,
  { parent: { key, text, range }, signal, sum }: { parent: Parent; signal: AbortSignal; sum: Sum },
  read: (list: ChildList) => Promise<ReadOutcome>,
): Promise<void> {
  const record: ParentRecord = {
    text,
    value: JSON.parse(text),
    source,
    stream,
    name: parent.name,
    key: parent.key,
  };
  const added = Object.entries(stream.fromParent ?? {}).map(([name, place]) => ({
    name,
    ...memberOf(record, place),
  }));
  // What came of a list that is read again because it changed must not be landed.
  let waiting: RawRecord[][] = [];
  const { pages, total } = await read({
    parent: labelOf(record),
    stream: filled(record),
    range,
    signal,
    restart: async () => {
      waiting = [];
    },
    onBatch: async ({ records }) => {
      waiting.push(records.map((one) => withMembers(one, added)));
    },
  });
  sum.pages += pages;
  sum.total = total === null || sum.total === null ? null : sum.total + total;
  const lastNumber = Number.POSITIVE_INFINITY;
  if (stream.cursor !== undefined) {
    sum.batches += 1;
    return job.onBatch({ number: sum.batches, lastNumber, records: waiting.flat(), parent: key });
  }
  for (const records of waiting) {
    sum.batches += 1;
    await job.onBatch({ number: sum.batches, lastNumber, records });
  }
}

interface ParentRecord extends RawRecord {
  source: string;
  /** The child stream. */
  stream: RestStreamDefinition;
  /** Of the parent stream. */
  name: string;
  key: readonly string[];
}

function labelOf({ name, key, value, text }: ParentRecord): string {
  const parts = key.filter((member) => valueAt(value, [member]) !== undefined);
  return [name, ...parts.map((member) => plainText({ value, text }, [member]))].join(" ");
}

/** A member's value and its JSON, exact. Throws PARENT_MEMBER_MISSING. */
function memberOf(record: ParentRecord, place: string): { value: unknown; json: string } {
  const path = parsePlace(place);
  const value = valueAt(record.value, path);
  if (value === undefined) throw memberError(record, place, "is not there");
  const { start, end } = spanAt(record.text, path);
  return { value, json: record.text.slice(start, end) };
}

function plainText({ text, value }: RawRecord, path: readonly string[]): string {
  const found = valueAt(value, path);
  if (typeof found === "string") return found;
  const { start, end } = spanAt(text, path);
  return text.slice(start, end);
}

/** The stream with the members of the parent's record in its path and parameters. */
function filled(record: ParentRecord): RestStreamDefinition {
  const { stream } = record;
  const values = new Map(placeholdersOf(stream).map((place) => [place, fillerOf(record, place)]));
  const fill = (text: string, write: (value: string) => string) =>
    text.replace(/\{([^{}]+)\}/g, (_, place: string) => write(values.get(place) ?? ""));
  const params = Object.entries(stream.params ?? {}).map(([name, value]) => [
    name,
    typeof value === "string" ? fill(value, (one) => one) : value,
  ]);
  return { ...stream, path: fill(stream.path, encodeURIComponent), params: Object.fromEntries(params) };
}

function fillerOf(record: ParentRecord, place: string): string {
  const { value } = memberOf(record, place);
  if (value === null || typeof value === "object")
    throw memberError(record, place, `is ${JSON.stringify(value)}`);
  const text = plainText(record, parsePlace(place));
  // Such a step of a path leads to another endpoint.
  if (/^\.{0,2}$/.test(text)) throw memberError(record, place, `is ${JSON.stringify(text)}`);
  return text;
}

function memberError(record: ParentRecord, place: string, what: string): ProjectError {
  const { source, stream } = record;
  return new ProjectError("PARENT_MEMBER_MISSING", {
    message: `${source}.${stream.name} of ${labelOf(record)}: the member "${place}" of the parent's record ${what}`,
    where: `${source}.${stream.name}`,
    why: ["its list cannot be asked for; nothing of this stream was changed"],
    hint: `let the parent's record say that "${place}" has to be there, or name another member`,
  });
}

/** Members before a record's own, whose text stays as it is. */
function withMembers(
  record: RawRecord,
  added: readonly { name: string; value: unknown; json: string }[],
): RawRecord {
  if (added.length === 0 || !record.text.startsWith("{")) return record;
  const inside = record.text.slice(1);
  const isEmpty = /^\s*\}/.test(inside);
  const texts = added.map(({ name, json }) => `${JSON.stringify(name)}:${json}`);
  const values = Object.fromEntries(added.map(({ name, value }) => [name, value]));
  return {
    text: `{${texts.join(",")}${isEmpty ? "" : ","}${inside}`,
    value: { ...values, ...(record.value as object) },
  };
}
