import { z } from "zod";
import { originOf, tableDataset } from "./datasets.ts";
import { facet, type JobRun } from "./event.ts";
import { answeredError, errorOf, type Inside, jobType } from "./told.ts";

const count = z.number().default(0);
const answerSchema = z
  .object({
    streams: z.array(
      z.object({
        source: z.string(),
        stream: z.string(),
        status: z.string(),
        received: count,
        new: count,
        changed: count,
        size_bytes: count,
        seconds: count,
        error: answeredError,
      }),
    ),
  })
  .catch({ streams: [] });

const ENDS: Record<string, JobRun["end"]> = { ok: "COMPLETE", failed: "FAIL" };

/** The loads of streams: from the lists of their services into raw tables. */
export function streamRuns({ namespace, project, command, ended, runFacets, runIdOf }: Inside): JobRun[] {
  const { streams } = answerSchema.parse(ended.json ?? {});
  return streams.map((answer) => {
    const known = ended.streams.find(
      ({ source, stream }) => source.name === answer.source && stream.name === answer.stream,
    );
    const startedAt = known?.startedAt ?? command.startedAt;
    const name = `${project}.ingest.${answer.source}.${answer.stream}`;
    const origin = known && originOf(known);
    const schema = `raw_${answer.source}`;
    const isLoaded = answer.status === "ok";
    const read = facet("inputStatistics", { rowCount: answer.received, size: answer.size_bytes });
    const written = facet("outputStatistics", { rowCount: answer.new + answer.changed });
    const table = tableDataset(ended.warehouse, { schema, name: answer.stream });
    return {
      runId: runIdOf(startedAt, name),
      job: { namespace, name },
      startedAt,
      endedAt: new Date(startedAt.getTime() + answer.seconds * 1000),
      end: ENDS[answer.status] ?? "ABORT",
      runFacets,
      ...errorOf({ message: answer.error }, "TypeScript"),
      jobFacets: {
        ...jobType("INGEST"),
        sourceCodeLocation: ended.sourceCode(`ingest/sources/${answer.source}.ts`),
      },
      inputs:
        origin === undefined
          ? []
          : [{ ...origin, ...(isLoaded && { inputFacets: { inputStatistics: read } }) }],
      outputs: [
        { ...table, ...(isLoaded && { outputFacets: { outputStatistics: written } }) },
        // Models read the current records through this view.
        tableDataset(ended.warehouse, { schema, name: `${answer.stream}_latest` }),
      ],
    };
  });
}
