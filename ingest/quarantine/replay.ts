import type { Context } from "../../core/context.ts";
import type { StreamDefinition } from "../../core/sillon.ts";
import { type Engine, relationKey } from "../../engines/engine.ts";
import { packRows } from "../../engines/packed-rows.ts";
import { type Committed, commitLoad } from "../raw/commit.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { type Candidate, judgeRecord, ordersByCursor } from "../records/record.ts";
import { EMPTY_LOAD } from "../reset.ts";
import { NO_COUNTS, type StreamCounts } from "../stream-result.ts";
import { eachQuarantine, type QuarantineChoice, type QuarantinePlace } from "./records.ts";

export interface ReplayResult {
  source: string;
  stream: string;
  /** Records that were judged again. */
  records: number;
  /** Those that break the contract still. */
  stay: number;
  /** Null when none has passed, and of a dry run. */
  loadId: number | null;
  /** Of those that passed. */
  counts: StreamCounts;
}

/**
 * Judges records in quarantine by today's contract. Those that pass leave it and become versions, in a load of its own for each stream; one
 * that is older than what is there of its key becomes an earlier version. The others stay.
 */
export async function replayRefused(
  ctx: Context,
  engine: Engine,
  choice: QuarantineChoice & { isDryRun: boolean },
): Promise<ReplayResult[]> {
  return eachQuarantine(engine, choice, (place) => replayStream(ctx, place, choice.isDryRun));
}

/** Carries what a load would do out of the transaction that it undoes. */
class Undone extends Error {
  override readonly name = "Undone";

  constructor(readonly committed: Committed) {
    super("a dry run");
  }
}

async function replayStream(ctx: Context, place: QuarantinePlace, isDryRun: boolean): Promise<ReplayResult> {
  const startedAt = ctx.clock.now();
  const passed = await landPassing(place);
  const { source, stream } = place;
  const result = { source: source.name, stream: stream.name, records: passed.judged };
  const stay = passed.judged - passed.count;
  if (passed.count === 0) return { ...result, stay, loadId: null, counts: NO_COUNTS };
  try {
    const { loadId, counts } = await place.session.transaction(async () => {
      const committed = await commitPassing(ctx, place, passed, startedAt);
      if (isDryRun) throw new Undone(committed);
      return committed;
    });
    return { ...result, stay, loadId, counts };
  } catch (error) {
    if (!(error instanceof Undone)) throw error;
    return { ...result, stay, loadId: null, counts: error.committed.counts };
  }
}

interface Passing {
  judged: number;
  count: number;
  /** Landed rows, for SQL; those that are older than what is there are on page 0. */
  landed: string;
  /** Their places in quarantine, for SQL. */
  places: string;
}

/** Records judged at once. */
const PART_RECORDS = 2000;

async function landPassing(place: QuarantinePlace): Promise<Passing> {
  const { session, stream } = place;
  const landed = await session.createLandingTable(`${stream.name}_replayed`, {
    page: "integer",
    position: "integer",
    key: "text",
    hash: "text",
    updated_at: "text",
    reason: "text",
    record: "text",
  });
  const integers = { load_id: "integer", page: "integer", position: "integer" } as const;
  const places = await session.createLandingTable(`${stream.name}_replayed_places`, integers);
  let [judged, count] = [0, 0];
  for (let after: Refused | undefined; ; ) {
    const part = await readPart(place, after);
    const passing = await judgePart(place, part);
    const columns = (...values: ((one: Passed) => string | number | null)[]) => [
      packRows(values.map((value) => passing.map(value))),
    ];
    if (passing.length > 0) {
      await session.land(
        landed,
        columns(
          (one) => (one.isSuperseded ? 0 : 1),
          (one) => count + passing.indexOf(one) + 1,
          ({ candidate }) => candidate.key,
          ({ candidate }) => candidate.hash,
          ({ candidate }) => candidate.updatedAt,
          () => null,
          ({ candidate }) => candidate.text,
        ),
      );
      await session.land(
        places,
        columns(
          ({ refused }) => refused.loadId,
          ({ refused }) => refused.page,
          ({ refused }) => refused.position,
        ),
      );
    }
    judged += part.length;
    count += passing.length;
    after = part.at(-1);
    if (part.length < PART_RECORDS) return { judged, count, landed, places };
  }
}

interface Refused {
  loadId: number;
  page: number;
  position: number;
  text: string;
}

async function readPart(
  { session, tables, chosen }: QuarantinePlace,
  after: Refused | undefined,
): Promise<Refused[]> {
  const { loadId = 0, page = 0, position = 0 } = after ?? {};
  const { rows } = await session.query(
    `select load_id, page, "position", record from ${tables.quarantine}
where ${chosen} and (load_id > ${loadId} or (load_id = ${loadId}
  and (page > ${page} or (page = ${page} and "position" > ${position}))))
order by load_id, page, "position" limit ${PART_RECORDS}`,
  );
  return rows.map(([load, ofPage, at, text]) => ({
    loadId: Number(load),
    page: Number(ofPage),
    position: Number(at),
    text: String(text),
  }));
}

interface Passed {
  refused: Refused;
  candidate: Candidate;
  isSuperseded: boolean;
}

async function judgePart(place: QuarantinePlace, part: readonly Refused[]): Promise<Passed[]> {
  const stream = ordersByCursor(place.stream);
  const passing = part
    .map((refused) => ({ refused, candidate: judgeRecord(stream, recordOf(refused.text)) }))
    .filter(({ candidate }) => candidate.reason === null);
  const current = await currentVersions(
    place,
    stream,
    passing.flatMap(({ candidate }) => candidate.key ?? []),
  );
  return passing.map((one) => ({
    ...one,
    isSuperseded: isSuperseded(one, current.get(one.candidate.key ?? "")),
  }));
}

function recordOf(text: string): RawRecord {
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    return { text, value: undefined, fault: "not JSON" };
  }
}

interface Current {
  /** Null of a mark of deletion. */
  hash: string | null;
  fromLoad: number;
  updatedAt: string | null;
}

/** The newer time counts; without two of them what came later. */
function isSuperseded(
  { refused, candidate }: Pick<Passed, "refused" | "candidate">,
  current: Current | undefined,
): boolean {
  if (current === undefined || current.hash === candidate.hash) return false;
  const [one, other] = [candidate.updatedAt, current.updatedAt];
  return one !== null && other !== null && one !== other ? other > one : current.fromLoad > refused.loadId;
}

async function currentVersions(
  { engine, session, tables }: QuarantinePlace,
  stream: StreamDefinition,
  keys: readonly string[],
): Promise<Map<string, Current>> {
  const relation = { schema: tables.schema, name: stream.name };
  if (keys.length === 0 || !(await engine.relations()).has(relationKey(relation))) return new Map();
  const { rows } = await session.query(
    `select _key, _from_load, case when not _deleted then _hash end, record from ${engine.nameOf(relation)}
where _to_load is null and _key in (${keys.map(engine.literal).join(", ")})`,
  );
  return new Map(
    rows.map(([key, fromLoad, found, record]) => {
      const hash = found == null ? null : String(found);
      const { updatedAt } = judgeRecord(stream, recordOf(String(record)));
      return [String(key), { hash, fromLoad: Number(fromLoad), updatedAt: hash === null ? null : updatedAt }];
    }),
  );
}

function commitPassing(
  ctx: Context,
  { engine, session, tables, stream }: QuarantinePlace,
  { landed, places }: Passing,
  startedAt: Date,
): Promise<Committed> {
  const isAppend = stream.mode === "append";
  const { counts: _, ...entry } = EMPTY_LOAD;
  return commitLoad({
    engine,
    session,
    tables,
    stream: stream.name,
    landed,
    entry: { ...entry, mode: "replay", startedAt, endedAt: ctx.clock.now() },
    concludesDeletions: false,
    compare: !isAppend ? "key" : stream.cursor === undefined ? "nothing" : "content",
    isSuperseded: "page = 0",
    alsoWrite: async () => {
      await session.run(
        `delete from ${tables.quarantine} where stream = ${engine.literal(stream.name)} and exists (
  select 1 from ${places} as places where places.load_id = ${tables.quarantine}.load_id
    and places.page = ${tables.quarantine}.page and places."position" = ${tables.quarantine}."position"
)`,
      );
    },
  });
}
