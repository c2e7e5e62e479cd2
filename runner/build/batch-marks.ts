import type { PlacedSql } from "../graph/ephemeral.ts";

// As long as a timestamp's text, so that places in the SQL stay where they are when a batch's takes their room.
const START = "@sillon_batch_from@";
const END = "@sillon_batch_till@";

/** The part of a relation that belongs to the batch that is being built. */
export function inBatch(relation: string, eventTime: string): string {
  return `(select * from ${relation} where ${eventTime} >= timestamp '${START}' and ${eventTime} < timestamp '${END}')`;
}

/** The query for the batch between two timestamps. */
export function ofBatch<T extends PlacedSql>(query: T, window: { start: string; end: string }): T {
  return { ...query, sql: query.sql.replaceAll(START, window.start).replaceAll(END, window.end) };
}
