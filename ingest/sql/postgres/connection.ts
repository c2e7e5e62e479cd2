import type { Duplex } from "node:stream";
import type { Client } from "pg";
import type { Context } from "../../../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../../../core/errors.ts";
import type { SqlSourceDefinition } from "../../../core/sillon.ts";
import type { IngestSettings } from "../../settings.ts";
import type { Traffic } from "../../stream-result.ts";
import { connectionText, EXAMPLES } from "../connection.ts";

/** Where a server is; how to get in stays in `address`. */
export interface PostgresPlace {
  address: string;
  /** `host:port/database`, for people. */
  shown: string;
  /** The environment variable that changes it. */
  variable: string;
}

/** Throws CONNECTION_MISSING or CONNECTION_INVALID (exit 2). Makes the password known as a secret. */
export function resolvePostgres(ctx: Context, source: SqlSourceDefinition): PostgresPlace {
  const address = connectionText(ctx, source);
  const variable = source.connection.env;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw new ProjectError("CONNECTION_INVALID", {
      message: `${variable} is not an address of PostgreSQL`,
      where: `environment variable ${variable}`,
      hint: `set ${variable} to ${EXAMPLES.postgres}`,
      exitCode: EXIT.usage,
    });
  }
  for (const secret of [url.password, url.searchParams.get("password") ?? ""]) {
    ctx.secrets.add(secret);
    ctx.secrets.add(decoded(secret));
  }
  const host = url.host || url.searchParams.get("host") || "localhost";
  return { address, variable, shown: `${host}${url.pathname}` };
}

/** A lone percent sign stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A column of a statement: its type is an OID of `pg_type`. */
export interface Column {
  name: string;
  type: number;
  modifier: number;
}

/** One session of the server. */
export interface Connection {
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  columnsOf(sql: string): Promise<Column[]>;
  /** Bytes as COPY TO writes them. Throws when less came than the server says that it sent. */
  copy(sql: string): AsyncGenerator<Buffer>;
  literal(value: string | number): string;
  /** The way to the server, for someone else to speak on; nothing else can be asked then. */
  handOver(): Duplex;
  close(): Promise<void>;
}

/** Values are written in one way, whatever the server and its user are set to. */
const SESSION = `set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'iso_8601';
set extra_float_digits = 1; set bytea_output = 'hex'; set statement_timeout = 0`;

/** Ends with the signal: whatever is under way is rejected. */
export async function connect(
  place: PostgresPlace,
  work: { settings: IngestSettings; signal: AbortSignal; traffic?: Traffic },
): Promise<Connection> {
  const { default: pg } = await import("pg");
  const { settings, signal, traffic } = work;
  signal.throwIfAborted();
  const client = new pg.Client({
    connectionString: place.address,
    connectionTimeoutMillis: settings.idleTimeoutMs,
    application_name: "sillon",
    keepAlive: true,
  });
  // The query that is under way hears of it.
  client.on("error", () => {});
  const end = () => void client.end().catch(() => undefined);
  const watch = startWatch(settings.requestTimeoutMs, end);
  signal.addEventListener("abort", end, { once: true });
  let isHandedOver = false;
  const close = async () => {
    signal.removeEventListener("abort", end);
    if (isHandedOver) {
      Object(client).connection.stream.destroy();
      return;
    }
    await client.end().catch(() => undefined);
  };
  try {
    await client.connect();
    await watch.during(() => client.query(SESSION));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    query: async (sql, values = []) => {
      if (traffic !== undefined) traffic.requests += 1;
      return (await watch.during(() => client.query(sql, [...values]))).rows;
    },
    columnsOf: async (sql) => {
      const { fields } = await watch.during(() => client.query(sql));
      return fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
        name,
        type: dataTypeID,
        modifier: dataTypeModifier,
      }));
    },
    copy: (sql) => copyOut(client, sql, { watch, traffic }),
    literal: (value) => client.escapeLiteral(String(value)),
    handOver: () => {
      const { stream } = Object(client).connection as { stream: Duplex };
      for (const event of ["data", "end", "close", "error"]) stream.removeAllListeners(event);
      stream.on("error", () => {});
      signal.addEventListener("abort", () => stream.destroy(), { once: true });
      isHandedOver = true;
      return stream;
    },
    close,
  };
}

async function* copyOut(
  client: Client,
  sql: string,
  { watch, traffic }: { watch: Watch; traffic: Traffic | undefined },
): AsyncGenerator<Buffer> {
  const { to } = await import("pg-copy-streams");
  if (traffic !== undefined) traffic.requests += 1;
  const stream = client.query(to(sql));
  const chunks: AsyncIterator<Buffer> = stream[Symbol.asyncIterator]();
  for (;;) {
    const next = await watch.during(() => chunks.next());
    if (next.done) return;
    if (traffic !== undefined) traffic.sizeBytes += next.value.length;
    yield next.value;
  }
}

/** A server that keeps silent for too long is taken for gone. A limit of the real world. */
interface Watch {
  during<T>(work: () => Promise<T>): Promise<T>;
}

export class ServerSilent extends Error {
  override readonly name = "ServerSilent";
}

function startWatch(limitMs: number, end: () => void): Watch {
  return {
    during: async (work) => {
      let isSilent = false;
      const timer = setTimeout(() => {
        isSilent = true;
        end();
      }, limitMs);
      try {
        return await work();
      } catch (error) {
        throw isSilent
          ? new ServerSilent(`the server sent nothing for ${limitMs / 1000} s`, { cause: error })
          : error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** What a driver threw, told apart by SQLSTATE; empty when the server did not say it. */
export function sqlStateOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[0-9A-Z]{5}$/.test(code) ? code : "";
}

/** The message without what its cause says again. */
export function driverMessage(error: unknown): string {
  // Several addresses of one host failed: the first says enough.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return messageOf(first);
}
