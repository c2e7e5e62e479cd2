import { rowRange, transposed } from "../candidates/matrix.ts";
import type { TrackFacts } from "../candidates/variety.ts";
import type { Dataset } from "../train/dataset.ts";
import { bootstrapInterval } from "./bootstrap.ts";
import { describeLists, type ListMetrics, scoreList, USER_METRICS, type UserScores } from "./metrics.ts";

/** Of lists over test users; `interval` is of ndcg. */
export interface Metrics extends UserScores, ListMetrics {
  users: number;
  interval: [number, number];
}

/** What is asked of the lists: tracks that the user did not know, or those that the user came back to. */
export const SHELVES = ["discover", "on_repeat"] as const;
export type Shelf = (typeof SHELVES)[number];

/** Users with something to be found, and the tracks that are it. */
export interface Exam {
  shelf: Shelf;
  users: { row: number; truth: ReadonlySet<number> }[];
}

/** Parts what users played after the cut by whether they had played it before. */
export function createExams(
  dataset: Dataset,
  truth: ReadonlyMap<number, readonly number[]>,
): Record<Shelf, Exam> {
  const exams: Record<Shelf, Exam> = {
    discover: { shelf: "discover", users: [] },
    on_repeat: { shelf: "on_repeat", users: [] },
  };
  for (const [row, played] of truth) {
    const known = new Set(dataset.plays.columns.subarray(...rowRange(dataset.plays, row)));
    const fresh = played.filter((track) => !known.has(track));
    const again = played.filter((track) => known.has(track));
    if (fresh.length > 0) exams.discover.users.push({ row, truth: new Set(fresh) });
    if (again.length > 0) exams.on_repeat.users.push({ row, truth: new Set(again) });
  }
  return exams;
}

/** By how much a user had listened before the cut. */
export const ACTIVITY = ["cold", "light", "medium", "heavy"] as const;
export type Activity = (typeof ACTIVITY)[number];

export function activityOf(tracks: number): Activity {
  if (tracks === 0) return "cold";
  return tracks < 10 ? "light" : tracks < 50 ? "medium" : "heavy";
}

export interface Evaluation {
  metrics: Metrics;
  /** By how much the users had listened. */
  activity: Partial<Record<Activity, { users: number; ndcg: number; recall: number }>>;
  /** ndcg of each test user, in their order. */
  ndcg: number[];
}

/** Measures lists, one for each user of the exam, the best track first. */
export function evaluateLists(
  dataset: Dataset,
  exam: Exam,
  { listOf, k, seed }: { listOf: (row: number) => ArrayLike<number>; k: number; seed: number },
): Evaluation {
  const lists = exam.users.map(({ row }) => listOf(row));
  const scores = exam.users.map(({ truth }, place) => scoreList(lists[place] ?? [], truth, k));
  const ndcg = scores.map((score) => score.ndcg);
  const groups = new Map<Activity, UserScores[]>();
  for (const [place, { row }] of exam.users.entries()) {
    const [from, to] = rowRange(dataset.plays, row);
    const group = groups.get(activityOf(to - from)) ?? [];
    const score = scores[place];
    if (score !== undefined) group.push(score);
    groups.set(activityOf(to - from), group);
  }
  return {
    metrics: {
      users: scores.length,
      ...meansOf(scores),
      interval: bootstrapInterval(ndcg, seed),
      ...describeLists(lists, { ...worldOf(dataset), k }),
    },
    activity: Object.fromEntries(
      [...groups].map(([name, group]) => {
        const { ndcg, recall } = meansOf(group);
        return [name, { users: group.length, ndcg, recall }];
      }),
    ),
    ndcg,
  };
}

export function factsOf({ catalogue }: Pick<Dataset, "catalogue">): TrackFacts {
  return { artistOf: catalogue.artists, genresOf: catalogue.genres };
}

function worldOf(dataset: Dataset) {
  const { offsets } = transposed(dataset.plays, dataset.catalogue.ids.length);
  const listeners = offsets.slice(1).map((end, track) => end - (offsets[track] ?? 0));
  return { facts: factsOf(dataset), listeners, userCount: dataset.users.ids.length };
}

function meansOf(scores: readonly UserScores[]): UserScores {
  const mean = (name: keyof UserScores) =>
    scores.length === 0 ? 0 : scores.reduce((sum, score) => sum + score[name], 0) / scores.length;
  const all = Object.fromEntries(USER_METRICS.map((name) => [name, mean(name)]));
  return all as unknown as UserScores; // each of its names has its mean
}
