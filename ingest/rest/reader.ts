import type { Context } from "../../core/context.ts";
import type { RestSourceDefinition } from "../../core/sillon.ts";
import { type BaseUrl, resolveBaseUrl } from "../http/base-url.ts";
import { createClient } from "../http/client.ts";
import type { HostGate } from "../http/host-gate.ts";
import { type Reader, streamName } from "../reader.ts";
import type { IngestSettings } from "../settings.ts";
import { readStream } from "./read-stream.ts";

/** Reads the streams of a REST API. Throws BASE_URL_MISSING or BASE_URL_INVALID (exit 2) before any request. */
export function openRestReader(
  ctx: Context,
  {
    source,
    settings,
    gateFor,
  }: { source: RestSourceDefinition; settings: IngestSettings; gateFor: (base: BaseUrl) => HostGate },
): Reader {
  const base = resolveBaseUrl(ctx, source);
  const client = createClient({ ctx, settings, gate: gateFor(base), base });
  return {
    read: async ({ stream: name, range, traffic, signal, restart, onBatch }) => {
      const stream = source.streams.find((one) => one.name === name);
      if (stream === undefined) throw new Error(`no stream ${name}`);
      const job = {
        client,
        base,
        stream,
        range,
        settings,
        source: source.name,
        pageSize: source.pageSize,
        traffic,
        signal,
        onPage: onBatch,
      };
      return readStream(job, {
        restart,
        onChange: (change) => {
          ctx.log.warn(
            "reading_restarted",
            `${streamName({ source, stream })}: ${change.message}; it is read again, page by page`,
            {
              source: source.name,
              stream: stream.name,
            },
          );
        },
      });
    },
    close: async () => {},
  };
}
