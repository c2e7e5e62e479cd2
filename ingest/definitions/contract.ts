import { z } from "zod";
import type { ContractDefinition } from "../../core/sillon.ts";
import { compareValue } from "../contract/values.ts";

const share = z.number().min(0).max(1, "expected a share, 0 to 1");
const field = z.string().min(1, "expected a member's name");
const number = z.number().int().nonnegative();
const bound = z.union([z.number(), z.string()]);

export const contract = z.strictObject({
  onInvalid: z.enum(["quarantine", "accept", "fail"]).exactOptional(),
  maxInvalid: number.exactOptional(),
  maxInvalidShare: share.exactOptional(),
  rows: z
    .strictObject({
      min: number.exactOptional(),
      max: number.exactOptional(),
      announced: share.exactOptional(),
    })
    .exactOptional(),
  unique: z.boolean().exactOptional(),
  nullShare: z.record(field, share).exactOptional(),
  range: z
    .record(field, z.strictObject({ min: bound.exactOptional(), max: bound.exactOptional() }))
    .exactOptional(),
  fresh: z
    .strictObject({
      field,
      maxAgeSeconds: z.number().positive(),
      unit: z.enum(["s", "ms"]).exactOptional(),
    })
    .exactOptional(),
});

interface Mistake {
  path: string[];
  message: string;
}

/** Members of a contract that do not go together. */
export function contractMistakes(stream: {
  key: readonly string[];
  contract?: ContractDefinition;
}): Mistake[] {
  const { key, contract: given = {} } = stream;
  const mistakes: Mistake[] = [];
  const found = (path: string[], message: string) => mistakes.push({ path, message });
  for (const member of ["maxInvalid", "maxInvalidShare"] as const)
    if (given.onInvalid === "fail" && given[member] !== undefined)
      found([member], 'of no use with onInvalid: "fail", which lets none pass');
  if (given.unique === true && key.length === 0) found(["unique"], "expected a key, which is what is unique");
  const ranges = Object.entries(given.range ?? {}).map(([member, one]) => ({
    path: ["range", member],
    ...one,
  }));
  for (const { path, min, max } of ranges)
    if (min === undefined && max === undefined) found(path, "expected min, max or both");
  for (const { path, min, max } of [{ path: ["rows"], ...given.rows }, ...ranges]) {
    if (min === undefined || max === undefined) continue;
    const order = compareValue(min, max);
    if (order === null) found(path, "min and max are no values of one kind");
    else if (order > 0) found(path, "min is greater than max");
  }
  return mistakes;
}
