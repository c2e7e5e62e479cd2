import type { Context } from "../../../core/context.ts";
import { ProjectError } from "../../../core/errors.ts";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { fromOf } from "../statement.ts";
import { driverMessage, type PostgresPlace, ServerSilent, sqlStateOf } from "./connection.ts";

/** SQLSTATEs after which another attempt may go better: connections, shutdowns, conflicts, too many clients. */
const PASSING = /^(08|40|53|57P0[123]|72)/;

/** What Node and the driver say of the way to a server. */
const WAY = /^Connection terminated|^timeout|^Client has encountered a connection error|server closed/i;

/** Whether the server, or the way to it, was lost. */
export function isPassing(error: unknown): boolean {
  const state = sqlStateOf(error);
  if (state !== "") return PASSING.test(state);
  if (error instanceof ServerSilent || error instanceof AggregateError) return true;
  return error instanceof Error && (WAY.test(error.message) || /^E[A-Z_]+$/.test(String(Object(error).code)));
}

/** What the driver says before it is let in, without a SQLSTATE. */
const NOT_LET_IN = /^SASL|password|does not support SSL|certificate/i;

/** Whether the server or its driver threw it, and not this program. */
export function isOfDatabase(error: unknown): boolean {
  if (error instanceof ProjectError) return false;
  return sqlStateOf(error) !== "" || isPassing(error) || NOT_LET_IN.test(driverMessage(error));
}

/** What an attempt to reach or to read a server ended with. */
export function postgresError(
  ctx: Context,
  error: unknown,
  place: PostgresPlace & { name: string; stream?: SqlStreamDefinition; attempts: number },
): ProjectError {
  const state = sqlStateOf(error);
  const said = ctx.secrets.mask(driverMessage(error));
  const tried = place.attempts > 1 ? [`tried ${place.attempts} times`] : [];
  const { name, variable } = place;
  const details = { where: place.shown, why: tried, cause: error };
  if (state.startsWith("28") || (state === "" && !isPassing(error))) {
    return new ProjectError("DATABASE_UNAUTHORIZED", {
      ...details,
      message: `${name}: the server does not let us in: ${said}`,
      hint: `put a valid user and password into ${variable}`,
    });
  }
  if (isPassing(error)) {
    return new ProjectError("DATABASE_UNREACHABLE", {
      ...details,
      message: `${name}: the server cannot be reached, or was lost: ${said}`,
      hint: `see whether the server is well and ${variable} right, then run again: nothing of this stream was changed`,
    });
  }
  if (state === "22021") {
    return new ProjectError("DATABASE_ENCODING", {
      ...details,
      message: `${name}: the database holds text that is not UTF-8: ${said}`,
      why: [
        ...tried,
        "its encoding is SQL_ASCII, so that the server does not know how its texts are written",
      ],
      hint: "convert the texts in the stream's query: convert_from(column::bytea, 'LATIN1')",
    });
  }
  const at = place.stream === undefined ? undefined : placeInQuery(error, place.stream);
  return new ProjectError("QUERY_FAILED", {
    ...details,
    where: at === undefined ? place.shown : `${name}, query ${at}`,
    message: `${name}: the database refuses: ${said}`,
    why: [
      ...tried,
      ...(typeof Object(error).hint === "string" ? [Object(error).hint] : []),
      `SQLSTATE ${state}`,
    ],
    hint: "correct the stream's table or query, or the rights of the connection's user",
  });
}

/** `line:column` of the place in the stream's own query that the server complains about. */
function placeInQuery(error: unknown, stream: SqlStreamDefinition): string | undefined {
  const position = Number(Object(error).position);
  if (stream.query === undefined || !Number.isInteger(position)) return undefined;
  const head = `${DESCRIBE_HEAD}${fromOf(stream).head}`;
  const before = [...stream.query].slice(0, position - 1 - head.length).join("");
  if (position - 1 < head.length) return undefined;
  const lines = before.split("\n");
  return `${lines.length}:${(lines.at(-1) ?? "").length + 1}`;
}

/** The statement that meets a stream's query first. */
export const DESCRIBE_HEAD = "select * from ";
