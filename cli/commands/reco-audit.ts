import { z } from "zod";
import { EXIT } from "../../core/errors.ts";
import { openState } from "../../state/database.ts";
import { listModelEvents } from "../../state/registry.ts";
import type { ModelEventRow } from "../../state/registry-tables.ts";
import type { RetrainingRow } from "../../state/retraining-tables.ts";
import { listRetrainings } from "../../state/retrainings.ts";
import type { Outcome } from "../outcome.ts";
import { formatTable, plural } from "../print.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";

interface Entry {
  at: string;
  what: string;
  version: number | null;
  former: number | null;
  runId: string;
  why: string;
  json: Record<string, unknown>;
}

/** `run reco audit`: decisions of the rules, and what became of the registry's aliases, the newest first. */
export async function runRecoAudit(
  workspace: Workspace,
  { colors }: Terminal,
  { limit }: { limit: number },
): Promise<Outcome> {
  const state = openState(workspace.folders.stateFile);
  try {
    const entries = [
      ...(await listModelEvents(state)).map(eventEntry),
      ...(await listRetrainings(state)).map(retrainingEntry),
    ]
      .sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0))
      .slice(0, limit);
    const rows = entries.map(({ at, what, version, former, runId, why }) => [
      at.slice(0, 19).replace("T", " "),
      what,
      version === null ? "" : `v${version}`,
      former === null ? "" : `v${former}`,
      runId.slice(0, 8),
      why,
    ]);
    const head = ["time (UTC)", "what", "model", "before", "run", "why"];
    return {
      exitCode: EXIT.ok,
      summary: plural(entries.length, "line"),
      text: rows.length === 0 ? "nothing yet: run reco train" : formatTable(head, rows, colors),
      json: { entries: entries.map(({ json }) => json) },
    };
  } finally {
    await state.destroy();
  }
}

const reasonShape = z.union([z.string(), z.array(z.looseObject({ isMet: z.boolean(), text: z.string() }))]);

function eventEntry({ at, action, version, former, run_id, reason }: ModelEventRow): Entry {
  const said = reasonShape.parse(JSON.parse(reason));
  const failed = typeof said === "string" ? [] : said.filter(({ isMet }) => !isMet);
  const why =
    typeof said === "string"
      ? said
      : failed.length > 0
        ? failed.map(({ text }) => text).join("; ")
        : "gate passed";
  const entry = { at, version, former, run_id };
  return {
    ...{ at, what: action.replace("_", " "), version, former, runId: run_id, why },
    json: { ...entry, kind: "registry", action, reason: said },
  };
}

const rulesShape = z.array(
  z.looseObject({ rule: z.string(), isFired: z.boolean().default(true), text: z.string() }),
);

function retrainingEntry(row: RetrainingRow): Entry {
  const rules = rulesShape.parse(JSON.parse(row.rules));
  const fired = rules.filter(({ isFired }) => isFired).map(({ rule, text }) => `${rule}: ${text}`);
  const { at, ended_at, action, outcome, champion, version, message, run_id } = row;
  const isFailed = outcome === "failed" || outcome === "interrupted";
  return {
    ...{ at, what: `${action}: ${outcome.replace("_", " ")}`, version, former: champion, runId: run_id },
    why: isFailed && message !== null ? message : fired.join("; "),
    json: {
      at,
      ended_at,
      version,
      former: champion,
      run_id,
      kind: "decision",
      action,
      outcome,
      rules,
      message,
    },
  };
}
