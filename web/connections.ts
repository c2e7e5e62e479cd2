import type { Server } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { ALWAYS, type Refusal, refusalBody } from "./serving/refusal.ts";

/** Options of a server that closes slow callers after these, and leaves a missing Host header to its routes. */
export const CONNECTIONS = {
  headersTimeout: 8_000,
  requestTimeout: 12_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
  keepAlive: true,
  // Node would answer by itself, without our headers.
  requireHostHeader: false,
};

const UNREAD_MS = 12_000;
/** What is still sent after a refusal is read for so long. */
const REST_MS = 1_000;
const MAX_CONNECTIONS = 10_000;

/** Slow readers are closed, and requests that Node cannot read get an answer in our form. */
export function guardConnections(server: Server): void {
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = UNREAD_MS;
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // The rest of what was refused: closing before it has come would take the answer away from the caller.
    if (socket.writableEnded) return;
    // Who opened a connection ahead and sent nothing made no mistake.
    const isUnused = error.code === "ERR_HTTP_REQUEST_TIMEOUT" && socket.bytesRead === 0;
    if (!socket.writable || isUnused || error.code === "ECONNRESET") return void socket.destroy();
    const refusal = unreadable(error);
    const body = refusalBody(refusal);
    const headers = { ...ALWAYS, Connection: "close", "Content-Length": String(Buffer.byteLength(body)) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${refusal.status} ${refusal.code}\r\n${lines.join("")}\r\n${body}`);
    setTimeout(() => socket.destroy(), REST_MS).unref();
  });
}

function unreadable({ code }: NodeJS.ErrnoException): Refusal {
  if (code === "HPE_HEADER_OVERFLOW")
    return {
      ...{ status: 431, code: "HEADERS_TOO_LARGE", field: "headers" },
      ...{ message: "path and headers have at most 16 KB together", hint: "send less" },
    };
  if (code === "ERR_HTTP_REQUEST_TIMEOUT")
    return {
      ...{ status: 408, code: "TOO_SLOW", field: null },
      ...{ message: "the request took too long to arrive", hint: "send it in one go" },
    };
  return {
    ...{ status: 400, code: "REQUEST_UNREADABLE", field: null },
    ...{ message: "this is no HTTP request", hint: "see /v1/docs" },
  };
}

/** A request without a Host header is answered like this. */
export const HOSTLESS: Refusal = {
  ...{ status: 400, code: "REQUEST_INVALID", field: "host" },
  ...{ message: "the Host header is missing", hint: "send Host: and this server's address" },
};

/** Callers hear for so long that it is not ready any more. */
export const NOTICE_MS = 1_000;
const FINISH_MS = 5_000;

/** Goes on answering for the time of the notice, takes no connections then, and finishes what is being answered. */
export async function drain(server: Server, noticeMs: number): Promise<void> {
  await delay(noticeMs);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const last = setTimeout(() => server.closeAllConnections(), FINISH_MS);
  await closed;
  clearTimeout(last);
}
