import type { Context } from "../../core/context.ts";
import type { RestSourceDefinition, RestStreamDefinition } from "../../core/sillon.ts";
import { openAccess } from "../http/access.ts";
import { type BaseUrl, resolveBaseUrl } from "../http/base-url.ts";
import { createClient } from "../http/client.ts";
import type { HostGate } from "../http/host-gate.ts";
import type { TargetRules } from "../http/target.ts";
import { type Reader, type ReadJob, type StreamRange, streamName } from "../reader.ts";
import type { Tape } from "../recording/tape.ts";
import type { IngestSettings } from "../settings.ts";
import { type ChildList, readChildren } from "./children.ts";
import { createPageList } from "./page-list.ts";
import { listHeaders, pagingOf } from "./paging.ts";
import { rangeParameters } from "./range-parameters.ts";
import { readStream } from "./read-stream.ts";
import type { RestReadJob } from "./reading.ts";
import { requestOf } from "./request.ts";

const DEFAULT_PAGE_SIZE = 100;

/** Reads the streams of a REST API. Throws BASE_URL_*, SECRET_* and TOKEN_URL_INVALID (exit 2) before any request. */
export function openRestReader(
  ctx: Context,
  {
    source,
    settings,
    gateFor,
    tape,
  }: {
    source: RestSourceDefinition;
    settings: IngestSettings;
    gateFor: (base: BaseUrl) => HostGate;
    tape?: Tape | undefined;
  },
): Reader {
  const base = resolveBaseUrl(ctx, source);
  const access = openAccess(ctx, { source, base, settings, tape });
  const client = createClient({ ctx, settings, gate: gateFor(base), base, ...access });
  const read = (job: ReadJob, { stream, parent, range, signal, limit, restart, onBatch }: List) => {
    const { traffic } = job;
    const requests = requestsFor(source, { base, rules: access.rules, stream, range });
    const formerPages = parent === undefined && limit === null ? job.formerPages : undefined;
    const createList =
      formerPages !== undefined
        ? () => createPageList(formerPages, listHeaders(stream.pagination ?? source.pagination))
        : null;
    const common = {
      client,
      base,
      settings,
      source: source.name,
      traffic,
      createPageList: createList,
    };
    return readStream(
      { ...common, ...requests, stream, parent, signal, limit, onPage: onBatch },
      {
        restart,
        onChange: (change) => {
          const name = `${streamName({ source, stream })}${parent === undefined ? "" : ` of ${parent}`}`;
          ctx.log.warn("reading_restarted", `${name}: ${change.message}; it is read again, page by page`, {
            source: source.name,
            stream: stream.name,
          });
        },
      },
    );
  };
  return {
    read: async (job) => {
      const stream = source.streams.find((one) => one.name === job.stream);
      if (stream === undefined) throw new Error(`no stream ${job.stream}`);
      if (stream.parent === undefined)
        return read(job, { ...job, stream, parent: undefined, limit: job.range.limit });
      const parent = source.streams.find((one) => one.name === stream.parent);
      if (parent === undefined) throw new Error(`no stream ${stream.parent}`);
      const listsAtOnce = job.range.limit === null ? settings.concurrency : 1;
      const children = { job, stream, parent, listsAtOnce, source: source.name };
      return readChildren(children, (list) => read(job, { ...list, limit: null }));
    },
    close: () => access.dispatcher.destroy(),
  };
}

/** A list of records: a stream's, or that of one parent's record. */
interface List extends Omit<ChildList, "parent"> {
  parent: string | undefined;
  limit: number | null;
}

/** How the pages of a stream are asked for. */
function requestsFor(
  source: RestSourceDefinition,
  {
    base,
    rules,
    stream,
    range,
  }: { base: BaseUrl; rules: TargetRules; stream: RestStreamDefinition; range: StreamRange },
): Pick<RestReadJob, "paging" | "request"> {
  const given = stream.pagination ?? source.pagination;
  const paging = pagingOf(given ?? { type: "page" }, {
    base,
    rules,
    pageSize: stream.pageSize ?? source.pageSize ?? DEFAULT_PAGE_SIZE,
    isUsual: given === undefined && stream.records === undefined && stream.format === undefined,
  });
  const bounds = rangeParameters(stream.cursor, range);
  return { paging, request: () => requestOf({ base, stream, headers: source.headers ?? {}, bounds }) };
}
