import type { ProjectError } from "../../core/errors.ts";
import {
  type ColumnType,
  type Engine,
  type RelationKind,
  relationKey,
  type Session,
  SqlError,
} from "../../engines/engine.ts";
import { type ColumnDifference, compareColumns } from "../build/materializations/incremental.ts";
import {
  isMicrobatch,
  type ModelNode,
  type ReferableNode,
  type TestNode,
  type UnitTestNode,
} from "../graph/nodes.ts";

/** What a run would do with a node. */
export type Action =
  | "create"
  | "replace"
  | "full refresh"
  | "append"
  | "delete+insert"
  | "merge"
  | "microbatch"
  | "add versions"
  | "reuse"
  | "test";

/** One node of a dry run. */
export interface PlannedNode {
  node: ReferableNode | TestNode | UnitTestNode;
  /** Null when it does not bind, or reads what does not. */
  action: Action | null;
  /** Whether it was not chosen, and has to be there first. */
  isAdded: boolean;
  /** What its relation is at present. */
  present: RelationKind | null;
  /** How its columns would differ from those of its present relation; null without one. */
  columns: ColumnDifference | null;
  /** Of a seed. */
  rows: number | null;
  /** Of a microbatch model. */
  batches: number | null;
  error: ProjectError | null;
  /** Why it was not looked at. */
  reason: string | null;
  /** Why it is not reused; null where that is not asked. */
  why: string | null;
}

/** The relations that there are before a run, and their columns. */
export class Present {
  private constructor(
    private readonly kinds: ReadonlyMap<string, RelationKind>,
    private readonly columns: ReadonlyMap<string, ColumnType[]>,
  ) {}

  static async read(engine: Engine, nodes: readonly ReferableNode[]): Promise<Present> {
    const kinds = await engine.relations();
    const known = nodes.filter(({ relation }) => kinds.has(relationKey(relation)));
    const session = await engine.openSession();
    try {
      return new Present(kinds, await columnsOf(session, known));
    } finally {
      session.close();
    }
  }

  kindOf({ relation }: ReferableNode): RelationKind | null {
    return this.kinds.get(relationKey(relation)) ?? null;
  }

  /** The differences to the columns that relations had, by the nodes' ids. */
  async differences(
    session: Session,
    nodes: readonly ReferableNode[],
  ): Promise<Map<string, ColumnDifference>> {
    const after = await columnsOf(
      session,
      nodes.filter(({ id }) => this.columns.has(id)),
    );
    return new Map(
      [...after].map(([id, columns]) => [id, compareColumns(this.columns.get(id) ?? [], columns)]),
    );
  }
}

/** By id; without views that read what is no longer there. */
async function columnsOf(
  session: Session,
  nodes: readonly ReferableNode[],
): Promise<Map<string, ColumnType[]>> {
  const found = new Map<string, ColumnType[]>();
  for (const { id, relation } of nodes) {
    try {
      found.set(id, await session.columnsOf(relation));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
    }
  }
  return found;
}

/** Whether a model's table is added to, unless its columns ask for a new one. */
export function isAddedTo(
  node: ModelNode,
  of: { present: RelationKind | null; isFullRefresh: boolean },
): boolean {
  const { materialized, full_refresh } = node.config;
  return materialized === "incremental" && of.present === "table" && !(full_refresh ?? of.isFullRefresh);
}

export function modelAction(
  node: ModelNode,
  of: { present: RelationKind | null; isFullRefresh: boolean; isIncremental: boolean },
): Action {
  if (of.present === null) return "create";
  if (node.config.materialized !== "incremental") return "replace";
  if (!of.isIncremental) return of.present === "table" ? "full refresh" : "replace";
  if (isMicrobatch(node)) return "microbatch";
  const { incremental_strategy: strategy, unique_key } = node.config;
  if (unique_key.length === 0 || strategy === "append" || strategy === "microbatch") return "append";
  return strategy ?? "delete+insert";
}
