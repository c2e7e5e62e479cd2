import { z } from "zod";
import type { Environment } from "../../core/context.ts";
import type { SourceDefinition, StreamDefinition } from "../../core/sillon.ts";
import type { Lineage } from "../incidents/lineage.ts";
import type { Warehouse } from "./datasets.ts";
import { type Facets, facet, type JobRun } from "./event.ts";
import type { RunArtifacts } from "./manifest.ts";
import type { SourceCode } from "./source-code.ts";

/** A command that is told in events. */
export interface ToldCommand {
  invocationId: string;
  /** Of jobs. */
  namespace: string;
  project: string;
  command: string;
  startedAt: Date;
  /** The run that this command is a part of. */
  parent?: ParentRun | undefined;
  version: string;
}

export interface ParentRun {
  runId: string;
  job: { namespace: string; name: string };
}

/** What a stream was loaded from, and when. */
export interface LoadedStream {
  source: SourceDefinition;
  stream: StreamDefinition;
  startedAt: Date;
  /** In which its address was looked up. */
  env: Environment;
}

/** What is known of a command when it has ended. */
export interface EndedCommand {
  endedAt: Date;
  end: JobRun["end"];
  /** What went wrong. */
  message: string | null;
  /** What it answered to programs. */
  json: unknown;
  quality: readonly Quality[];
  streams: readonly LoadedStream[];
  artifacts: RunArtifacts | null;
  warehouse: Warehouse;
  engine: { name: string; version: string } | null;
  lineage: Lineage;
  sourceCode: SourceCode;
}

/** What tests say of a table. */
export interface Quality {
  id: string;
  rows: number;
  missing: Readonly<Record<string, number>>;
  duplicates: Readonly<Record<string, number>>;
}

const INTEGRATION = "SILLON";

export function jobType(type: string): Facets {
  return { jobType: facet("jobType", { processingType: "BATCH", integration: INTEGRATION, jobType: type }) };
}

/** What the runs inside of a command have in common. */
export interface Inside {
  namespace: string;
  project: string;
  command: ToldCommand;
  ended: EndedCommand;
  runFacets: Facets;
  runIdOf(startedAt: Date, name: string): string;
}

/** The facet of what went wrong, as it is told at the end. */
export function errorOf(
  { message }: { message: string | null },
  programmingLanguage: "SQL" | "TypeScript",
): { endFacets: Facets } {
  return {
    endFacets:
      message === null ? {} : { errorMessage: facet("errorMessage", { message, programmingLanguage }) },
  };
}

/** An error as answers have it, in one text. */
export const answeredError = z
  .object({ code: z.string(), message: z.string(), where: z.string().nullish() })
  .nullable()
  .default(null)
  .transform((error) => error && [error.where, error.message].filter(Boolean).join("  "));
