import type { Context } from "../core/context.ts";
import { describeError } from "../core/errors.ts";
import type { Progress } from "./commit-part.ts";
import { exampleText } from "./contract/checks.ts";
import type { StreamJob } from "./stream-job.ts";
import type { StreamResult } from "./stream-result.ts";

/** A record without a readable key may be any of those that did not come, so none of them is taken for deleted. */
export function reportQuarantine({ ctx }: StreamJob, result: StreamResult, keyless: number): void {
  const { quarantined } = result.counts;
  if (quarantined === 0) return;
  const held =
    keyless > 0 ? `; ${keyless} of them without a readable key, so that no deletion is concluded` : "";
  const look = `run quarantine show ${nameOf(result)}`;
  ctx.log.warn(
    "records_quarantined",
    `${nameOf(result)}: ${quarantined} in quarantine${held}; to see them: ${look}`,
    {
      source: result.source,
      stream: result.stream,
      quarantined,
      keyless,
    },
  );
}

/** Records that were landed though they break their contract. */
export function reportAccepted({ ctx, stream }: StreamJob, { result, seen }: Progress): void {
  const { count, first } = seen.invalid;
  const accepted = count - result.counts.quarantined;
  if (stream.contract?.onInvalid !== "accept" || accepted <= 0) return;
  const example = first === null ? "" : ` (${first.what}${exampleText(first)})`;
  ctx.log.warn(
    "contract_broken",
    `${nameOf(result)}: ${accepted} landed though they break the contract${example}`,
    { source: result.source, stream: result.stream, accepted },
  );
}

export function nameOf({ source, stream }: StreamResult): string {
  return `${source}.${stream}`;
}

export function reportPage(
  ctx: Context,
  result: StreamResult,
  landed: { page: number; pages: number; records: number },
): void {
  const { source, stream } = result;
  const pages = Number.isFinite(landed.pages) ? landed.pages : null;
  const end = pages === null ? "" : ` of ${pages}`;
  const message = `${nameOf(result)}: page ${landed.page}${end} landed`;
  ctx.log.debug("page_landed", message, { ...landed, source, stream, pages });
}

export function report(ctx: Context, result: StreamResult): void {
  const { source, stream, status, counts, seconds, error } = result;
  const fields = { source, stream, ...counts, seconds, requests: result.requests, retries: result.retries };
  if (status === "ok") {
    const message = `${nameOf(result)}: ${counts.received} records, ${counts.new} new, ${counts.changed} changed, ${counts.deleted} deleted, ${counts.quarantined} in quarantine`;
    ctx.log.info("stream_loaded", message, fields);
  } else if (status === "failed") {
    ctx.log.error("stream_failed", error === null ? nameOf(result) : describeError(error), {
      ...fields,
      code: error?.code,
    });
  } else {
    const kept = result.loadId === null ? "nothing of it was changed" : "what had been committed stays";
    ctx.log.warn("stream_interrupted", `${nameOf(result)}: interrupted; ${kept}`, fields);
  }
}
