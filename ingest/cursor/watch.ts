import type { CursorDefinition, StreamDefinition } from "../../core/sillon.ts";
import type { StreamRange } from "../reader.ts";
import { membersOf } from "../records/json-text.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { recordKey } from "../records/record.ts";
import { cursorForm, later, notationOf, type Position, positionAt, positionOf } from "./position.ts";

/** Records whose cursor cannot be trusted: they are landed, and the cursor does not move by them. */
export interface OddCursors {
  what: string;
  count: number;
  /** Of the first ones. */
  keys: string[];
}

/** What the cursors of a batch say. */
export interface Watched {
  /** Those within the range, and those of which it cannot be told. */
  records: RawRecord[];
  lowest: Position | null;
  highest: Position | null;
}

export interface CursorWatch {
  /** Takes so many of them at most. */
  look(records: readonly RawRecord[], most: number): Watched;
  odd(): OddCursors[];
  /** Records outside the range that came all the same. */
  outside(): number;
  /** Forgets all, for another reading. */
  restart(): void;
}

export interface WatchOptions {
  stream: StreamDefinition;
  cursor: CursorDefinition;
  range: StreamRange;
  /** The cursor of the last load: later ones are expected to be written as it is. */
  known: Position | null;
  now: Date;
}

/** A server's clock may go before ours, and times without a zone may be some hours off. */
const PLAUSIBLE_MS = 86_400_000;
const SHOWN_KEYS = 3;

/** Looks at the cursor of every record that comes: a server may ignore the range that it was asked for. */
export function watchCursors({ stream, cursor, range, known, now }: WatchOptions): CursorWatch {
  const bound = (value: string | number | null) =>
    value === null ? null : positionOf(cursor, String(value));
  const [since, until] = [bound(range.since), bound(range.until)];
  const newest = positionAt(cursor, new Date(now.getTime() + PLAUSIBLE_MS));
  const found = new Map<string, OddCursors>();
  let notation = known === null ? null : notationOf(cursor, known);
  let outside = 0;
  const note = (what: string, record: RawRecord) => {
    const odd = found.get(what) ?? { what, count: 0, keys: [] };
    found.set(what, odd);
    odd.count++;
    if (odd.keys.length < SHOWN_KEYS) odd.keys.push(recordKey(stream, record.text) ?? "none");
  };
  /** The position by which the cursor may move. */
  const trusted = (position: Position, record: RawRecord): boolean => {
    if (newest !== null && position.order > newest.order) {
      note(`${cursor.field} is after tomorrow (${position.text})`, record);
      return false;
    }
    const own = notationOf(cursor, position);
    notation ??= own;
    if (own === notation) return true;
    note(`${cursor.field} is written with ${own}, elsewhere with ${notation}`, record);
    // With an offset the moment is certain; without one it may be any of a day.
    return own !== "no zone" && notation !== "no zone";
  };
  return {
    look: (records, most) => {
      const watched: Watched = { records: [], lowest: null, highest: null };
      for (const record of records) {
        if (watched.records.length === most) break;
        const text = cursorText(cursor.field, record);
        const position = typeof text === "string" ? positionOf(cursor, text) : null;
        if (position === null) note(unreadable(cursor, text), record);
        else if (trusted(position, record)) {
          const isBefore = since !== null && position.order < since.order;
          const isAfter = until !== null && position.order >= until.order;
          if (isBefore || isAfter) {
            outside++;
            continue;
          }
          watched.highest = later(watched.highest, position);
          if (watched.lowest === null || position.order < watched.lowest.order) watched.lowest = position;
        }
        watched.records.push(record);
      }
      return watched;
    },
    odd: () => [...found.values()],
    outside: () => outside,
    restart: () => {
      found.clear();
      outside = 0;
    },
  };
}

function unreadable(cursor: CursorDefinition, text: string | null | undefined): string {
  if (text === undefined) return `${cursor.field} is missing`;
  if (text === null) return `${cursor.field} is null`;
  return `${cursor.field} is not ${cursorForm(cursor)}: ${JSON.stringify(text.slice(0, 40))}`;
}

/** As it stands in the record: numbers by their digits, which JSON.parse may round. Undefined when it is absent. */
export function cursorText(field: string, { text, value }: RawRecord): string | null | undefined {
  const path = field.split(".");
  const found = path.reduce<unknown>((part, name) => Object(part)[name], value);
  if (found === undefined || found === null || typeof found === "string") return found;
  if (typeof found !== "number") return JSON.stringify(found);
  if (Number.isSafeInteger(found)) return String(found);
  let [start, end] = [0, text.length];
  for (const name of path) {
    const member = membersOf(text, start).findLast((one) => one.name === name);
    if (member === undefined) return String(found);
    ({ start, end } = member);
  }
  return text.slice(start, end);
}
