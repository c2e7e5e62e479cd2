import { NO_COUNTS, type StreamCounts, type StreamResult } from "../ingest/stream-result.ts";
import type {
  ModelResult,
  RelationResult,
  SeedResult,
  SnapshotResult,
  TestResult,
  UnitTestResult,
} from "../runner/build/results.ts";
import type { Release } from "../runner/publish.ts";
import { differenceText } from "../runner/unit-tests/difference.ts";
import { type Colors, formatCount, formatSeconds, formatTable, plural } from "./print.ts";

/** `Records per stream`: what came in, and what of it was news. */
export function formatStreams(streams: readonly StreamResult[], colors: Colors): string {
  if (streams.length === 0) return "";
  const head = [
    "stream",
    "received",
    "new",
    "changed",
    "unchanged",
    "duplicate",
    "quarantined",
    "deleted",
    "pages",
    "time",
  ];
  const rows = streams.map(({ source, stream, counts, pages, seconds, status }) => {
    const name = `${source}.${stream}`;
    if (status !== "ok")
      return [`${name} ${colors.red(status)}`, ...Array<string>(8).fill("–"), formatSeconds(seconds)];
    const { received, new: fresh, changed, unchanged, duplicate, quarantined, deleted } = counts;
    return [
      name,
      received,
      fresh,
      changed,
      unchanged,
      duplicate,
      quarantined,
      deleted,
      pages,
      formatSeconds(seconds),
    ];
  });
  return formatTable(head, rows, colors);
}

/** What became of the records that came, over all streams. */
export function totalsOf(streams: readonly StreamResult[]): StreamCounts {
  const total = { ...NO_COUNTS };
  for (const { counts } of streams)
    for (const key of Object.keys(total) as (keyof StreamCounts)[]) total[key] += counts[key];
  return total;
}

/** Every record that came is one of these. */
const WHAT_BECAME = ["new", "changed", "unchanged", "duplicate", "quarantined"] as const;

/** `5 received = 2 new + …`: nothing that came is lost from sight. */
export function reconcileStreams(streams: readonly StreamResult[]): string {
  const total = totalsOf(streams);
  const parts = WHAT_BECAME.map((key) => `${formatCount(total[key])} ${key}`);
  return `${formatCount(total.received)} received = ${parts.join(" + ")}`;
}

/** One line on what the load brought. */
export function summarizeStreams(streams: readonly StreamResult[]): string {
  const sum = (key: "new" | "changed" | "deleted" | "quarantined") =>
    streams.reduce((total, { counts }) => total + counts[key], 0);
  const failed = streams.filter(({ status }) => status !== "ok");
  const news = (["new", "changed", "deleted"] as const).filter((key) => sum(key) > 0);
  const text =
    news.length === 0 ? "nothing new" : news.map((key) => `${formatCount(sum(key))} ${key}`).join(", ");
  const quarantined = sum("quarantined") > 0 ? `, ${formatCount(sum("quarantined"))} quarantined` : "";
  if (streams.length === 0) return "no sources";
  if (failed.length === streams.length) return `no stream was loaded (${failed.length} failed)`;
  return `${text}${quarantined}${failed.length > 0 ? `, ${plural(failed.length, "stream")} failed` : ""}`;
}

export function formatModels(
  results: readonly (ModelResult | SeedResult | SnapshotResult)[],
  colors: Colors,
): string {
  const shown = results.length > NAMED_REUSES ? results.filter(({ status }) => status !== "reused") : results;
  if (shown.length === 0) return "";
  const rows = shown.map((result) => [
    `${result.node.relation.schema}.${result.node.relation.name}`,
    result.node.config.materialized,
    (result.status.endsWith("success") ? result.rows : null) ?? "–",
    formatSeconds(result.seconds),
    formatStatus(result, colors),
  ]);
  const [first] = results;
  return formatTable([first?.node.kind ?? "model", "as", "rows", "time", "result"], rows, colors);
}

/** What is reused among more nodes than these is counted, not listed. */
const NAMED_REUSES = 30;

/** Nobody has to be told these: they are so for all nodes, and were asked for. */
const PLAIN_REASONS = ["never built", "--full-refresh", "--no-reuse"];

function formatStatus({ status, reason, why }: RelationResult, colors: Colors): string {
  if (status === "reused") return colors.dim("reused");
  if (status !== "success") return `${colors.red(status)}${reason === null ? "" : `: ${reason}`}`;
  const isTold = why !== undefined && !PLAIN_REASONS.includes(why);
  return `${colors.green("ok")}${isTold ? `: ${why}` : ""}`;
}

export function summarizeModels(results: readonly ModelResult[]): string {
  const count = (status: ModelResult["status"]) =>
    results.filter((result) => result.status === status).length;
  const parts = [`${plural(count("success"), "model")} built`];
  if (count("reused") > 0) parts.push(`${count("reused")} reused`);
  if (count("partial success") > 0) parts.push(`${count("partial success")} built in part`);
  if (count("error") > 0) parts.push(`${count("error")} failed`);
  if (count("skipped") > 0) parts.push(`${count("skipped")} skipped`);
  return parts.join(", ");
}

export function summarizeSeeds(results: readonly SeedResult[]): string {
  return summarizeTables(results, "seed", "loaded");
}

export function summarizeSnapshots(results: readonly SnapshotResult[]): string {
  return summarizeTables(results, "snapshot", "taken");
}

function summarizeTables(
  results: readonly (SeedResult | SnapshotResult)[],
  noun: string,
  done: string,
): string {
  const count = (status: SeedResult["status"]) => results.filter((result) => result.status === status).length;
  const parts = [`${plural(count("success"), noun)} ${done}`];
  if (count("reused") > 0) parts.push(`${count("reused")} reused`);
  if (count("error") > 0) parts.push(`${count("error")} failed`);
  if (count("skipped") > 0) parts.push(`${count("skipped")} skipped`);
  return parts.join(", ");
}

/** Everything that did not pass, each with its failing rows. */
export function formatTests(results: readonly TestResult[], colors: Colors): string {
  const order = ["error", "fail", "skipped", "warn"];
  const open = order.flatMap((status) => results.filter((result) => result.status === status));
  const skippedBy = (result: TestResult) =>
    open.filter(({ status, reason }) => status === "skipped" && reason === result.reason);
  return open
    .flatMap((result) => {
      const same = result.status === "skipped" ? skippedBy(result) : [];
      if (same.length <= NAMED_SKIPS) return [formatTest(result, colors)];
      if (same[0] !== result) return [];
      return [`${colors.yellow(TEST_WORDS.skipped)}  ${plural(same.length, "test")}: ${result.reason}`];
    })
    .join("\n");
}

/** More tests than these that are skipped for one reason are one line. */
const NAMED_SKIPS = 3;

const TEST_WORDS = {
  pass: "passed",
  warn: "warning",
  fail: "FAILED",
  error: "could not run",
  skipped: "skipped",
} as const;
/** Failing rows that the terminal shows of a test. */
const SHOWN_ROWS = { warn: 3, fail: 5 } as const;

function formatTest(result: TestResult, colors: Colors): string {
  const { node, status, failures, sample, reason, error } = result;
  const paint = status === "fail" || status === "error" ? colors.red : colors.yellow;
  const why = reason ?? error?.message.split("\n")[0] ?? "";
  const shown = status === "warn" ? SHOWN_ROWS.warn : SHOWN_ROWS.fail;
  const count = failures === null ? "" : ` (${plural(failures, "row")})`;
  const lines = [`${paint(TEST_WORDS[status])}  ${node.name}${count}${why === "" ? "" : `: ${why}`}`];
  if (node.description !== "") lines.push(colors.dim(`  ${node.description}`));
  if (sample !== null) {
    lines.push(
      formatTable(
        sample.columns,
        sample.rows.slice(0, shown).map((row) => row.map(toCell)),
        colors,
      ),
    );
    if (sample.rows.length > shown)
      lines.push(colors.dim(`  … the first ${shown}; ${node.file} has the claim`));
  }
  if (result.isStored) lines.push(colors.dim(`  stored in ${node.relation.schema}.${node.relation.name}`));
  return lines.join("\n");
}

/** A value of a row as it stands: a key of digits is not a count. */
export function toCell(value: unknown): string | null {
  if (value === null || typeof value === "string") return value;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function summarizeTests(
  results: readonly (Pick<TestResult, "status"> & { isReused?: boolean | undefined })[],
): string {
  if (results.length === 0) return "tests: none ran";
  const count = (status: TestResult["status"]) => results.filter((result) => result.status === status).length;
  const reused = results.filter(({ isReused }) => isReused).length;
  const passed = `${count("pass")} passed${reused > 0 ? ` (${reused} reused)` : ""}`;
  const parts = [passed, `${count("warn")} warned`, `${count("fail")} failed`];
  if (count("error") > 0) parts.push(`${count("error")} could not run`);
  if (count("skipped") > 0) parts.push(`${count("skipped")} skipped`);
  return `tests: ${parts.join(", ")}`;
}

/** Unit tests that did not pass, each with the cells in which its rows differ. */
export function formatUnitTests(results: readonly UnitTestResult[], colors: Colors): string {
  const paint = { head: colors.bold, expected: colors.red, actual: colors.green };
  const open = results.filter(({ status }) => status !== "pass");
  return open
    .map(({ node, status, difference, isSecondBuild, reason, error }) => {
      const why = reason ?? error?.message.split("\n")[0] ?? "";
      const again = isSecondBuild ? " when the table is built again" : "";
      const word = (status === "skipped" ? colors.yellow : colors.red)(TEST_WORDS[status]);
      const lines = [`${word}  ${node.fqn.slice(-2).join(".")}${again}${why === "" ? "" : `: ${why}`}`];
      if (node.description !== "") lines.push(colors.dim(`  ${node.description}`));
      if (difference !== null) lines.push(differenceText(difference, paint));
      return lines.join("\n");
    })
    .join("\n");
}

export function summarizeUnitTests(results: readonly UnitTestResult[]): string {
  return summarizeTests(results)
    .replace(/^tests/, "unit tests")
    .replace(" 0 warned,", "");
}

export function summarizeRelease({ tables, name }: Release): string {
  return `published ${plural(tables.length, "table")} as ${name}`;
}
