import { z } from "zod";
import type { RunNodeRow } from "../state/database.ts";
import type { Outcome } from "./outcome.ts";

const error = z.object({ message: z.string() }).nullable().default(null);
const seconds = z.number().nullable().default(null);
const streamSchema = z.object({
  source: z.string(),
  stream: z.string(),
  status: z.string(),
  new: z.number().default(0),
  changed: z.number().default(0),
  deleted: z.number().default(0),
  seconds,
  error,
});
const nodeSchema = z.object({
  unique_id: z.string(),
  status: z.string(),
  rows: z.number().nullable().default(null),
  failures: z.number().nullable().default(null),
  seconds,
  error,
  reason: z.string().nullable().default(null),
});
const listsSchema = z.object({
  streams: z.array(streamSchema).catch([]),
  seeds: z.array(nodeSchema).catch([]),
  snapshots: z.array(nodeSchema).catch([]),
  models: z.array(nodeSchema).catch([]),
  unit_tests: z.array(nodeSchema.omit({ rows: true }).transform((one) => ({ ...one, rows: null }))).catch([]),
  tests: z.array(nodeSchema).catch([]),
});

const KINDS = {
  seeds: "seed",
  snapshots: "snapshot",
  models: "model",
  unit_tests: "unit_test",
  tests: "test",
} as const;

/** What a command's answer says of streams and nodes, as the history keeps it. */
export function nodesOf({ json }: Pick<Outcome, "json">): Omit<RunNodeRow, "run_id" | "place">[] {
  const lists = listsSchema.parse(json);
  const streams = lists.streams.map((one) => ({
    node: `${one.source}.${one.stream}`,
    kind: "stream",
    status: one.status,
    seconds: one.seconds,
    rows: one.new + one.changed + one.deleted,
    message: one.error?.message ?? null,
  }));
  const nodes = Object.entries(KINDS).flatMap(([list, kind]) =>
    // The keys of KINDS are lists of the schema.
    lists[list as keyof typeof KINDS].map((one) => ({
      node: one.unique_id,
      kind,
      status: one.status,
      seconds: one.seconds,
      rows: one.failures ?? one.rows,
      message: one.error?.message ?? one.reason,
    })),
  );
  return [...streams, ...nodes];
}
