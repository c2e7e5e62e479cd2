import { distance } from "fastest-levenshtein";

/** Up to three of `known` that a person may have meant by `name`, the nearest first. */
export function nearestNames(name: string, known: Iterable<string>): string[] {
  const limit = Math.max(2, Math.ceil(name.length * 0.45));
  const wanted = name.toLowerCase();
  return [...new Set(known)]
    .map((candidate) => ({ candidate, score: scoreOf(wanted, candidate.toLowerCase()) }))
    .filter(({ score }) => score <= limit)
    .sort((a, b) => a.score - b.score || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

function scoreOf(wanted: string, candidate: string): number {
  const isWord = Math.min(wanted.length, candidate.length) >= 3;
  const isPart = isWord && (candidate.includes(wanted) || wanted.includes(candidate));
  const edits = distance(wanted, candidate);
  return isPart ? Math.min(edits, 1.5) : edits;
}

/** A line for an error's `why`; empty when nothing is near. */
export function nearestLine(name: string, known: Iterable<string>): string[] {
  const names = nearestNames(name, known);
  return names.length > 0 ? [`nearest names: ${names.join(", ")}`] : [];
}
