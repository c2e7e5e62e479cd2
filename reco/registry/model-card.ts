import { writeFileSync } from "node:fs";
import { MEMBERS, type Recipe } from "../candidates/model.ts";
import { ACTIVITY, type Metrics } from "../evaluate/evaluate.ts";
import type { Judgement } from "../evaluate/judge.ts";
import type { RecoSettings } from "../settings.ts";
import type { Seal } from "./artefact.ts";
import type { GateCheck } from "./gate.ts";

export interface CardFacts {
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
  writeFileSync(file, cardText(facts, settings));
}

function cardText(facts: CardFacts, { k, rules }: RecoSettings): string {
  const { version, experiment, recipe, split, judgement, checks, lineage, seal, trials } = facts;
  const weights = MEMBERS.filter((member) => recipe.weights[member] > 0)
    .map((member) => `${member} ${recipe.weights[member]}`)
    .join(", ");
  const { als } = recipe;
  return `# Model v${version}

A blend for the shelf *discover* (tracks that a user does not know): ${weights}. Neighbours by ${recipe.measure};
factors by ALS: ${als.factors} factors, ${als.iterations} iterations, regularization ${als.regularization}, alpha ${als.alpha}, seed ${als.seed}.
The shelf *on repeat* has the user's own plays with a half-life of 30 days. The model holds tracks only, no users.

## How good it is

Learned from what happened before ${split.from}, measured by what users played from then until ${split.until}, at depth ${k}.
The 95 % interval of ndcg is by bootstrap over users. Parameters were chosen on the days from ${split.inner} to ${split.from}.

${metricsTable(facts.metrics)}

By how much users had listened (tracks: light below 10, heavy from 50 on):

| users | number | ndcg | recall |
|---|---|---|---|
${ACTIVITY.flatMap((name) => {
  const group = judgement.discover.activity[name];
  return group ? [`| ${name} | ${group.users} | ${figure(group.ndcg)} | ${figure(group.recall)} |`] : [];
}).join("\n")}

Tried on the inner split:

| what | ndcg |
|---|---|
${trials.map(({ what, ndcg }) => `| ${what.replaceAll("|", "\\|")} | ${figure(ndcg)} |`).join("\n")}

## Gate

${checks.map(({ isMet, text }) => `- ${isMet ? "passed" : "**failed**"}: ${text}`).join("\n")}

## Where it comes from

- experiment ${experiment}, data \`${JSON.stringify(lineage.data)}\`, program \`${String(lineage.code)}\`
- artefact: ${seal.sizeBytes} bytes, SHA-256 \`${seal.checksum}\`, shape \`${JSON.stringify(seal.shape)}\`

## Limits

It learns from plays alone: what nobody has played yet is never recommended, and popular tracks are named more often
than others (popularity_bias above 0.5). Blocked by rules: ${rules.blocked_tracks.length} tracks, ${rules.blocked_artists.length} artists, ${rules.blocked_genres.length} genres.
`;
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
