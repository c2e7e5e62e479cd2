import { z } from "zod";
import type { SourceDefinition } from "../../core/sillon.ts";
import { fileSource } from "./files.ts";
import { restSource } from "./rest.ts";
import { postgresSource, sqliteSource } from "./sql.ts";

const schemas: Record<NonNullable<SourceDefinition["type"]>, z.ZodType<SourceDefinition>> = {
  rest: restSource,
  postgres: postgresSource,
  sqlite: sqliteSource,
  files: fileSource,
};

const typed = z.looseObject({
  type: z
    .enum(Object.keys(schemas) as [keyof typeof schemas], {
      error: `expected one of ${Object.keys(schemas).join(", ")}`,
    })
    .default("rest"),
});

/** A definition as it has to be, or what is wrong with it, each as `source.streams.0.key: …`. */
export function parseDefinition(value: unknown): { source: SourceDefinition } | { mistakes: string[] } {
  const kind = typed.safeParse(value);
  const parsed = kind.success ? schemas[kind.data.type].safeParse(value) : kind;
  if (kind.success && parsed.success) return { source: parsed.data as SourceDefinition };
  const issues = parsed.error?.issues ?? [];
  return {
    mistakes: issues.map((issue) => `${["source", ...issue.path].map(String).join(".")}: ${issue.message}`),
  };
}
