/** How records of a stream differ from earlier ones: `renamed` is a guess, from the same values under another name. */
export interface SchemaChange {
  change: "new" | "missing" | "renamed" | "retyped";
  member: string;
  /** The former name of a renamed member, the former types of a retyped one. */
  former: string | null;
  /** What came and was not there before; of a missing member none. */
  types: string[];
  /** The records that are so, of those that came with them. */
  records: number;
  ofRecords: number;
}

/** One line for people. */
export function changeText({ change, member, former, types, records, ofRecords }: SchemaChange): string {
  const share = `in ${records} of ${ofRecords} ${ofRecords === 1 ? "record" : "records"}`;
  const as = types.join(", ");
  if (change === "new") return `${member} is new (${as}) ${share}`;
  if (change === "missing") return `${member} is missing ${share}`;
  if (change === "retyped") return `${member} was ${former} and is ${as} ${share}`;
  return `${member} is new (${as}) ${share}, and ${former} is gone: perhaps renamed, a guess from the same values`;
}

export function changeJson({ ofRecords, ...same }: SchemaChange): Record<string, unknown> {
  return { ...same, of_records: ofRecords, guess: same.change === "renamed" };
}
