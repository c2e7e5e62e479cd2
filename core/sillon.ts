import type { z } from "zod";

/** A secret's place: never its value. `stdin` reads one line when the command starts. */
export type Secret = { env: string } | { file: string } | { stdin: true };

/** By what the records of an incremental stream follow each other. */
export interface CursorDefinition {
  /** The member that holds it; dots lead into objects: `meta.changed_at`. Of a database: a column. */
  field: string;
  /** How values are compared: as times (the default), as numbers, or as texts. */
  type?: "time" | "number" | "text";
  /** Of numbers that are times since 1970. Without it times are ISO 8601 texts; those without a zone are UTC. */
  unit?: "s" | "ms";
  /** The parameter of the request by which the server leaves out older records. Without one all pages are read. */
  parameter?: string;
  /** The parameter for the upper bound of `--until`. */
  untilParameter?: string;
  /** How far before the last load's cursor the next one begins, for records that come late: seconds of times, units of numbers. */
  lookBack?: number;
  /** Where the first load begins. */
  start?: string | number;
  /**
   * Records come in the order of the cursor, and none moves while the list is read. Then a load commits them part
   * by part, and one that fails goes on from there; otherwise it commits at its end.
   */
  ordered?: boolean;
}

/** One list of records. */
export interface StreamDefinition {
  /** snake_case: names the raw table. */
  name: string;
  /**
   * The members that tell records apart. A record with a null or absent one is known by its content, as all
   * records are of a stream without a key (of the mode `append`).
   */
  key: readonly string[];
  /** The member by whose time stamp the newest of two versions is told. */
  updatedAt?: string;
  /** What a record must look like. Nothing is ever converted. */
  record: z.ZodType;
  /**
   * `full` (the default): the whole list each time, all or nothing, and what no longer comes counts as deleted.
   * `incremental`: what is newer than the cursor; nothing counts as deleted. `append`: every record is kept, none
   * is compared.
   */
  mode?: "full" | "incremental" | "append";
  /** What becomes of records that break `record`, and what a whole load must be like. */
  contract?: ContractDefinition;
  /** Needed for `incremental`. With it `append` asks only for what is newer, and tells by content what came before. */
  cursor?: CursorDefinition;
}

/**
 * What a stream is held to. A load that is not so fails before anything of it is committed; one that commits part by
 * part is judged before each part.
 */
export interface ContractDefinition {
  /**
   * What becomes of a record that breaks `record`: it goes to `quarantine` (the default), is landed all the same
   * (`accept`), or fails the load. What is no JSON object, or one that readers do not agree on, is never landed.
   */
  onInvalid?: "quarantine" | "accept" | "fail";
  /** Broken records that are let pass, and their share of all that came (0 to 1); more fail the load. */
  maxInvalid?: number;
  maxInvalidShare?: number;
  /**
   * Records that came. `announced` is how far their number may be from the total that the service announced, as a
   * share of it. A load of a part (`--since`, `--until`, `--limit`) is held to `max` only.
   */
  rows?: { min?: number; max?: number; announced?: number };
  /** No key comes twice. */
  unique?: boolean;
  /** By member: which share of the records may have none, or null. Dots lead into objects, here and below. */
  nullShare?: Readonly<Record<string, number>>;
  /** By member: bounds of its values, numbers or times and texts; both belong to it. */
  range?: Readonly<Record<string, { min?: number | string; max?: number | string }>>;
  /** The newest time of a member may be so old. With `unit` it is a number since 1970. */
  fresh?: { field: string; maxAgeSeconds: number; unit?: "s" | "ms" };
}

/** Where an answer announces the number of records of the whole list: a place in the body, or a header. */
export type TotalPlace = string | { header: string };

/**
 * How a listing goes on. Places in a body are written with dots: `meta.next`; numbers lead into lists, -1 to the last
 * element. With `sendIn: "body"` the place of a page is a member of the request's `body` instead of a parameter.
 */
export type Pagination =
  /** `?page=2&size=100`; the first page is number 1 unless said otherwise. */
  | {
      type: "page";
      parameter?: string;
      sizeParameter?: string;
      first?: number;
      /** `total` unless said otherwise. */
      total?: TotalPlace;
      sendIn?: "query" | "body";
    }
  /** `?offset=100&limit=100` */
  | {
      type: "offset";
      parameter?: string;
      limitParameter?: string;
      /** `total` unless said otherwise. */
      total?: TotalPlace;
      sendIn?: "query" | "body";
    }
  /** A mark in the answer's body or header, given back with the next request. Without one the list is at its end. */
  | {
      type: "cursor";
      next: string;
      in?: "body" | "header";
      parameter: string;
      sendIn?: "query" | "body";
      /** A place in the body: `false` there ends the list too. */
      more?: string;
      total?: TotalPlace;
    }
  /** `Link: <…>; rel="next"` */
  | { type: "link"; total?: TotalPlace }
  /** A whole address in the body, or one that begins with `/` or `?`. */
  | { type: "next_url"; next: string; total?: TotalPlace }
  /** `Range: items=0-99` and `Content-Range: items 0-99/250` */
  | { type: "range"; unit?: string }
  /** One answer holds everything. */
  | { type: "single" };

/** What requests carry, beside what the base URL holds. It is sent to the origin of the base URL alone. */
export type Authentication =
  | { type: "bearer"; token: Secret }
  | { type: "api_key"; name: string; in?: "header" | "query"; value: Secret }
  | { type: "basic"; user: string | Secret; password: Secret }
  | {
      type: "oauth2_client_credentials";
      /** An address, or a path at the host of the base URL. */
      tokenUrl: string;
      clientId: string | Secret;
      clientSecret: Secret;
      scope?: string;
      /** Where the credentials of the sign-in go. */
      credentialsIn?: "basic" | "body";
    }
  /** Headers for a request, computed anew for each. */
  | {
      type: "custom";
      headers(request: {
        method: string;
        url: string;
        body: string | null;
        secret(place: Secret): string;
      }): Record<string, string> | Promise<Record<string, string>>;
    };

/** A value of a parameter. */
export type Scalar = string | number | boolean;

export interface RestStreamDefinition extends StreamDefinition {
  /** Of the endpoint, from the base URL. In a child stream `{id}` is a member of the parent's record. */
  path: string;
  /** `GET` unless there is a `body`. */
  method?: "GET" | "POST";
  /** Of every request. In a child stream texts may have `{id}` too. */
  params?: Readonly<Record<string, Scalar>>;
  headers?: Readonly<Record<string, string>>;
  /** JSON of a POST. */
  body?: unknown;
  /**
   * `json` (the default), one record a line, or CSV: comma, a first row of names; each row is an object of texts, in
   * the order of the columns, and an empty value is an empty text.
   */
  format?: "json" | "ndjson" | "csv";
  /** Where the list of records is in the answer: `items` unless said otherwise, `""` when it is the answer itself. */
  records?: string;
  /** The source's when left out. */
  pagination?: Pagination;
  pageSize?: number;
  /** A stream of this source: each of its current records is asked for its list. With a `cursor` each list has its own. */
  parent?: string;
  /** Members of the parent's record, put before those of each record: `{ album_id: "id" }`. */
  fromParent?: Readonly<Record<string, string>>;
  /** What a 404 for a parent's list means: the load fails, unless said otherwise, or the list is `empty`. */
  onMissing?: "fail" | "empty";
}

/** A service with a REST API. */
export interface RestSourceDefinition {
  type?: "rest";
  /** snake_case: raw tables are in the schema `raw_<name>`. */
  name: string;
  /** The environment variable that holds the address, and the address without it. */
  baseUrl: { env: string; default?: string };
  authentication?: Authentication;
  headers?: Readonly<Record<string, string>>;
  /** By page numbers, as FastAPI's fastapi-pagination does, unless said otherwise. */
  pagination?: Pagination;
  /** Records asked for a page; 100 unless said otherwise. */
  pageSize?: number;
  streams: readonly RestStreamDefinition[];
}

export interface SqlStreamDefinition extends StreamDefinition {
  /** `orders` or `shop.orders`; either this or `query`. */
  table?: string;
  query?: string;
}

/** A database. Rows land as JSON, their values as text exactly as the database writes them. */
export interface SqlSourceDefinition {
  type: "postgres" | "sqlite";
  name: string;
  /** The environment variable that holds `postgres://…`, or the path of the SQLite file. */
  connection: { env: string; default?: string };
  /** Records a batch. */
  batchSize?: number;
  streams: readonly SqlStreamDefinition[];
}

export interface FileStreamDefinition extends StreamDefinition {
  /** A path or pattern from the project's folder on, such as `inbox/*.csv.gz`, or an http(s) address. */
  path: string;
  /** Told by the name's ending unless said. */
  format?: "csv" | "ndjson" | "json" | "parquet";
  /** Of CSV: `,` unless said otherwise. */
  delimiter?: string;
  /** Where the list of records is in a JSON file; the whole file when left out. */
  records?: string;
}

/** Files, each loaded once and again when it has changed. */
export interface FileSourceDefinition {
  type: "files";
  name: string;
  streams: readonly FileStreamDefinition[];
}

export type SourceDefinition = RestSourceDefinition | SqlSourceDefinition | FileSourceDefinition;

/** Gives a definition its type. A project's `ingest/sources/<name>.ts` exports the result as `source`. */
export function defineSource<T extends SourceDefinition>(definition: T): T {
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
