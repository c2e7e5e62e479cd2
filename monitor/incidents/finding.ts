import type { Severity } from "../../state/monitor-tables.ts";

/** Something that is wrong. */
export interface Finding {
  /** What was looked at; the same thing has the same key in every run. */
  key: string;
  /** The node that it is about: `source.stream`, a model's name or an id; null when it is about none. */
  about: string | null;
  rule: string | null;
  severity: Severity;
  /** A few words: `stream shop.orders failed`. */
  title: string;
  message: string;
  /** Who is told; null is everybody. */
  channels: readonly string[] | null;
}

/** What was looked at: what is wrong, and the keys of what is good. */
export interface Findings {
  bad: Finding[];
  good: string[];
}

interface RunNode {
  node: string;
  kind: string;
  status: string;
  message: string | null;
  rows: number | null;
}

/** Of the streams, models and tests of a run, and of the run itself when none of them tells why it failed. */
export function findingsOfRun(run: {
  command: string;
  isSuccess: boolean;
  summary: string;
  nodes: readonly RunNode[];
}): Findings {
  const bad: Finding[] = [];
  const good: string[] = [];
  for (const node of run.nodes) {
    const key = `${node.kind}:${node.node}`;
    const severity = SEVERITY[node.status];
    if (severity === undefined) {
      if (node.status !== "skipped" && node.status !== "interrupted") good.push(key);
      continue;
    }
    const name = node.kind === "stream" ? node.node : shortName(node.node);
    const title = `${node.kind.replace("_", " ")} ${name} ${WORDS[node.status] ?? "failed"}`;
    const breaks =
      node.rows === null ? title : `${node.rows} ${node.rows === 1 ? "row breaks" : "rows break"} it`;
    const message = node.message ?? (node.kind === "test" ? breaks : title);
    bad.push({ key, about: node.node, rule: null, severity, title, message, channels: null });
  }
  const key = `run:${run.command}`;
  if (run.isSuccess || bad.some(({ severity }) => severity !== "warning")) good.push(key);
  else {
    const title = `run ${run.command} failed`;
    bad.push({
      key,
      about: null,
      rule: null,
      severity: "error",
      title,
      message: run.summary,
      channels: null,
    });
  }
  return { bad, good };
}

const SEVERITY: Readonly<Record<string, Severity>> = {
  failed: "error",
  error: "error",
  fail: "error",
  "partial success": "error",
  warn: "warning",
};
const WORDS: Readonly<Record<string, string>> = { warn: "warns", "partial success": "was built in part" };

/** `not_null_orders_id` of `test.shop.not_null_orders_id.a1b2c3d4e5`. */
function shortName(id: string): string {
  const [kind, , ...name] = id.split(".");
  return kind === "test" ? (name[0] ?? id) : name.join(".") || id;
}

/** A run of a job that ended badly without a command of it that says why. */
export function findingOfJob(job: string, status: string, reason: string | null): Finding {
  const title = `job ${job} ${status.replaceAll("_", " ")}`;
  return {
    key: jobKey(job),
    about: null,
    rule: null,
    severity: "error",
    title,
    message: reason ?? title,
    channels: null,
  };
}

export function jobKey(job: string): string {
  return `job:${job}`;
}
