import { writeDurably } from "../../core/durable.ts";
import { MEMBERS, type Recipe } from "../candidates/model.ts";
import { ACTIVITY, type Metrics } from "../evaluate/evaluate.ts";
import type { Judgement } from "../evaluate/judge.ts";
import type { RecoSettings } from "../settings.ts";
import type { Seal } from "./artefact.ts";
import type { GateCheck } from "./gate.ts";

export interface CardFacts {
  /** What a model that was made elsewhere came from; null for one that was trained here. */
  origin: string | null;
  version: number;
  experiment: string;
  recipe: Recipe;
  split: { from: string; until: string; inner: string };
  metrics: Record<string, Metrics>;
  judgement: Judgement;
  checks: readonly GateCheck[];
  lineage: Record<string, unknown>;
  seal: Seal;
  trials: readonly { what: string; ndcg: number }[];
}

/** Writes the page that says what a model is, how good it is, and what it must not be used for (Markdown). */
export function writeModelCard(file: string, facts: CardFacts, settings: RecoSettings): void {
  writeDurably(file, cardText(facts, settings));
}

function cardText(facts: CardFacts, { k, rules }: RecoSettings): string {
  const { version, experiment, judgement, checks, lineage, seal, trials } = facts;
  return `# Model v${version}

${whatItIs(facts)}
The shelf *on repeat* has the user's own plays with a half-life of 30 days.

## How good it is

${howMeasured(facts, k)}

${metricsTable(facts.metrics)}

By how much users had listened (tracks: light below 10, heavy from 50 on):

| users | number | ndcg | recall |
|---|---|---|---|
${ACTIVITY.flatMap((name) => {
  const group = judgement.discover.activity[name];
  return group ? [`| ${name} | ${group.users} | ${figure(group.ndcg)} | ${figure(group.recall)} |`] : [];
}).join("\n")}

${trialsTable(trials)}## Gate

${checks.map(({ isMet, text }) => `- ${isMet ? "passed" : "**failed**"}: ${text}`).join("\n")}

## Where it comes from

- experiment ${experiment}, data \`${JSON.stringify(lineage.data)}\`, program \`${String(lineage.code)}\`
- artefact: ${seal.sizeBytes} bytes, SHA-256 \`${seal.checksum}\`, shape \`${JSON.stringify(seal.shape)}\`

## Limits

${facts.origin === null ? "It learns from plays alone: what nobody has played yet is never recommended, and popular tracks are named more often\nthan others (popularity_bias above 0.5)." : "It was made elsewhere, and cannot be learned again from newer data: register another one then."} Blocked by rules: ${rules.blocked_tracks.length} tracks, ${rules.blocked_artists.length} artists, ${rules.blocked_genres.length} genres.
`;
}

function whatItIs({ origin, recipe }: CardFacts): string {
  if (origin !== null)
    return `Made elsewhere: ${origin.replaceAll("<", "&lt;")}. It was judged, and is served, like a model that was trained here.`;
  const weights = MEMBERS.filter((member) => recipe.weights[member] > 0)
    .map((member) => `${member} ${recipe.weights[member]}`)
    .join(", ");
  const { als } = recipe;
  return `A blend for the shelf *discover* (tracks that a user does not know): ${weights}. Neighbours by ${recipe.measure};
factors by ALS: ${als.factors} factors, ${als.iterations} iterations, regularization ${als.regularization}, alpha ${als.alpha}, seed ${als.seed}.
The model holds tracks only, no users.`;
}

function howMeasured({ split, origin }: CardFacts, k: number): string {
  const learned = origin === null ? `Learned from what happened before ${split.from}, measured` : "Measured";
  const tuned =
    origin === null ? ` Parameters were chosen on the days from ${split.inner} to ${split.from}.` : "";
  return `${learned} by what users played from ${split.from} until ${split.until}, at depth ${k}.
The 95 % interval of ndcg is by bootstrap over users.${tuned}`;
}

function trialsTable(trials: CardFacts["trials"]): string {
  if (trials.length === 0) return "";
  const rows = trials.map(({ what, ndcg }) => `| ${what.replaceAll("|", "\\|")} | ${figure(ndcg)} |`);
  return `Tried on the inner split:\n\n| what | ndcg |\n|---|---|\n${rows.join("\n")}\n\n`;
}

const SHOWN = [
  "users",
  "ndcg",
  "recall",
  "precision",
  "map",
  "mrr",
  "hit_rate",
  "coverage",
  "novelty",
  "diversity",
  "popularity_bias",
] as const;

function metricsTable(metrics: Record<string, Metrics>): string {
  const shelves = Object.keys(metrics);
  const rows = SHOWN.map(
    (name) => `| ${name} | ${shelves.map((shelf) => cellOf(metrics[shelf], name)).join(" | ")} |`,
  );
  return [`| metric | ${shelves.join(" | ")} |`, `|---|${shelves.map(() => "---|").join("")}`, ...rows].join(
    "\n",
  );
}

function cellOf(metrics: Metrics | undefined, name: (typeof SHOWN)[number]): string {
  if (metrics === undefined) return "–";
  if (name === "users") return String(metrics.users);
  const interval = name === "ndcg" ? ` (${metrics.interval.map(figure).join(" to ")})` : "";
  return figure(metrics[name]) + interval;
}

function figure(value: number): string {
  return value.toFixed(4);
}
