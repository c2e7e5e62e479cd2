import { hash, randomUUID } from "node:crypto";
import { join } from "node:path";
import type { Context } from "../../core/context.ts";
import type { StateDatabase } from "../../state/database.ts";
import { type FeedbackStore, type Keyed, startFeedback } from "../feedback/store.ts";
import type { RecoSettings } from "../settings.ts";
import {
  type Answer,
  etagOf,
  type ListRequest,
  listFor,
  makeAnswer,
  SHELVES,
  servedItem,
  tasteFor,
  type Version,
} from "./answer.ts";
import { type AnswerCache, createAnswerCache } from "./answer-cache.ts";
import { eraseFromStores } from "./erase.ts";
import { createFoldIn } from "./fold-in.ts";
import { cutAnswer } from "./prepared.ts";
import { createRuling } from "./ruling.ts";
import { openSnapshot, refusalOf, type Snapshot } from "./snapshot.ts";
import { currentStore, listStores, type ServedAlias, type ServedItem } from "./store.ts";

export interface RecommenderOptions {
  settings: RecoSettings;
  state: StateDatabase;
  folders: { projectDir: string; serving: string; feedbackFile: string };
}

export interface RecommenderHealth {
  model_version: number | null;
  challenger_version: number | null;
  lists_made_at: string | null;
  lists_expire_at: string | null;
  /** Whether the lists are older than they are to become. */
  expired: boolean;
  /** What was refused or does not work, and why. */
  problems: string[];
}

/** Answers from prepared lists, never from the warehouse. */
export interface Recommender {
  /** The answer to the same request before, while it holds. */
  prepared(request: string): Answer | undefined;
  /** Undefined while no good version is there. */
  recommend(request: string, wanted: ListRequest): Answer | undefined;
  /** Writes down that an answer was given; returns the request's id. */
  log(answer: Answer): string;
  playlists(user: string): { body: string; etag: string } | undefined;
  /** Undefined for a track that is not there. */
  similar(track: string, k: number): { body: string; etag: string } | undefined;
  why(user: string, track: string): { body: string; etag: string } | undefined;
  hasTrack(track: string): boolean;
  genres(): string[];
  isErased(user: string): boolean;
  isReady(): boolean;
  addFeedback(event: Keyed): Promise<"stored" | "conflict">;
  /** Deletes feedback, answers and prepared lists of a user, who is a stranger from now on. */
  erase(user: string): Promise<void>;
  health(): RecommenderHealth;
  /** Looks for newer lists and for what other processes wrote. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

const REFRESH_MS = 250;
const CACHE_BYTES = 24 * 1024 * 1024;

interface State extends RecommenderOptions {
  ctx: Context;
  feedback: FeedbackStore;
  cache: AnswerCache;
  versions: Partial<Record<ServedAlias, Loaded>>;
  /** By alias: the file that was refused, and why. */
  refused: Map<ServedAlias, { file: string; why: string }>;
}

interface Loaded {
  snapshot: Snapshot;
  version: Version;
  problem: string | undefined;
}

/** Opens what is there and follows it. Throws FEEDBACK_UNREADABLE (exit 4); damaged lists are told by `health`. */
export async function startRecommender(ctx: Context, options: RecommenderOptions): Promise<Recommender> {
  const state: State = {
    ...options,
    ctx,
    feedback: await startFeedback(options.folders.feedbackFile, ctx.clock),
    cache: createAnswerCache(CACHE_BYTES),
    versions: {},
    refused: new Map(),
  };
  let refreshing: Promise<void> | undefined;
  const refreshOnce = () => {
    refreshing ??= refresh(state).finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  };
  await refreshOnce();
  const timer = setInterval(() => void refreshOnce(), REFRESH_MS);
  return {
    ...readers(state),
    log: (answer) => {
      const id = randomUUID();
      if (answer.logged !== "")
        state.feedback.log(`["${id}","${ctx.clock.now().toISOString()}",${answer.logged}`);
      return id;
    },
    addFeedback: async (event) => {
      const fate = await state.feedback.add(event);
      state.cache.forget(event.user_id);
      return fate;
    },
    erase: async (user) => {
      const erased = state.feedback.erase(user);
      // From now on nothing is logged of the user.
      state.cache.forget(user);
      await erased;
      await eraseFromStores(options.folders.serving, user);
      await refreshOnce();
      await refreshOnce();
    },
    refresh: refreshOnce,
    close: async () => {
      clearInterval(timer);
      await refreshing;
      for (const { snapshot } of Object.values(state.versions)) snapshot.close();
      await state.feedback.close();
    },
  };
}

function readers(state: State) {
  const { cache, feedback, settings } = state;
  const makings = (user: string) => {
    const version = versionFor(state, user);
    return version && { version, feedback, settings };
  };
  const champion = () => state.versions.champion?.snapshot;
  return {
    prepared: (request: string) => cache.get(request),
    recommend: (request: string, wanted: ListRequest) => {
      const makes = makings(wanted.user);
      if (makes === undefined) return undefined;
      const answer = cutAnswer(wanted, makes) ?? makeAnswer(wanted, makes);
      cache.set(request, answer);
      return answer;
    },
    playlists: (user: string) => {
      const makes = makings(user);
      return makes && sealed(playlistsOf(user, makes));
    },
    similar: (track: string, k: number) => {
      const version = state.versions.champion?.version;
      const items = version?.snapshot.similar(track);
      return version && items && sealed(similarTo(track, { items, k, version }));
    },
    why: (user: string, track: string) => {
      const makes = makings(user);
      const text = makes?.version.snapshot.track(track);
      return makes && text && sealed(whyOf(user, { track, text, makes }));
    },
    hasTrack: (track: string) => champion()?.track(track) !== undefined,
    genres: () => champion()?.genres() ?? [],
    isErased: (user: string) => feedback.isErased(user),
    isReady: () => champion() !== undefined,
    health: () => healthOf(state),
  };
}

type Makes = { version: Version; feedback: FeedbackStore; settings: RecoSettings };

function playlistsOf(user: string, makes: Makes) {
  const { version, feedback } = makes;
  const isErased = feedback.isErased(user);
  const { disliked } = isErased ? { disliked: new Set<string>() } : tasteFor(user, makes);
  const own = isErased ? undefined : version.snapshot.playlists(user);
  const popular = [{ name: "Popular now", items: version.snapshot.fallback("all") ?? [] }];
  const playlists = (own ?? popular).map(({ name, items }) => ({
    name,
    items: version
      .ruling(items.filter(({ track_id }) => !disliked.has(track_id)))
      .map((item, place) => servedItem({ ...item, rank: place + 1 })),
  }));
  const { model_version } = version.snapshot.meta;
  return { user_id: user, model_version, fallback: own === undefined, playlists };
}

function similarTo(
  track: string,
  { items, k, version }: { items: readonly ServedItem[]; k: number; version: Version },
) {
  return {
    track_id: track,
    model_version: version.snapshot.meta.model_version,
    items: version
      .ruling(items)
      .slice(0, k)
      .map((item, place) => servedItem({ ...item, rank: place + 1 })),
  };
}

const LONGEST = 1000;

function whyOf(
  user: string,
  { track, text, makes }: { track: string; text: { title: string; artist: string }; makes: Makes },
) {
  const found = SHELVES.flatMap((shelf) => {
    const wanted = { user, shelf, k: LONGEST, isSeenExcluded: false, genre: undefined };
    const { items, isFallback } = listFor(wanted, makes);
    const item = items.find(({ track_id }) => track_id === track);
    return item === undefined
      ? []
      : [{ shelf, rank: item.rank, score: item.score, why: item.why, fallback: isFallback }];
  });
  const { model_version } = makes.version.snapshot.meta;
  return {
    ...{ user_id: user, track_id: track, title: text.title, artist: text.artist, model_version },
    recommended: found.length > 0,
    reasons: found,
  };
}

function sealed(document: unknown): { body: string; etag: string } {
  const body = JSON.stringify(document);
  return { body, etag: etagOf(body) };
}

/** By a hash of the user: the same user gets the same version as long as the share is the same. */
function versionFor({ versions, settings }: State, user: string): Version | undefined {
  const { champion, challenger } = versions;
  if (champion === undefined) return undefined;
  const share = settings.serving.challenger_share;
  const isTried =
    challenger !== undefined &&
    challenger.snapshot.meta.model_version !== champion.snapshot.meta.model_version;
  if (!isTried || share === 0) return { ...champion.version, propensity: 1 };
  const draw = Number.parseInt(hash("sha1", `split ${user}`, "hex").slice(0, 8), 16) / 2 ** 32;
  return draw < share
    ? { ...challenger.version, propensity: share }
    : { ...champion.version, propensity: 1 - share };
}

async function refresh(state: State): Promise<void> {
  const changed = state.feedback.changedUsers();
  if (changed === "all") state.cache.clear();
  else for (const user of changed) state.cache.forget(user);
  await follow(state, "champion");
  if (state.settings.serving.challenger_share > 0) await follow(state, "challenger");
}

/** Takes over the store that is pointed to, when it is another one and whole; else the former one goes on. */
async function follow(state: State, alias: ServedAlias): Promise<void> {
  const { folders, versions, refused } = state;
  try {
    const current = currentStore(folders.serving, alias);
    const file = current?.file;
    if (file === undefined || refused.get(alias)?.file === file) return;
    if (versions[alias]?.snapshot.file === file) {
      refused.delete(alias); // of another one, which is not wanted any more
      return;
    }
    try {
      await takeOver(state, alias, file);
      refused.delete(alias);
    } catch (error) {
      refuse(state, alias, { file, why: refusalOf(error) });
      if (versions[alias] === undefined && alias === "champion") await takeNewestGood(state, file);
    }
  } catch (error) {
    refuse(state, alias, { file: "", why: refusalOf(error) });
    if (versions[alias] === undefined && alias === "champion") await takeNewestGood(state, "");
  }
}

function refuse(state: State, alias: ServedAlias, refusal: { file: string; why: string }): void {
  if (state.refused.get(alias)?.why !== refusal.why)
    state.ctx.log.warn("lists_refused", `the ${alias}'s new lists are not served: ${refusal.why}`);
  state.refused.set(alias, refusal);
}

/** At the start, when what is current is damaged. */
async function takeNewestGood(state: State, bad: string): Promise<void> {
  const { serving } = state.folders;
  const challenger = state.settings.serving.challenger_share > 0 ? safeCurrent(serving) : undefined;
  for (const name of listStores(serving)) {
    const file = join(serving, name);
    if (file === bad || file === challenger) continue;
    const isTaken = await takeOver(state, "champion", file).then(
      () => true,
      () => false, // refused, too: an older one may do
    );
    if (isTaken) return;
  }
}

function safeCurrent(serving: string): string | undefined {
  try {
    return currentStore(serving, "challenger")?.file;
  } catch {
    return undefined; // told by its own refusal
  }
}

async function takeOver(state: State, alias: ServedAlias, file: string): Promise<void> {
  const { settings, folders, versions, cache, ctx } = state;
  const snapshot = await openSnapshot(file);
  let problem: string | undefined;
  const foldIn = settings.fold_in
    ? await createFoldIn(snapshot, { state: state.state, settings, projectDir: folders.projectDir }).catch(
        (error: unknown) => {
          problem = `listens are not folded in: ${refusalOf(error)}`;
          return undefined;
        },
      )
    : undefined;
  const former = versions[alias];
  const { rules } = settings;
  const ruling = createRuling(rules, snapshot);
  const isRuled = snapshot.meta.rules === JSON.stringify(rules);
  versions[alias] = {
    ...{ snapshot, problem },
    version: { snapshot, ruling, isRuled, foldIn, arm: alias, propensity: 1 },
  };
  cache.clear();
  // Every answer is made in one go, so nobody is reading the former one now.
  former?.snapshot.close();
  const { meta } = snapshot;
  ctx.log.info(
    "lists_served",
    `lists of v${meta.model_version} for ${meta.users} users are served (${alias})`,
  );
}

function healthOf({ versions, refused, feedback, ctx }: State): RecommenderHealth {
  const { champion, challenger } = versions;
  const meta = champion?.snapshot.meta;
  return {
    model_version: meta?.model_version ?? null,
    challenger_version: challenger?.snapshot.meta.model_version ?? null,
    lists_made_at: meta?.created_at ?? null,
    lists_expire_at: meta?.expires_at ?? null,
    expired: meta !== undefined && meta.expires_at < ctx.clock.now().toISOString(),
    problems: [
      ...[...refused].map(([alias, { why }]) => `the ${alias}'s new lists were refused: ${why}`),
      ...[champion?.problem, challenger?.problem].filter((problem) => problem !== undefined),
      ...feedback.problems(),
      ...(meta === undefined ? ["there are no lists yet: run reco train, then run reco infer"] : []),
    ],
  };
}
