import type { Listener } from "../candidates/members.ts";
import { createExams, type Exam, type Shelf } from "../evaluate/evaluate.ts";
import { type Catalogue, type Dataset, type RecoSource, readDataset, readTruth } from "./dataset.ts";

/** What was known before a moment, and what came to be from there on until another. */
export interface Split {
  dataset: Dataset;
  /** Up to before this moment. */
  until: string;
  exams: Record<Shelf, Exam>;
}

/** The data before `from` to learn from, those from there up to `until` to be measured by: no listen is in both. */
export async function readSplit(
  source: RecoSource,
  { from, until, catalogue }: { from: string; until: string; catalogue: Catalogue },
): Promise<Split> {
  const dataset = await readDataset(source, { cutoff: from, catalogue });
  const truth = await readTruth(source, { from, to: until });
  return { dataset, until, exams: createExams(dataset, truth) };
}

export function listenerOf({ plays, decayed, users }: Dataset, row: number): Listener {
  return { row, plays, decayed, segment: users.segments[row] ?? "all" };
}
