import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import type { Answer } from "../../reco/serve/answer.ts";
import type { Recommender } from "../../reco/serve/recommender.ts";
import { checkTokens, listen, type ServingListener } from "../server.ts";
import { createAdmission, type ServingAccess } from "./admission.ts";
import { createServingApp, isKnown } from "./app.ts";
import { createLoadMeter } from "./load.ts";
import { ALWAYS, type Refusal, refusalBody } from "./refusal.ts";

export interface ServingOptions {
  version: string;
  recommender: Recommender;
  access: ServingAccess;
  /** Whether it is being stopped: not ready any more, and still answering. */
  isStopping: () => boolean;
  /** Told of what should not happen. */
  onFault: (error: unknown) => void;
}

/** Refuses before it reads, answers what is prepared at once, and leaves the rest to the routes. */
export function createServingListener(options: ServingOptions): ServingListener {
  const { recommender, access, isStopping } = options;
  const admit = createAdmission(access);
  const load = createLoadMeter();
  const app = getRequestListener(createServingApp(options).fetch);
  return (request, response) => {
    if (isStopping()) response.setHeader("Connection", "close");
    const refusal =
      (load.isOverloaded() && request.url !== "/v1/health" ? OVERLOADED : undefined) ?? admit(request);
    if (refusal !== undefined) return refuse(request, response, refusal);
    if (request.method === "GET" && sendPrepared(recommender, request, response)) return;
    void app(request, response);
  };
}

const OVERLOADED: Refusal = {
  ...{ status: 503, code: "OVERLOADED", field: null, message: "there is more to do than can be done" },
  ...{ hint: "try again", headers: { "Retry-After": "1" } },
};

function sendPrepared(
  recommender: Recommender,
  { url = "", headers }: IncomingMessage,
  response: ServerResponse,
): boolean {
  const answer = recommender.prepared(url) ?? recommendPlain(recommender, url);
  if (answer === undefined) return false;
  const own = [...FIRST_HEADERS, "ETag", answer.etag, "X-Request-Id", recommender.log(answer)];
  if (isKnown(headers["if-none-match"], answer.etag)) response.writeHead(304, own).end();
  else {
    own.push("Content-Length", String(answer.bytes));
    response.writeHead(200, own).end(answer.body);
  }
  return true;
}

const FIRST_HEADERS = Object.entries(ALWAYS).flat();

/** A request that needs no reading by the routes: only it is answered here, and as they would. */
function recommendPlain(recommender: Recommender, url: string): Answer | undefined {
  const found = PLAIN.exec(url);
  if (found === null || !recommender.isReady()) return undefined;
  const [, user = "", k = "10", shelf = "discover"] = found;
  if (shelf !== "discover" && shelf !== "on_repeat") return undefined;
  return recommender.recommend(url, {
    ...{ user, shelf, k: Number(k), isSeenExcluded: shelf === "discover", genre: undefined },
  });
}

const PLAIN =
  /^\/v1\/users\/([\w.~-]{1,128})\/recommendations(?:\?k=([1-9]\d?|100)(?:&shelf=(discover|on_repeat))?)?$/;

function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const body = refusalBody(refusal);
  // What is left of a body that nobody reads would be taken for the next request.
  if (request.method === "POST" || request.method === "DELETE") response.setHeader("Connection", "close");
  response.writeHead(refusal.status, {
    ...ALWAYS,
    ...refusal.headers,
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

export interface ServingServer {
  url: string;
  /** Finishes what is being answered, and closes. */
  stop(): Promise<void>;
}

/** A slow caller is closed after these. */
const TIMES = {
  headersTimeout: 8_000,
  requestTimeout: 12_000,
  keepAliveTimeout: 15_000,
  connectionsCheckingInterval: 1_000,
};
const UNREAD_MS = 12_000;
const MAX_CONNECTIONS = 10_000;
/** Callers hear that it is not ready any more. */
const NOTICE_MS = 1_000;
const FINISH_MS = 5_000;

/** Throws TOKEN_NEEDED, TOKEN_SHORT (exit 2), PORT_IN_USE, HOST_UNUSABLE (exit 4). */
export async function startServing(
  options: Omit<ServingOptions, "isStopping">,
  { host, port, noticeMs = NOTICE_MS }: { host: string; port: number; noticeMs?: number },
): Promise<ServingServer> {
  checkTokens(options.access, host);
  let isStopping = false;
  const listener = createServingListener({ ...options, isStopping: () => isStopping });
  // Without a Host header Node would answer by itself, without our headers.
  const server = createServer({ ...TIMES, requireHostHeader: false, keepAlive: true }, listener);
  server.maxConnections = MAX_CONNECTIONS;
  guardConnections(server);
  await listen(server, host, port);
  const { address, family, port: bound } = server.address() as AddressInfo; // a TCP server's address is an object
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}`,
    stop: async () => {
      isStopping = true;
      await delay(noticeMs);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const last = setTimeout(() => server.closeAllConnections(), FINISH_MS);
      await closed;
      clearTimeout(last);
    },
  };
}

/** Slow readers are closed, and requests that Node cannot read get an answer in our form. */
export function guardConnections(server: Server): void {
  server.timeout = UNREAD_MS;
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    // Who opened a connection ahead and sent nothing made no mistake.
    const isUnused = error.code === "ERR_HTTP_REQUEST_TIMEOUT" && socket.bytesRead === 0;
    if (!socket.writable || isUnused || error.code === "ECONNRESET") return void socket.destroy();
    const refusal = unreadable(error);
    const body = refusalBody(refusal);
    const headers = { ...ALWAYS, Connection: "close", "Content-Length": String(Buffer.byteLength(body)) };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${refusal.status} ${refusal.code}\r\n${lines.join("")}\r\n${body}`);
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
