import { z } from "zod";
import type { ContractDefinition } from "../../core/sillon.ts";
import { cursorForm, positionOf } from "../cursor/position.ts";
import { contract, contractMistakes } from "./contract.ts";

/** Names become names of schemas and tables. */
export const name = z.string().regex(/^[a-z][a-z0-9_]*$/, "expected snake_case: small letters, digits, _");

export const count = z.number().int().positive();
export const text = z.string().min(1, "expected a text that is not empty");

const isSchema = (value: unknown): value is z.ZodType =>
  typeof value === "object" && value !== null && "safeParse" in value;

const cursorShape = z.strictObject({
  field: text,
  type: z.enum(["time", "number", "text"]).exactOptional(),
  unit: z.enum(["s", "ms"]).exactOptional(),
  parameter: text.exactOptional(),
  untilParameter: text.exactOptional(),
  lookBack: z.number().nonnegative().exactOptional(),
  start: z.union([z.string(), z.number()]).exactOptional(),
  ordered: z.boolean().exactOptional(),
});

const cursor = cursorShape.superRefine((definition, context) => {
  const issue = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message });
  const { type = "time", unit, lookBack, start } = definition;
  if (unit !== undefined && type !== "time") issue("unit", "of use only with times");
  if (lookBack !== undefined && type === "text") issue("lookBack", "texts have no distance");
  if (start !== undefined && positionOf(definition, String(start)) === null)
    issue("start", `expected a value of the cursor (${cursorForm(definition)})`);
});

/** What streams of every kind of source have. */
export const streamShape = {
  name,
  key: z.array(text),
  updatedAt: text.exactOptional(),
  record: z.custom<z.ZodType>(isSchema, "expected a zod schema"),
  mode: z.enum(["full", "incremental", "append"]).exactOptional(),
  contract: contract.exactOptional(),
  cursor: cursor.exactOptional(),
};

interface Modes {
  key: readonly string[];
  mode?: "full" | "incremental" | "append";
  cursor?: unknown;
  contract?: ContractDefinition;
}

/** What its mode and its contract ask of a stream's definition. */
export function checkStream(stream: Modes, context: z.RefinementCtx): void {
  const issue = (path: string, message: string) =>
    context.addIssue({ code: "custom", path: [path], message });
  if (stream.key.length === 0 && stream.mode !== "append")
    issue("key", "expected at least one member's name (only append streams have none)");
  if (stream.mode === "incremental" && stream.cursor === undefined)
    issue("cursor", "expected one, since the mode is incremental");
  if ((stream.mode ?? "full") === "full" && stream.cursor !== undefined)
    issue("cursor", 'of use only with mode: "incremental" or "append"');
  for (const { path, message } of contractMistakes(stream))
    context.addIssue({ code: "custom", path: ["contract", ...path], message });
}

/** Sources that announce no total. */
export function checkUnannounced({ contract }: Modes, context: z.RefinementCtx): void {
  if (contract?.rows?.announced === undefined) return;
  const message = "of use only with a service that announces a total";
  context.addIssue({ code: "custom", path: ["contract", "rows", "announced"], message });
}
