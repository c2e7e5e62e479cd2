import { elementsOf, membersOf, type Span, skipSpace } from "./json-text.ts";

/** A place in a JSON document: names of members and numbers of elements, -1 the last; none is the document. */
export type Place = readonly string[];

/** From `meta.next`; an empty text is the document itself. */
export function parsePlace(text: string): Place {
  return text === "" ? [] : text.split(".");
}

/** What is at the place of a document that JSON.parse made; undefined when nothing is. */
export function valueAt(document: unknown, place: Place): unknown {
  let value = document;
  for (const step of place) {
    if (Array.isArray(value) && /^-?\d+$/.test(step)) value = value.at(Number(step));
    else if (isObject(value) && Object.hasOwn(value, step)) value = value[step];
    else return undefined;
  }
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A member that stands twice in its object, so that readers do not agree on its value. */
export class RepeatedMember extends Error {
  override readonly name = "RepeatedMember";

  constructor(
    readonly member: string,
    readonly position: number,
  ) {
    super(`two members "${member}"`);
  }
}

/** Where a place is in the text of a document. It must be there, see valueAt. Throws RepeatedMember. */
export function spanAt(text: string, place: Place): Span {
  let start = skipSpace(text, 0);
  let end = text.trimEnd().length;
  for (const step of place) {
    const isList = text[start] === "[";
    const spans = isList
      ? [elementsOf(text, start).at(Number(step))]
      : membersOf(text, start).filter((member) => member.name === step);
    const [span, second] = spans;
    if (second !== undefined) throw new RepeatedMember(step, second.start);
    if (span === undefined) throw new Error(`nothing at ${place.join(".")}`);
    ({ start, end } = span);
  }
  return { start, end };
}

/** A copy of the document with a value at the place; objects on the way are made. */
export function withValueAt(document: unknown, place: Place, value: unknown): unknown {
  const [step, ...rest] = place;
  if (step === undefined) return value;
  const members = isObject(document) ? document : {};
  return { ...members, [step]: withValueAt(members[step], rest, value) };
}
