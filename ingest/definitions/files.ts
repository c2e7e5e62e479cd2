import { z } from "zod";
import { checkStream, checkUnannounced, name, streamShape, text } from "./stream.ts";

const fileStream = z
  .strictObject({
    ...streamShape,
    path: text,
    format: z.enum(["csv", "ndjson", "json", "parquet"]).exactOptional(),
    delimiter: z.string().length(1, "expected one character").exactOptional(),
    records: z.string().exactOptional(),
  })
  .superRefine((stream, context) => {
    checkStream(stream, context);
    checkUnannounced(stream, context);
  });

export const fileSource = z.strictObject({
  type: z.literal("files"),
  name,
  streams: z.array(fileStream).min(1, "expected at least one stream"),
});
