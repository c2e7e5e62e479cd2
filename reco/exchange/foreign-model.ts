import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { SqlError } from "../../engines/engine.ts";
import { sparseRows } from "../candidates/matrix.ts";
import { MEMBERS, type Model, type Recipe } from "../candidates/model.ts";
import type { RecoSettings } from "../settings.ts";
import type { RecoSource } from "../tables.ts";
import type { Dataset } from "../train/dataset.ts";
import { commonParts } from "../train/fit.ts";

/** What a file of a model that was made elsewhere holds: lists of users, or factors of tracks. */
export type ForeignKind = "lists" | "factors";

export interface ForeignFile {
  kind: ForeignKind;
  /** Parquet, CSV or NDJSON, by its ending. */
  file: string;
  /** As the person gave it, for messages. */
  shown: string;
}

/** The parts of a model that come from a file; the rest is of the data that it is used with. */
export interface ForeignParts {
  kind: ForeignKind;
  recipe: Recipe;
  /** By id of the track, where the kind is factors. */
  factors: ReadonlyMap<string, Float32Array>;
  /** By id of the user, the best first, where it is lists. */
  lists: ReadonlyMap<string, { track: string; score: number }[]>;
  /** Rows that name users or tracks which the warehouse does not know. */
  unknown: number;
}

const COLUMNS: Record<ForeignKind, readonly string[]> = {
  lists: ["user_id", "track_id", "rank"],
  factors: ["track_id", "factors"],
};

/**
 * Reads and checks a file. Of lists: a row a user and track, `rank` from 1, each once for a user. Of factors: a row a
 * track, numbers of one length. Throws RECO_FILE_INVALID (exit 2) for anything else; tracks and users that the warehouse
 * does not have are counted and left out.
 */
export async function readForeignFile(
  source: RecoSource,
  { kind, file, shown }: ForeignFile,
  { als, seed }: Pick<RecoSettings, "als" | "seed">,
): Promise<ForeignParts> {
  const query = readerOf(source, file, shown);
  await checkColumns(source, { query, kind, shown });
  const empty = { factors: new Map<string, Float32Array>(), lists: new Map(), kind };
  const plain: Recipe = {
    measure: "cosine",
    als: {
      factors: 0,
      iterations: 0,
      regularization: als.regularization[0] ?? 0.1,
      alpha: als.alpha[0] ?? 1,
      seed,
    },
    weights: weightsOn("segment"),
  };
  if (kind === "lists") {
    const { lists, unknown } = await readLists(source, { query, shown });
    return { ...empty, recipe: plain, lists, unknown };
  }
  const { factors, unknown, width } = await readFactors(source, { query, shown });
  const recipe = { ...plain, als: { ...plain.als, factors: width }, weights: weightsOn("factors") };
  return { ...empty, recipe, factors, unknown };
}

function weightsOn(member: (typeof MEMBERS)[number]): Recipe["weights"] {
  return Object.fromEntries(MEMBERS.map((name) => [name, name === member ? 1 : 0])) as Recipe["weights"]; // each has one
}

/** The model that the parts make with what a dataset tells of its tracks. */
export function foreignModel(dataset: Dataset, { recipe, factors, lists, kind }: ForeignParts): Model {
  const { catalogue, cutoff } = dataset;
  const width = recipe.als.factors;
  const matrix = new Float32Array(kind === "factors" ? catalogue.ids.length * width : 0);
  for (const [track, own] of factors) {
    const place = catalogue.places.get(track);
    if (place !== undefined) matrix.set(own, place * width);
  }
  const model = { ...commonParts(dataset), recipe, cutoff, factors: matrix };
  if (kind === "factors") return model;
  const userIds = [...lists.keys()];
  const entries: { rows: number[]; columns: number[]; values: number[] } = {
    rows: [],
    columns: [],
    values: [],
  };
  for (const [row, user] of userIds.entries())
    for (const { track, score } of lists.get(user) ?? []) {
      entries.rows.push(row);
      entries.columns.push(catalogue.places.get(track) ?? 0);
      entries.values.push(score);
    }
  return { ...model, given: { userIds, rows: sparseRows(userIds.length, entries) } };
}

const READERS: Record<string, (file: string) => string> = {
  parquet: (file) => `read_parquet(${file})`,
  csv: (file) => `read_csv(${file}, header = true)`,
  ndjson: (file) => `read_json(${file}, format = 'newline_delimited')`,
};

function readerOf({ engine }: RecoSource, file: string, shown: string): string {
  const ending = file.split(".").at(-1)?.toLowerCase() ?? "";
  const reader = READERS[ending === "jsonl" ? "ndjson" : ending];
  if (reader !== undefined) return reader(engine.literal(file));
  throw invalid(shown, `it is not clear what "${shown}" holds`, {
    hint: "name it .parquet, .csv or .ndjson",
  });
}

async function checkColumns(
  { session }: RecoSource,
  { query, kind, shown }: { query: string; kind: ForeignKind; shown: string },
): Promise<void> {
  const { rows } = await reading(shown, () =>
    session.query(`select column_name from (describe select * from ${query})`),
  );
  const names = rows.map(([name]) => String(name));
  const missing = COLUMNS[kind].filter((name) => !names.includes(name));
  if (missing.length === 0) return;
  throw invalid(shown, `a file of ${kind} needs the column ${missing.join(" and ")}`, {
    why: [...missing.flatMap((name) => nearestLine(name, names)), `it has ${names.join(", ") || "none"}`],
    hint: `give it the columns ${COLUMNS[kind].join(", ")}`,
  });
}

async function reading<T>(shown: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw invalid(shown, "the file cannot be read", {
      why: [error.message.split("\n")[0] ?? ""],
      cause: error,
    });
  }
}

async function readLists(source: RecoSource, { query, shown }: { query: string; shown: string }) {
  const { session, tables } = source;
  const { rows } = await reading(shown, () =>
    session.query(`with given as (
  select cast(user_id as varchar) as user_id, cast(track_id as varchar) as track_id, try_cast("rank" as integer) as place
  from ${query}
)
select given.user_id, given.track_id, place, users.user_id is not null and tracks.track_id is not null
from given
left join (select distinct cast(user_id as varchar) as user_id from ${tables.users}) as users on users.user_id = given.user_id
left join (select distinct cast(track_id as varchar) as track_id from ${tables.tracks}) as tracks on tracks.track_id = given.track_id
order by given.user_id, place`),
  );
  if (rows.length === 0) throw invalid(shown, "the file has no rows", {});
  const lists = new Map<string, { track: string; score: number }[]>();
  const seen = new Set<string>();
  let unknown = 0;
  for (const [user, track, place, isKnown] of rows) {
    const of = `user ${user}, track ${track}`;
    if (user === null || track === null) throw invalid(shown, "user_id or track_id is missing in a row", {});
    if (place === null || Number(place) < 1)
      throw invalid(shown, `rank is not a whole number from 1 on: ${of}`, {});
    for (const key of [`${user} track ${track}`, `${user} rank ${place}`]) {
      if (seen.has(key))
        throw invalid(shown, `the same track or rank twice for one user: ${of}, rank ${place}`, {});
      seen.add(key);
    }
    if (isKnown !== true) {
      unknown++;
      continue;
    }
    const list = lists.get(String(user)) ?? [];
    list.push({ track: String(track), score: 1 / (59 + Number(place)) });
    lists.set(String(user), list);
  }
  if (lists.size === 0)
    throw invalid(shown, "it names no user and track that this project has", {
      hint: "use the ids of run reco export",
    });
  return { lists, unknown };
}

async function readFactors(source: RecoSource, { query, shown }: { query: string; shown: string }) {
  const { session, tables } = source;
  const { rows } = await reading(shown, () =>
    session.query(`with given as (select cast(track_id as varchar) as track_id, cast(factors as float[]) as factors from ${query})
select given.track_id, len(factors), list_bool_and(list_transform(factors, lambda value: value is not null and isfinite(value))),
  tracks.track_id is not null, to_json(factors)
from given
left join (select distinct cast(track_id as varchar) as track_id from ${tables.tracks}) as tracks on tracks.track_id = given.track_id
order by given.track_id`),
  );
  if (rows.length === 0) throw invalid(shown, "the file has no rows", {});
  const width = Number(rows[0]?.[1] ?? 0);
  const factors = new Map<string, Float32Array>();
  const seen = new Set<string>();
  let unknown = 0;
  for (const [id, length, areNumbers, isKnown, text] of rows) {
    if (id === null) throw invalid(shown, "track_id is missing in a row", {});
    const track = String(id);
    if (seen.has(track)) throw invalid(shown, `track ${track} has factors twice`, {});
    seen.add(track);
    if (length === null || Number(length) === 0 || Number(length) !== width)
      throw invalid(shown, `track ${track} has ${Number(length ?? 0)} factors, others have ${width}`, {});
    if (areNumbers !== true) throw invalid(shown, `factors of track ${track} are not all finite numbers`, {});
    if (isKnown === true)
      factors.set(track, Float32Array.from(JSON.parse(String(text)) as number[])); // of float[]
    else unknown++;
  }
  if (width > MOST_FACTORS) throw invalid(shown, `${width} factors are more than ${MOST_FACTORS}`, {});
  if (factors.size === 0)
    throw invalid(shown, "it names no track that this project has", {
      hint: "use the ids of run reco export",
    });
  return { factors, unknown, width };
}

const MOST_FACTORS = 1024;

function invalid(
  shown: string,
  message: string,
  {
    why = [],
    hint = "correct the file and register it again; nothing was registered",
    cause,
  }: { why?: string[]; hint?: string; cause?: unknown },
): ProjectError {
  return new ProjectError("RECO_FILE_INVALID", {
    message,
    where: shown,
    why,
    hint,
    exitCode: EXIT.usage,
    cause,
  });
}
