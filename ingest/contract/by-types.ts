import { z } from "zod";
import type { StreamDefinition } from "../../core/sillon.ts";
import { contractFault } from "../records/record.ts";
import { isVarying, lettersOf, type RowMember, type RowTypes } from "../records/row-types.ts";

/** A value of each type; a schema that looks at types alone does not tell it from any other. */
const SAMPLES: Readonly<Record<string, unknown>> = { i: 1, d: 1.5, s: "x", b: true, o: {}, a: [], n: null };

const LEAVES = ["string", "number", "boolean", "unknown", "any"];

/** Whether the types of a row's members say all that the stream's contract asks of it. */
export function isJudgedByTypes(stream: StreamDefinition, types: RowTypes): boolean {
  const { onInvalid, nullShare, range, fresh } = stream.contract ?? {};
  if (onInvalid === "accept" || nullShare !== undefined || range !== undefined || fresh !== undefined)
    return false;
  const { record } = stream;
  if (!(record instanceof z.ZodObject) || !hasOnly(record, ["type", "shape", "catchall"])) return false;
  const { catchall, shape } = record.def;
  if (catchall !== undefined && (kindOf(catchall) !== "unknown" || !hasOnly(catchall, ["type"])))
    return false;
  return Object.entries(shape).every(([name, schema]) => {
    const member = types.members.find((one) => one.name === name);
    return (
      member !== undefined && isOfTypes(schema as z.ZodType, member) && acceptsUsual(shape[name], member)
    );
  });
}

const kindOf = (schema: unknown): string => String(Object(schema).def?.type);

/** The definition says nothing but this. */
function hasOnly(schema: unknown, names: readonly string[]): boolean {
  return Object.entries(Object(schema).def ?? {}).every(
    ([name, value]) =>
      names.includes(name) || (name === "checks" && Array.isArray(value) && value.length === 0),
  );
}

function isOfTypes(schema: unknown, member: RowMember): boolean {
  const kind = kindOf(schema);
  if (kind === "nullable" || kind === "optional")
    return hasOnly(schema, ["type", "innerType"]) && isOfTypes(Object(schema).def.innerType, member);
  if (!LEAVES.includes(kind)) return false;
  if (kind === "number" && member.isBounded === false) return false;
  if (hasOnly(schema, ["type"])) return true;
  const { def } = Object(schema);
  // Of integers that doubles hold, `z.int()` looks at the type alone.
  return (
    def.format === "safeint" &&
    member.isSmall === true &&
    hasOnly(schema, ["type", "check", "format", "abort"])
  );
}

/** Else every record would be broken. */
function acceptsUsual(schema: unknown, member: RowMember): boolean {
  return isVarying(member) || (schema as z.ZodType).safeParse(SAMPLES[member.letters]).success;
}

/** The regular expression of the `types` of rows that keep to the contract; null when all do. */
export function acceptedTypes({ record }: StreamDefinition, { members }: RowTypes): string | null {
  const { shape } = (record as z.ZodObject).def;
  let isAll = true;
  const accepted = (member: RowMember) => {
    const schema = shape[member.name] as z.ZodType | undefined;
    const letters = [...new Set(`${member.letters}n`)];
    const good = letters.filter((letter) => schema?.safeParse(SAMPLES[letter]).success ?? true);
    if (good.length < letters.length) isAll = false;
    return `[${good.join("") || "-"}]`;
  };
  const fixed = members.filter((one) => !isVarying(one)).map(accepted);
  const varying = members.filter(isVarying).map(accepted);
  return isAll ? null : `(${fixed.join("")})?${varying.join("")}`;
}

/** What rows of these types break. */
export function faultOfTypes(stream: StreamDefinition, row: RowTypes, types: string): string | undefined {
  const letters = lettersOf(row, types);
  const sample = Object.fromEntries(
    row.members.map(({ name }, place) => [name, SAMPLES[letters[place] ?? ""]]),
  );
  return contractFault(stream, sample);
}
