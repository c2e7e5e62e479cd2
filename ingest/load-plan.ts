import { EXIT, ProjectError } from "../core/errors.ts";
import type { CursorDefinition, StreamDefinition } from "../core/sillon.ts";
import { before, cursorForm, earlier, type Position, positionAt, positionOf } from "./cursor/position.ts";
import type { CursorState } from "./cursor/state.ts";
import type { StreamRange } from "./reader.ts";

/** What a command asks beyond what streams are by themselves. */
export interface LoadBounds {
  /** Whole lists, whatever the cursors say. */
  full?: boolean;
  /** Values of the cursor: from here on, and up to before there. */
  since?: string;
  until?: string;
  /** Records of each stream. */
  limit?: number;
}

/** What `_loads` calls a load: `backfill` is one of a part that somebody chose. */
export type LoadMode = "full" | "incremental" | "append" | "backfill";

export interface LoadPlan {
  mode: LoadMode;
  /** As it is asked for: the cursor less what makes late records come again. */
  range: StreamRange;
  /** The cursor before the load. */
  known: Position | null;
  /** When all has come, all records up to the newest one are there. */
  movesCursor: boolean;
  /** What did not come is gone. */
  concludesDeletions: boolean;
  /** Every record is a new one. */
  isAppend: boolean;
  /** Commits parts of what has come, in its order, and goes on from there after a failure. */
  inParts: boolean;
  /** What earlier loads have read is read again. */
  readsAgain: boolean;
  /** The source may note that it was read. */
  isNoted: boolean;
}

export function planLoad(
  stream: StreamDefinition,
  {
    bounds,
    state,
    isOfFiles,
  }: {
    bounds: LoadBounds;
    state: CursorState;
    /** Which of them are new is told by the files, not by a cursor. */
    isOfFiles: boolean;
  },
): LoadPlan {
  const { cursor, mode = "full" } = stream;
  const { full = false, since = null, until = null, limit = null } = bounds;
  const isBounded = since !== null || until !== null || limit !== null;
  const isAppend = mode === "append";
  const reading = { readsAgain: full || isBounded, isNoted: !isBounded };
  if (cursor === undefined || isOfFiles) {
    return {
      ...reading,
      mode: isBounded ? "backfill" : full && !isAppend ? "full" : mode,
      range: { since, until, limit },
      known: null,
      movesCursor: false,
      concludesDeletions: (mode === "full" || (full && !isAppend)) && !isBounded,
      isAppend,
      inParts: false,
    };
  }
  const isWhole = full && !isBounded;
  const from = since ?? sinceOf(cursor, full ? { cursor: null, loadedAt: null } : state);
  const movesCursor =
    isWhole || ((limit === null || cursor.ordered === true) && !leavesGap(cursor, since, state.cursor));
  return {
    ...reading,
    mode: isBounded ? "backfill" : isWhole && !isAppend ? "full" : mode,
    range: { since: from, until, limit },
    known: state.cursor,
    movesCursor,
    concludesDeletions: isWhole && !isAppend && cursor.start === undefined,
    isAppend,
    inParts: cursor.ordered === true && movesCursor && !isWhole,
  };
}

/**
 * Records at the cursor's own value are asked for again, since more of them may have come. A cursor later than
 * the load that brought it was set by a clock that goes before ours: what came since then may be earlier.
 */
function sinceOf(cursor: CursorDefinition, { cursor: known, loadedAt }: CursorState): string | null {
  if (known === null) return cursor.start === undefined ? null : String(cursor.start);
  const load = loadedAt === null ? null : positionAt(cursor, loadedAt);
  return before(cursor, earlier(known, load)).text;
}

/** Records between what is there and where a load begins would be passed over. */
function leavesGap(cursor: CursorDefinition, since: string | null, known: Position | null): boolean {
  const from = since === null ? null : positionOf(cursor, since);
  if (from === null) return false;
  const start = cursor.start === undefined ? null : positionOf(cursor, String(cursor.start));
  const reached = known ?? start;
  return reached === null || from.order > reached.order;
}

/** Throws INGEST_BOUNDS (exit 2) when bounds are no values of the chosen streams' cursors. */
export function checkBounds(
  streams: readonly { name: string; stream: StreamDefinition }[],
  bounds: LoadBounds,
): void {
  const { since, until } = bounds;
  if (since === undefined && until === undefined) return;
  for (const { name, stream } of streams) {
    const { cursor } = stream;
    if (cursor === undefined)
      throw boundsError(`${name} has no cursor, by which a part of it could be asked for`, {
        why: "--since and --until are values of a stream's cursor",
        hint: "name the streams that have one, or give theirs a cursor in ingest/sources/",
      });
    for (const [option, value] of Object.entries({ since, until })) {
      if (value === undefined || positionOf(cursor, value) !== null) continue;
      throw boundsError(`--${option} ${value} is no value of the cursor of ${name}`, {
        why: `its cursor is the member ${cursor.field}: ${cursorForm(cursor)}`,
        hint: `give ${cursorForm(cursor)}`,
      });
    }
    checkOrder(name, cursor, bounds);
  }
}

function checkOrder(name: string, cursor: CursorDefinition, { since, until }: LoadBounds): void {
  const from = since === undefined ? null : positionOf(cursor, since);
  const to = until === undefined ? null : positionOf(cursor, until);
  if (from === null || to === null || from.order < to.order) return;
  throw boundsError(`--until ${until} of ${name} is not after --since ${since}`, {
    why: "a part begins at --since and ends before --until",
    hint: "give a later --until",
  });
}

function boundsError(message: string, { why, hint }: { why: string; hint: string }): ProjectError {
  return new ProjectError("INGEST_BOUNDS", {
    message,
    where: "run ingest",
    why: [why],
    hint,
    exitCode: EXIT.usage,
  });
}
