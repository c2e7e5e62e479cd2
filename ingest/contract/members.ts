import type { Member } from "../records/json-text.ts";

/** What values of members are, as far as JSON tells. */
export const TYPES = ["integer", "decimal", "string", "boolean", "object", "array", "null"] as const;
export type MemberType = (typeof TYPES)[number];

const [INTEGER, DECIMAL, STRING, BOOLEAN, OBJECT, ARRAY, NULL] = [0, 1, 2, 3, 4, 5, 6];
/** Objects whose names are data have no end of them. */
const MOST_MEMBERS = 300;

export interface MemberCount {
  name: string;
  /** Records, in the order of TYPES. */
  counts: number[];
}

/** Counts in how many records each member has a value of each type. */
export class MemberCounts {
  records = 0;
  readonly #byName = new Map<string, MemberCount>();
  /** Records of a list mostly have their members in one order. */
  readonly #inOrder: MemberCount[] = [];

  /** From a record's text. Members beyond the first few hundred names are not counted. */
  add(text: string, members: readonly Member[]): void {
    this.records++;
    members.forEach((member, place) => {
      this.#count(member.name, place, typeAt(text, member));
    });
  }

  /** From the value of a canonical record. */
  addValue(value: Readonly<Record<string, unknown>>): void {
    this.records++;
    let place = 0;
    for (const name of Object.keys(value)) this.#count(name, place++, typeOfValue(value[name]));
  }

  /** So many records whose members are all of these types, by place in TYPES. */
  addMany(members: readonly { name: string; type: number }[], records: number): void {
    this.records += records;
    for (const { name, type } of members) {
      const known = this.#find(name);
      if (known !== undefined) known.counts[type] = (known.counts[type] ?? 0) + records;
    }
  }

  #count(name: string, place: number, type: number): void {
    let known = this.#inOrder[place];
    if (known === undefined || known.name !== name) {
      known = this.#find(name);
      if (known === undefined) return;
      this.#inOrder[place] = known;
    }
    known.counts[type] = (known.counts[type] ?? 0) + 1;
  }

  merge(other: MemberCounts): void {
    this.records += other.records;
    for (const { name, counts } of other.all()) {
      const known = this.#find(name);
      counts.forEach((count, type) => {
        if (known !== undefined) known.counts[type] = (known.counts[type] ?? 0) + count;
      });
    }
  }

  /** In the order in which they came. */
  all(): MemberCount[] {
    return [...this.#byName.values()];
  }

  #find(name: string): MemberCount | undefined {
    const known = this.#byName.get(name);
    if (known !== undefined || this.#byName.size >= MOST_MEMBERS) return known;
    const added = { name, counts: [0, 0, 0, 0, 0, 0, 0] };
    this.#byName.set(name, added);
    return added;
  }
}

function typeAt(text: string, { start, end }: Member): number {
  switch (text.charCodeAt(start)) {
    case 34:
      return STRING;
    case 123:
      return OBJECT;
    case 91:
      return ARRAY;
    case 116:
    case 102:
      return BOOLEAN;
    case 110:
      return NULL;
    default:
      return isWhole(text, start, end) ? INTEGER : DECIMAL;
  }
}

function isWhole(text: string, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 46 || code === 101 || code === 69) return false;
  }
  return true;
}

/** From here on JSON.stringify writes an exponent. */
const MOST_DIGITS = 1e21;

function typeOfValue(value: unknown): number {
  switch (typeof value) {
    case "string":
      return STRING;
    case "boolean":
      return BOOLEAN;
    case "number":
      return Number.isInteger(value) && Math.abs(value) < MOST_DIGITS ? INTEGER : DECIMAL;
    default:
      return value === null ? NULL : Array.isArray(value) ? ARRAY : OBJECT;
  }
}
