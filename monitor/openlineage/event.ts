import { createHash } from "node:crypto";

/** Who makes these events, as a URI. */
export const PRODUCER = "https://www.npmjs.com/package/sillon";
const SPEC = "https://openlineage.io/spec";

/** Facets by their key, with the version of the spec whose shape they have. */
const FACETS = {
  parent: "1-2-0/ParentRunFacet",
  errorMessage: "1-0-1/ErrorMessageRunFacet",
  processing_engine: "1-1-1/ProcessingEngineRunFacet",
  test: "1-0-1/TestRunFacet",
  jobType: "2-0-4/JobTypeJobFacet",
  sql: "1-1-0/SQLJobFacet",
  sourceCodeLocation: "1-1-0/SourceCodeLocationJobFacet",
  documentation: "1-1-0/DocumentationJobFacet",
  ownership: "1-0-1/OwnershipJobFacet",
  schema: "1-2-0/SchemaDatasetFacet",
  dataSource: "1-0-1/DatasourceDatasetFacet",
  datasetDocumentation: "1-1-0/DocumentationDatasetFacet",
  datasetOwnership: "1-0-1/OwnershipDatasetFacet",
  dataQualityAssertions: "1-1-0/DataQualityAssertionsDatasetFacet",
  dataQualityMetrics: "1-0-3/DataQualityMetricsInputDatasetFacet",
  inputStatistics: "1-0-0/InputStatisticsInputDatasetFacet",
  outputStatistics: "1-0-2/OutputStatisticsOutputDatasetFacet",
} as const;

export type Facet = Readonly<Record<string, unknown>> & { _producer: string; _schemaURL: string };
export type Facets = Record<string, Facet>;

/** A facet with what says whose and which it is. Members without a value are left out. */
export function facet(name: keyof typeof FACETS, content: Record<string, unknown>): Facet {
  const [version, type] = FACETS[name].split("/");
  const given = Object.entries(content).filter(([, value]) => value !== undefined && value !== null);
  return {
    _producer: PRODUCER,
    _schemaURL: `${SPEC}/facets/${version}/${type}.json#/$defs/${type}`,
    ...Object.fromEntries(given),
  };
}

export interface Dataset {
  namespace: string;
  name: string;
  facets: Facets;
}
export interface InputDataset extends Dataset {
  inputFacets?: Facets;
}
export interface OutputDataset extends Dataset {
  outputFacets?: Facets;
}

export type EventType = "START" | "COMPLETE" | "FAIL" | "ABORT";

/** OpenLineage's RunEvent, version 2-0-2. */
export interface RunEvent {
  eventType: EventType;
  eventTime: string;
  run: { runId: string; facets: Facets };
  job: { namespace: string; name: string; facets: Facets };
  inputs: InputDataset[];
  outputs: OutputDataset[];
  producer: string;
  schemaURL: string;
}

/** What a job did from its start to its end. */
export interface JobRun {
  runId: string;
  job: { namespace: string; name: string };
  startedAt: Date;
  endedAt: Date;
  end: Exclude<EventType, "START">;
  runFacets: Facets;
  /** Known only at the end, such as what went wrong. */
  endFacets?: Facets;
  jobFacets: Facets;
  inputs: InputDataset[];
  outputs: OutputDataset[];
}

export function startOf(run: Omit<JobRun, "end" | "endedAt">): RunEvent {
  // What was read and written is told once, at the end.
  return eventOf({ ...run, inputs: [], outputs: [] }, "START", run.startedAt);
}

export function endOf(run: JobRun): RunEvent {
  const event = eventOf(run, run.end, run.endedAt);
  return { ...event, run: { ...event.run, facets: { ...run.runFacets, ...run.endFacets } } };
}

function eventOf(run: Omit<JobRun, "end" | "endedAt">, eventType: EventType, at: Date): RunEvent {
  return {
    eventType,
    eventTime: at.toISOString(),
    run: { runId: run.runId, facets: run.runFacets },
    job: { ...run.job, facets: run.jobFacets },
    inputs: run.inputs,
    outputs: run.outputs,
    producer: PRODUCER,
    schemaURL: `${SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent`,
  };
}

/** A UUID of version 7: the same for the same moment and name, and in the order of the moments. */
export function runIdOf(at: Date, name: string): string {
  const time = Math.max(at.getTime(), 0).toString(16).padStart(12, "0").slice(-12);
  const rest = createHash("sha256").update(`${time}\0${name}`).digest("hex");
  const variant = "89ab"[Number.parseInt(rest.charAt(3), 16) & 3];
  return [
    time.slice(0, 8),
    time.slice(8),
    `7${rest.slice(0, 3)}`,
    `${variant}${rest.slice(4, 7)}`,
    rest.slice(8, 20),
  ].join("-");
}
