import { hash } from "node:crypto";
import type { Answer } from "../http/exchange.ts";
import type { AnswerHeaders } from "../http/raw-fetch.ts";
import type { FormerPages } from "../reader.ts";
import type { PagePlace } from "./paging.ts";
import { createSpool } from "./spool.ts";

/** A digest of the answer and a count of its records. */
const DIGEST_BYTES = 16;
const ENTRY_BYTES = DIGEST_BYTES + 4;
/** Of a range. */
const PARTIAL = 206;

/** An answer that is the one of the former load, and was not looked into. */
export interface SameAnswer {
  place: PagePlace;
  answer: Answer;
  mark: Buffer;
}

/**
 * The pages of a list by digests of their answers. While all are those of the former load, answers are kept aside; at
 * the first one that is not, the list `differs` and what was kept is to be taken.
 */
export interface PageList {
  /** All pages so far are those of the former load. */
  isSame(): boolean;
  /** What tells an answer from every other; null of one that is not remembered. */
  markOf(answer: Answer): Buffer | null;
  isFormer(number: number, mark: Buffer): boolean;
  /** Records of a page of the former load. */
  countOf(number: number): number;
  note(number: number, mark: Buffer | null, count: number): void;
  /** Resolves with false when it cannot be kept elsewhere: the list then differs. */
  keep(one: SameAnswer): Promise<boolean>;
  /** From now on nothing is the same. True for the first caller. */
  differ(): boolean;
  /** What was kept, in any order. */
  kept(): AsyncIterable<SameAnswer>;
  tell: FormerPages["tell"];
  /** What the next load compares with; null when it cannot. Told with whether nothing has changed. */
  end(pages: number): { isUnchanged: boolean; entries: Buffer } | null;
  close(): Promise<void>;
}

/** `headerNames` are those that say something of the list. */
export function createPageList(
  { former, folder, tell }: FormerPages,
  headerNames: readonly string[],
): PageList {
  const spool = createSpool<Omit<SameAnswer, "answer"> & Pick<Answer, "status" | "headers">>(folder);
  const entries: Buffer[] = [];
  let isSame = former !== null;
  let isComplete = true;
  const entryAt = (number: number) => former?.subarray((number - 1) * ENTRY_BYTES, number * ENTRY_BYTES);
  return {
    isSame: () => isSame,
    markOf: ({ status, headers, body }) => {
      if (status !== 200 && status !== PARTIAL) return null;
      const said = headerNames.map((name) => headers.get(name));
      const digest = hash("sha256", body, "buffer");
      const whole = said.every((one) => one === null)
        ? digest
        : hash("sha256", JSON.stringify([said, digest.toString("hex")]), "buffer");
      return whole.subarray(0, DIGEST_BYTES);
    },
    isFormer: (number, mark) => entryAt(number)?.subarray(0, DIGEST_BYTES).equals(mark) === true,
    countOf: (number) => entryAt(number)?.readUInt32LE(DIGEST_BYTES) ?? 0,
    note: (number, mark, count) => {
      if (mark === null) isComplete = false;
      else entries[number - 1] = entryOf(mark, count);
    },
    keep: ({ place, answer, mark }) => {
      const headers = headersOf(headerNames, answer.headers);
      return spool.add({ place, mark, headers, status: answer.status }, answer.body);
    },
    differ: () => {
      const wasSame = isSame;
      isSame = false;
      return wasSame;
    },
    kept: async function* () {
      for await (const { about, body } of spool.all()) {
        const { place, mark, ...head } = about;
        yield { place, mark, answer: { ...head, body, sizeBytes: 0 } };
      }
    },
    tell,
    end: (pages) => {
      const isWhole = isComplete && entries.length === pages && Object.keys(entries).length === pages;
      if (!isWhole) return null;
      const now = Buffer.concat(entries);
      return { isUnchanged: isSame && former !== null && now.equals(former), entries: now };
    },
    close: () => spool.close(),
  };
}

function entryOf(mark: Buffer, count: number): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  mark.copy(entry);
  entry.writeUInt32LE(count, DIGEST_BYTES);
  return entry;
}

const NO_HEADERS: AnswerHeaders = { get: () => null };

/** The few that count: all of an answer's headers would be more to keep than its body. */
function headersOf(names: readonly string[], headers: AnswerHeaders): AnswerHeaders {
  const kept = new Map(names.map((name) => [name, headers.get(name)]));
  return names.length === 0 ? NO_HEADERS : { get: (name) => kept.get(name) ?? null };
}
