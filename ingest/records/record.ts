import { hash } from "node:crypto";
import type { StreamDefinition } from "../../core/sillon.ts";
import { type Member, membersOf } from "./json-text.ts";
import type { RawRecord } from "./raw-record.ts";
import { comparableTime } from "./timestamp.ts";

/** A record that may become a version in the raw table, or that is put in quarantine. */
export interface Candidate {
  /** Null only in quarantine, when the record does not say it. */
  key: string | null;
  hash: string;
  /** Sorts as text by time. */
  updatedAt: string | null;
  /** Why it is put in quarantine; null when it is not. */
  reason: string | null;
  /** What of the contract it breaks, wherever it goes; null when nothing. */
  broken: string | null;
  text: string;
  isObject: boolean;
  /** Where its members are in the text; none of a canonical record, whose value says it all. */
  members: readonly Member[];
}

const HASH_DIGITS = 32;
const MAX_REASONS = 3;

/** Judges a record by its stream's contract; its text is never changed. */
export function judgeRecord(stream: StreamDefinition, record: RawRecord): Candidate {
  const { text, value, isCanonical = false } = record;
  const isObject = record.fault === undefined && text.startsWith("{");
  const members = isObject && !isCanonical ? membersOf(text, 0) : [];
  const digest = hash("sha256", text).slice(0, HASH_DIGITS);
  const key = isObject && isCanonical ? canonicalKey(stream, value) : keyOf(stream, members, text);
  const unreadable = record.fault ?? textFault(members, record);
  const broken = unreadable ?? contractFault(stream, value) ?? (isObject ? null : "expected an object");
  const isAccepted = stream.contract?.onInvalid === "accept" && isObject && unreadable === undefined;
  const reason = isAccepted ? null : broken;
  return {
    key: key ?? (reason === null ? digest : null),
    hash: digest,
    updatedAt: isObject && stream.updatedAt ? comparableTime(Object(value)[stream.updatedAt]) : null,
    reason,
    broken,
    text,
    isObject,
    members,
  };
}

/** Of two versions of a record in one load the one with the newer cursor counts, unless the stream says otherwise. */
export function ordersByCursor(stream: StreamDefinition): StreamDefinition {
  const { updatedAt, cursor } = stream;
  const isTime = cursor !== undefined && (cursor.type ?? "time") === "time" && cursor.unit === undefined;
  return updatedAt === undefined && isTime ? { ...stream, updatedAt: cursor.field } : stream;
}

/** What tells a record apart; undefined when it does not say it. */
export function recordKey(stream: StreamDefinition, text: string): string | undefined {
  return text.startsWith("{") ? keyOf(stream, membersOf(text, 0), text) : undefined;
}

/** From the text as received, since JSON.parse rounds big numbers. Undefined when a part is null or absent. */
function keyOf(stream: StreamDefinition, members: readonly Member[], text: string): string | undefined {
  const parts: string[] = [];
  for (const name of stream.key) {
    const member = members.findLast((candidate) => candidate.name === name);
    const part = member === undefined ? "null" : text.slice(member.start, member.end);
    if (part === "null") return undefined;
    // The same text can be written with or without escapes.
    parts.push(part.startsWith('"') ? JSON.stringify(JSON.parse(part)) : part);
  }
  const [single = ""] = parts;
  if (parts.length > 1) return `[${parts.join(",")}]`;
  return single.startsWith('"') ? String(JSON.parse(single)) : single;
}

/** As `keyOf`, from the value: it says all that the text does. */
function canonicalKey({ key }: StreamDefinition, value: unknown): string | undefined {
  const parts: unknown[] = [];
  for (const name of key) {
    const part = Object.hasOwn(Object(value), name) ? Object(value)[name] : null;
    if (part === null) return undefined;
    parts.push(part);
  }
  if (parts.length > 1) return JSON.stringify(parts);
  const [single = ""] = parts;
  return typeof single === "string" ? single : JSON.stringify(single);
}

/** What readers of JSON do not agree on, or refuse. */
function textFault(members: readonly Member[], { text, value }: RawRecord): string | undefined {
  const names = new Set<string>();
  for (const { name } of members) {
    if (names.has(name)) return `${name}: is there twice`;
    names.add(name);
  }
  return text.includes("\\u") && hasLoneSurrogate(value) ? "half of a surrogate pair" : undefined;
}

/** JSON.stringify writes a surrogate as an escape only when its other half is missing. */
function hasLoneSurrogate(value: unknown): boolean {
  return /(?<!\\)(?:\\\\)*\\ud[89a-f]/.test(JSON.stringify(value));
}

/** What the stream's schema says against a value; undefined when nothing. */
export function contractFault(stream: StreamDefinition, value: unknown): string | undefined {
  const result = stream.record.safeParse(value);
  if (result.success) return undefined;
  const faults = result.error.issues.map(({ path, message }) => {
    const said = message.replace(/^Invalid input: /, "");
    return path.length > 0 ? `${path.map(String).join(".")}: ${said}` : said;
  });
  const more = faults.length > MAX_REASONS ? [`${faults.length - MAX_REASONS} more`] : [];
  return [...faults.slice(0, MAX_REASONS), ...more].join("; ");
}
