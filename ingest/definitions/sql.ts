import { z } from "zod";
import { checkStream, checkUnannounced, count, name, streamShape, text } from "./stream.ts";

const sqlStream = z
  .strictObject({ ...streamShape, table: text.exactOptional(), query: text.exactOptional() })
  .superRefine((stream, context) => {
    checkStream(stream, context);
    checkUnannounced(stream, context);
    if ((stream.table === undefined) === (stream.query === undefined))
      context.addIssue({ code: "custom", path: ["table"], message: "expected either a table or a query" });
  });

const shape = {
  name,
  connection: z.strictObject({ env: text, default: z.string().exactOptional() }),
  batchSize: count.exactOptional(),
  streams: z.array(sqlStream).min(1, "expected at least one stream"),
};

export const postgresSource = z.strictObject({ type: z.literal("postgres"), ...shape });
export const sqliteSource = z.strictObject({ type: z.literal("sqlite"), ...shape });
