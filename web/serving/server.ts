import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Answer } from "../../reco/serve/answer.ts";
import type { Recommender } from "../../reco/serve/recommender.ts";
import { CONNECTIONS, drain, guardConnections, NOTICE_MS } from "../connections.ts";
import { checkTokens, listen, type ServingListener } from "../server.ts";
import { createAdmission, type ServingAccess } from "./admission.ts";
import { createServingApp, isKnown } from "./app.ts";
import { createLoadMeter } from "./load.ts";
import { ALWAYS, type Refusal, refuse } from "./refusal.ts";

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

export interface ServingServer {
  url: string;
  /** Finishes what is being answered, and closes. */
  stop(): Promise<void>;
}

/** Throws TOKEN_NEEDED, TOKEN_SHORT (exit 2), PORT_IN_USE, HOST_UNUSABLE (exit 4). */
export async function startServing(
  options: Omit<ServingOptions, "isStopping">,
  { host, port, noticeMs = NOTICE_MS }: { host: string; port: number; noticeMs?: number },
): Promise<ServingServer> {
  checkTokens(options.access, host);
  let isStopping = false;
  const listener = createServingListener({ ...options, isStopping: () => isStopping });
  const server = createServer(CONNECTIONS, listener);
  guardConnections(server);
  await listen(server, host, port);
  const { address, family, port: bound } = server.address() as AddressInfo; // a TCP server's address is an object
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}`,
    stop: async () => {
      isStopping = true;
      await drain(server, noticeMs);
    },
  };
}
