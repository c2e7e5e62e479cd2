import type { Listener } from "../candidates/members.ts";
import { createExams, type Exam, type Shelf } from "../evaluate/evaluate.ts";
import type { RecoSource } from "../tables.ts";
import { type Catalogue, type Dataset, readDataset, readTruth } from "./dataset.ts";
import type { Weights } from "./interactions.ts";

/** What was known before a moment, and what came to be from there on until another. */
export interface Split {
  dataset: Dataset;
  /** Up to before this moment. */
  until: string;
  exams: Record<Shelf, Exam>;
}

/** The data before `from` to learn from, feedback included, those from there up to `until` to be measured by: no listen is in both. */
export async function readSplit(
  source: RecoSource,
  {
    from,
    until,
    catalogue,
    weights,
  }: { from: string; until: string; catalogue: Catalogue; weights: Weights },
): Promise<Split> {
  const dataset = await readDataset(source, { cutoff: from, catalogue, weights });
  const truth = await readTruth(source, { from, to: until });
  return { dataset, until, exams: createExams(dataset, truth) };
}

export function listenerOf({ plays, decayed, weights, users }: Dataset, row: number): Listener {
  return { id: users.ids[row] ?? "", row, plays, decayed, weights, segment: users.segments[row] ?? "all" };
}
