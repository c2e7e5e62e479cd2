import type { z } from "zod";

/** One list of records of a service. */
export interface StreamDefinition {
  /** snake_case: names the raw table. */
  name: string;
  /** Of the endpoint, from the base URL. */
  path: string;
  /** The members that tell records apart. A record with a null or absent one is known by its content. */
  key: readonly string[];
  /** The member by whose time stamp the newest of two versions is told. */
  updatedAt?: string;
  /** What a record must look like; one that does not is quarantined. Nothing is ever converted. */
  record: z.ZodType;
}

/** A service with a paginated REST API and the streams to load from it. */
export interface SourceDefinition {
  /** snake_case: raw tables are in the schema `raw_<name>`. */
  name: string;
  /** The environment variable that holds the address, and the address without it. */
  baseUrl: { env: string; default?: string };
  /** Records asked for a page; 100 unless said otherwise. */
  pageSize?: number;
  streams: readonly StreamDefinition[];
}

/** Gives a definition its type. A project's `ingest/sources/<name>.ts` exports the result as `source`. */
export function defineSource(definition: SourceDefinition): SourceDefinition {
  return definition;
}
