import { z } from "zod";
import { validateYaml, type YamlFile } from "../core/yaml.ts";

const count = (fallback: number) => z.int().min(1).default(fallback);
const share = (fallback: number) => z.number().min(0).max(1).default(fallback);
const ids = z
  .array(z.union([z.string(), z.number()]))
  .transform((list) => list.map(String))
  .default([]);
const names = z.array(z.string()).default([]);

const rules = z.strictObject({
  /** Never recommended. */
  blocked_tracks: ids,
  blocked_artists: names,
  blocked_genres: names,
  /** Of one list. */
  max_per_artist: count(3),
});

const requirements = z.strictObject({
  /** Below these there is too little to learn from, or to tell a good model from a bad one. */
  min_listens: count(1000),
  min_users: count(50),
  min_test_users: count(30),
});

const promotion = z.strictObject({
  /** Whether a model that passes the gate becomes the champion by itself. */
  automatic: z.boolean().default(true),
  /** The least share of the tracks that lists of the test users name together. */
  min_coverage: share(0.02),
  /** How much worse than the champion, relative, still counts as not worse. */
  tolerance: share(0.02),
});

const als = z.strictObject({
  factors: z.int().min(2).max(512).default(32),
  iterations: count(10),
  /** Tried on the inner split, each with each. */
  regularization: z.array(z.number().positive()).min(1).default([0.1]),
  alpha: z.array(z.number().positive()).min(1).default([1, 5]),
});

const serving = z.strictObject({
  /** Of the users, who get the challenger's lists, once `run reco infer --challenger` has made them. */
  challenger_share: share(0),
  /** Requests a second of one caller, who may save up two seconds of them; 0 is no limit. */
  requests_per_second: z.number().min(0).default(0),
  /** A listen of so many milliseconds or more was liked. */
  min_listen_ms: z.int().min(0).default(30_000),
});

const drift = z.strictObject({
  /** What is compared with the reference: the last so many days, and as many before them. */
  window_days: count(7),
  /** The reference: the last so many days of what the champion learned from. */
  reference_days: count(28),
  /** With fewer samples on either side nothing is said. */
  min_samples: count(500),
});

/** What feedback counts as when a model learns, in plays. */
const feedback = z.strictObject({
  /** Added where a user's last word of a track is a like. */
  like: z.number().min(0).default(3),
  /** Against the track where it is a dislike, whatever was played; it is in no list of the user in any case. */
  dislike: z.number().min(0).default(3),
  /** Added for each listen that was long enough. The history of the service has them too, as a rule. */
  listen: z.number().min(0).default(0),
  /** Taken away for each skip before that. */
  skip: z.number().min(0).default(0),
});

const live = z.strictObject({
  /** Success is looked at over so many days. */
  window_days: count(7),
  /** Shown tracks, on a shelf; with fewer nothing is said of success. */
  min_samples: count(1000),
});

/** By how much success may fall, as a share of what it was. */
const drop = z.union([z.literal(false), z.number().gt(0).max(1)]).default(0.2);
const limit = z.union([z.literal(false), z.enum(["moderate", "severe"])]).default("severe");

const retrain = z.strictObject({
  /** Each of these, unless it is false, is a reason to train anew. */
  success_drop: drop,
  drift: z.strictObject({ features: limit, popularity: limit, predictions: limit, cold: limit }).prefault({}),
  /** Listens since then, as a share of those that the champion learned from. */
  new_listens: z.union([z.literal(false), z.number().positive()]).default(0.2),
  age_days: z.union([z.literal(false), z.number().positive()]).default(30),
  /** Between one retraining or rollback and the next. */
  cooldown_hours: z.number().min(0).default(24),
});

const rollback = z.strictObject({
  /** By how much success of a new champion may be below the former one's; false: it always stays. */
  success_drop: drop,
  /** After its promotion. */
  within_days: z.number().positive().default(14),
});

const shape = z.strictObject({
  /** Depth at which lists are measured. */
  k: count(10),
  /** Tracks that inference prepares for a user and shelf. */
  list_length: count(30),
  playlist_length: count(25),
  /** From 0, by liking alone, to 1, as varied as can be. */
  variety: share(0.3),
  seed: z.int().default(1),
  /** After so many hours prepared lists count as old. */
  expiry_hours: z.number().positive().default(48),
  /** Prepared stores that stay beside the current one. */
  keep: count(3),
  requirements: requirements.prefault({}),
  promotion: promotion.prefault({}),
  als: als.prefault({}),
  rules: rules.prefault({}),
  /** Whether a listen changes the user's next list at once, by folding it into the served model. */
  fold_in: z.boolean().default(false),
  serving: serving.prefault({}),
  drift: drift.prefault({}),
  feedback: feedback.prefault({}),
  live: live.prefault({}),
  retrain: retrain.prefault({}),
  rollback: rollback.prefault({}),
});

export type RecoSettings = z.output<typeof shape>;
export type Rules = RecoSettings["rules"];

/** The `reco:` map of project.yml with its defaults. Throws ProjectErrors (exit 2) that name the place. */
export function readRecoSettings(file: YamlFile): RecoSettings {
  const outer = z.looseObject({ reco: shape.prefault({}) });
  return validateYaml(file, outer).reco;
}
