import type { MemberType } from "../contract/members.ts";

/** A letter for what a member's value is in JSON. */
export const LETTERS: Readonly<Record<string, MemberType>> = {
  i: "integer",
  d: "decimal",
  s: "string",
  b: "boolean",
  o: "object",
  a: "array",
  n: "null",
};

/** A member that every row has. */
export interface RowMember {
  name: string;
  /** The letters that it can have; more than one, and null, when its values differ. */
  letters: string;
  /** Its integers are all of those that a double holds exactly. */
  isSmall?: boolean;
  /** Its numbers are all within what a double holds, rounded or not. */
  isBounded?: boolean;
}

/**
 * What rows of a database are in JSON. The `types` of one are a letter for each of the members that always have the same
 * type, or nothing at all of them when none is null; then one for each of the others.
 */
export interface RowTypes {
  members: readonly RowMember[];
  /** The key comes as a JSON text, not as it stands in a raw table. */
  isKeyQuoted: boolean;
}

/** Rows, a line each: types, key, time stamp of the version and record, apart by tabs, each backslash doubled. */
export interface RowLines {
  /** From 1 on. */
  number: number;
  text: string;
  types: RowTypes;
}

/** Rows that the engine fetches: a query, and SQL over its columns for what is kept of each. */
export interface RowFetch {
  query: string;
  types: RowTypes;
  /** As `RowTypes` says. */
  typesOf: string;
  /** Null when a member of it is. */
  key: string;
  /** A text that sorts by time. */
  updatedAt: string;
  /** JSON text. */
  record: string;
}

export const isVarying = ({ letters }: RowMember) => letters.length > 1;

/** The letter of each member, in their order. */
export function lettersOf({ members }: RowTypes, types: string): string[] {
  const [fixed, varying] = [members.filter((one) => !isVarying(one)), members.filter(isVarying)];
  const all = types.length === varying.length ? fixed.map(({ letters }) => letters).join("") + types : types;
  const places = [...fixed, ...varying];
  return members.map((member) => all.charAt(places.indexOf(member)));
}
