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

/** What a macro may ask of the place that it is rendered for. */
export interface MacroContext {
  /** The engine's type, such as `duckdb`. */
  engine: string;
  /** A model's relation, as `ref()` in a template: `ref("stg_tracks")`. */
  ref(...names: string[]): string;
  /** A source table's relation. */
  source(source: string, table: string): string;
  /** A text as an SQL literal. */
  literal(text: string): string;
  /** A name quoted for SQL. */
  quote(identifier: string): string;
  /** Variables of `--vars` and project.yml. */
  vars: Readonly<Record<string, unknown>>;
  target: Readonly<{ name: string; schema: string; database: string; type: string }>;
}

/** SQL text with typed arguments, in the order in which a template gives them. */
export interface MacroDefinition<T extends z.ZodRawShape = z.ZodRawShape> {
  description?: string;
  arguments: T;
  sql(values: z.output<z.ZodObject<T>>, context: MacroContext): string;
}

/** Gives a macro's arguments their types. A project's `macros/<any>.ts` exports the result by the macro's name. */
export function defineMacro<T extends z.ZodRawShape>(definition: MacroDefinition<T>): MacroDefinition<T> {
  return definition;
}
