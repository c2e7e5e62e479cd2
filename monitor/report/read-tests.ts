import { sql } from "kysely";
import type { StateDatabase } from "../../state/database.ts";
import type { FailingTest, Stretch, TestSummary } from "./report.ts";

/** Runs before the stretch of time in which it is looked up how a test did. */
const FORMER_RUNS = 200;
const KINDS = ["test", "unit_test"];
const BAD = ["error", "fail", "warn"];

interface Seen {
  status: string;
  at: string;
  runId: string;
}

/** How the tests did, and which of those that fail did not before. */
export async function readTests(state: StateDatabase, { since, until }: Stretch): Promise<TestSummary> {
  const now = await lastSeen(state, { since, until });
  const bad = [...now].filter(([, { last }]) => BAD.includes(last.status));
  const former = bad.length === 0 ? undefined : await lastSeen(state, await rootsBefore(state, since));
  const failing: FailingTest[] = [];
  for (const [node, { last }] of bad) {
    const before = former?.get(node)?.last.status;
    failing.push({
      name: testName(node),
      status: last.status,
      ...(await detailsOf(state, node, last.runId)),
      is_new:
        before === undefined || BAD.indexOf(before) < 0 || BAD.indexOf(before) > BAD.indexOf(last.status),
    });
  }
  const count = (status: string) => [...now.values()].filter(({ last }) => last.status === status).length;
  return {
    passed: count("pass"),
    warned: count("warn"),
    failed: count("fail"),
    errors: count("error"),
    skipped: count("skipped"),
    failing: failing.sort(byWeight),
    recovered: [...now]
      .filter(([, { last, hasFailed }]) => hasFailed && last.status === "pass")
      .map(([node]) => testName(node))
      .sort(),
  };
}

function byWeight(a: FailingTest, b: FailingTest): number {
  const rank = ({ status, is_new }: FailingTest) =>
    BAD.indexOf(status) + (status === "warn" ? 2 : 0) - (is_new ? 1.5 : 0);
  return rank(a) - rank(b) || (a.name < b.name ? -1 : 1);
}

/** The ids of the runs that nobody else's run started; of all before a moment those of the newest. */
async function rootsBefore(state: StateDatabase, until: string): Promise<string[]> {
  const rows = await state
    .selectFrom("runs")
    .select("id")
    .where("parent_id", "is", null)
    .where("queued_at", "<", until)
    .orderBy("queued_at", "desc")
    .limit(FORMER_RUNS)
    .execute();
  return rows.map(({ id }) => id);
}

/** Of each test how it did last, in these runs and the commands of their steps. */
async function lastSeen(
  state: StateDatabase,
  which: Stretch | readonly string[],
): Promise<Map<string, { last: Seen; hasFailed: boolean }>> {
  const roots = () => {
    const query = state.selectFrom("runs as root").where("root.parent_id", "is", null);
    return "since" in which
      ? query.where("root.queued_at", ">=", which.since).where("root.queued_at", "<", which.until)
      : query.where("root.id", "in", which);
  };
  const rows = await state
    .with("chosen", () =>
      roots()
        .select(["root.id as id", "root.queued_at as at"])
        .unionAll(
          roots()
            .innerJoin("runs as child", "child.parent_id", "root.id")
            .select(["child.id as id", "child.queued_at as at"]),
        ),
    )
    .selectFrom("chosen")
    .innerJoin("run_nodes", "run_nodes.run_id", "chosen.id")
    .select(["run_nodes.node", "run_nodes.status"])
    .select(sql<string>`max(chosen.at || ' ' || chosen.id)`.as("newest"))
    .where("run_nodes.kind", "in", KINDS)
    .groupBy(["run_nodes.node", "run_nodes.status"])
    .execute();
  const seen = new Map<string, { last: Seen; hasFailed: boolean }>();
  for (const { node, status, newest } of rows) {
    const [at = "", runId = ""] = newest.split(" ");
    const known = seen.get(node);
    const hasFailed = status === "fail" || status === "error" || known?.hasFailed === true;
    const last =
      known === undefined || saysMore({ status, at, runId }, known.last) ? { status, at, runId } : known.last;
    seen.set(node, { last, hasFailed });
  }
  return seen;
}

/** What was skipped says nothing while there is something that does. */
function saysMore(one: Seen, other: Seen): boolean {
  if ((one.status === "skipped") !== (other.status === "skipped")) return other.status === "skipped";
  return one.at > other.at;
}

async function detailsOf(
  state: StateDatabase,
  node: string,
  runId: string,
): Promise<Pick<FailingTest, "rows" | "message">> {
  const row = await state
    .selectFrom("run_nodes")
    .select(["rows", "message"])
    .where("run_id", "=", runId)
    .where("node", "=", node)
    .executeTakeFirst();
  return { rows: row?.rows ?? null, message: row?.message?.split("\n")[0] ?? null };
}

/** `not_null_orders_id` of `test.shop.not_null_orders_id.a1b2c3d4e5`. */
function testName(id: string): string {
  const [, , ...name] = id.split(".");
  return (id.startsWith("test.") ? name[0] : name.join(".")) || id;
}
