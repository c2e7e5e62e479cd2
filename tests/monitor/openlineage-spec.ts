import { z } from "zod";

/**
 * OpenLineage's RunEvent 2-0-2 with the facets that this program writes, as the spec has them: required members, types,
 * and the versions in `_schemaURL`. Unknown members are refused. tests/readers compares with OpenLineage's own client.
 */
const text = z.string().min(1);
const count = z.int().min(0);
const run = z.strictObject({ runId: z.uuid() });
const job = z.strictObject({ namespace: text, name: text });
const owners = { owners: z.array(z.strictObject({ name: text, type: text.optional() })) };

function facet<T extends z.ZodRawShape>(version: string, type: string, members: T) {
  return z
    .strictObject({
      _producer: z.url(),
      _schemaURL: z.literal(`https://openlineage.io/spec/facets/${version}/${type}.json#/$defs/${type}`),
      ...members,
    })
    .optional();
}

const column = z.strictObject({
  nullCount: count.optional(),
  distinctCount: count.optional(),
});
const verdict = {
  severity: z.enum(["error", "warn"]).optional(),
  actual: text.optional(),
  expected: text.optional(),
};
const datasetFacets = z.strictObject({
  dataSource: facet("1-0-1", "DatasourceDatasetFacet", { name: text, uri: text }),
  schema: facet("1-2-0", "SchemaDatasetFacet", {
    fields: z.array(
      z.strictObject({
        name: text,
        type: text.optional(),
        description: text.optional(),
        ordinal_position: z.int().min(1),
      }),
    ),
  }),
  documentation: facet("1-1-0", "DocumentationDatasetFacet", { description: text }),
  ownership: facet("1-0-1", "OwnershipDatasetFacet", owners),
});
const inputFacets = z.strictObject({
  inputStatistics: facet("1-0-0", "InputStatisticsInputDatasetFacet", { rowCount: count, size: count }),
  dataQualityAssertions: facet("1-1-0", "DataQualityAssertionsDatasetFacet", {
    assertions: z.array(
      z.strictObject({
        assertion: text,
        success: z.boolean(),
        name: text,
        column: text.optional(),
        ...verdict,
      }),
    ),
  }),
  dataQualityMetrics: facet("1-0-3", "DataQualityMetricsInputDatasetFacet", {
    rowCount: count,
    columnMetrics: z.record(z.string(), column),
  }),
});
const outputFacets = z.strictObject({
  outputStatistics: facet("1-0-2", "OutputStatisticsOutputDatasetFacet", { rowCount: count }),
});
const dataset = { namespace: text, name: text, facets: datasetFacets };

export const runEvent = z.strictObject({
  eventType: z.enum(["START", "COMPLETE", "FAIL", "ABORT"]),
  eventTime: z.iso.datetime(),
  producer: z.url(),
  schemaURL: z.literal("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"),
  run: z.strictObject({
    runId: z.uuid(),
    facets: z.strictObject({
      parent: facet("1-2-0", "ParentRunFacet", { run, job, root: z.strictObject({ run, job }) }),
      errorMessage: facet("1-0-1", "ErrorMessageRunFacet", { message: text, programmingLanguage: text }),
      processing_engine: facet("1-1-1", "ProcessingEngineRunFacet", {
        name: text,
        version: text,
        openlineageAdapterVersion: text,
      }),
      test: facet("1-0-1", "TestRunFacet", {
        tests: z.array(
          z.strictObject({
            name: text,
            status: z.enum(["pass", "fail", "skip"]),
            type: text,
            description: text.optional(),
            ...verdict,
          }),
        ),
      }),
    }),
  }),
  job: z.strictObject({
    namespace: text,
    name: text,
    facets: z.strictObject({
      jobType: facet("2-0-4", "JobTypeJobFacet", {
        processingType: z.literal("BATCH"),
        integration: z.literal("SILLON"),
        jobType: text,
      }),
      sql: facet("1-1-0", "SQLJobFacet", { query: text, dialect: text }),
      sourceCodeLocation: facet("1-1-0", "SourceCodeLocationJobFacet", {
        type: text,
        url: z.url(),
        repoUrl: z.url().optional(),
        path: text.optional(),
        version: text.optional(),
        branch: text.optional(),
      }),
      documentation: facet("1-1-0", "DocumentationJobFacet", { description: text }),
      ownership: facet("1-0-1", "OwnershipJobFacet", owners),
    }),
  }),
  inputs: z.array(z.strictObject({ ...dataset, inputFacets: inputFacets.optional() })),
  outputs: z.array(z.strictObject({ ...dataset, outputFacets: outputFacets.optional() })),
});
export type RunEvent = z.output<typeof runEvent>;

/** Events as they came, each of them held to the spec. */
export function readEvents(texts: readonly string[]): RunEvent[] {
  return texts.map((one) => runEvent.parse(JSON.parse(one)));
}
