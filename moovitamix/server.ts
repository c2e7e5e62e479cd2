import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { EXIT, ProjectError } from "../core/errors.ts";
import { type Answer, answerJson, type Call, cutPage, type PageRequest, routeCall } from "./answers.ts";
import { answerWithFault } from "./faults/bent-answers.ts";
import { hidesStatus, sendAnswer, sendWithFault } from "./faults/delivery.ts";
import { createStrikes } from "./faults/strikes.ts";
import type { FaultKind, FaultRule } from "./faults.ts";
import { createRateLimit } from "./rate-limit.ts";
import { createGrowth } from "./world/growth.ts";
import type { Catalogue } from "./world/records.ts";
import { createWorld } from "./world/world.ts";

export interface ApiOptions {
  /** 0 or nothing: a free port. */
  port?: number;
  seed?: number;
  users?: number;
  tracks?: number;
  /** Listened tracks in all; a row of history holds one to twelve. */
  plays?: number;
  /** Requests per second that the gateway lets through; the others get 429. */
  rateLimit?: number;
  /** New listening sessions per second, and now and then a user, a track, a changed record. */
  grow?: number;
  faults?: FaultRule[];
  /** For time stamps of growth, the rate limit, the log and dates in headers. */
  now?: () => Date;
}

/** A line of the request log. */
export interface ApiRequest {
  path: string;
  /** 0 when the request was for no page, or not for a valid one. */
  page: number;
  size: number;
  /** Milliseconds since 1970, by the clock of the options. */
  at: number;
  /** 0 when no status line was sent. */
  status: number;
  fault?: FaultKind;
}

export interface Api {
  url: string;
  port: number;
  /** The live records, which may be edited. */
  data: Catalogue;
  requests: ApiRequest[];
  /** May be replaced at any time. */
  faults: FaultRule[];
  /** So many sessions more; each call is one tick. Users and tracks that come with them are heard five ticks later. */
  growBy(sessions: number): void;
  /** Closes every connection too. */
  stop(): Promise<void>;
}

interface Service {
  api: Api;
  now: () => Date;
  secondsToWait: (nowMs: number) => number;
  strike: ReturnType<typeof createStrikes>;
}

const TICK_MS = 1000;

/** Serves the Moovitamix API on 127.0.0.1. Throws PORT_IN_USE. */
export async function startApi(options: ApiOptions = {}): Promise<Api> {
  const { seed = 1, users = 1000, tracks = 1000, plays = 5000, now = () => new Date() } = options;
  const world = createWorld(seed, { users, tracks, plays });
  const server = createServer({ keepAliveTimeout: 5000 });
  const port = await listen(server, options.port ?? 0);
  const growBy = createGrowth(world, { seed, now });
  const stopGrowing = growByClock(growBy, options.grow ?? 0);
  const api: Api = {
    url: `http://127.0.0.1:${port}`,
    port,
    data: world.data,
    requests: [],
    faults: options.faults ?? [],
    growBy,
    stop: async () => {
      stopGrowing();
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  const service = {
    api,
    now,
    secondsToWait: createRateLimit(options.rateLimit),
    strike: createStrikes(seed),
  };
  server.on("request", (request, response) => handle(service, request, response));
  return api;
}

async function listen(server: Server, port: number): Promise<number> {
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause.code !== "EADDRINUSE") throw cause;
    throw new ProjectError("PORT_IN_USE", {
      message: `port ${port} is in use`,
      where: `http://127.0.0.1:${port}`,
      hint: `stop what listens there, or choose another port: --port ${port + 1}`,
      exitCode: EXIT.environment,
      cause,
    });
  }
  // A TCP server's address is an object; only pipes have a string.
  return (server.address() as AddressInfo).port;
}

function growByClock(growBy: (sessions: number) => void, perSecond: number): () => void {
  if (perSecond <= 0) return () => {};
  let due = 0;
  const timer = setInterval(() => {
    due += (perSecond * TICK_MS) / 1000;
    growBy(Math.floor(due));
    due -= Math.floor(due);
  }, TICK_MS);
  return () => clearInterval(timer);
}

function handle(service: Service, request: IncomingMessage, response: ServerResponse): void {
  const at = service.now().getTime();
  const call = readCall(request);
  setCommonHeaders(response, service.now());
  const entry: ApiRequest = { path: call.path, page: 0, size: 0, at, status: 0 };
  service.api.requests.push(entry);
  const wait = service.secondsToWait(at);
  const routed =
    wait > 0
      ? answerJson(429, { detail: "Too Many Requests" }, { "retry-after": String(wait) })
      : routeCall(call);
  if ("stream" in routed) {
    servePage(service, { entry, routed, response });
    return;
  }
  entry.status = routed.status;
  sendAnswer(response, routed);
}

function servePage(
  service: Service,
  turn: { entry: ApiRequest; routed: PageRequest; response: ServerResponse },
): void {
  const { entry, routed, response } = turn;
  const records = service.api.data[routed.stream];
  const strike = service.strike(service.api.faults, routed);
  Object.assign(entry, { page: routed.page, size: routed.size });
  if (!strike) {
    entry.status = 200;
    sendAnswer(response, answerJson(200, cutPage(records, routed)));
    return;
  }
  const answer: Answer = answerWithFault(strike, { request: routed, records, now: service.now });
  entry.fault = strike.rule.kind;
  entry.status = hidesStatus(strike.rule) ? 0 : answer.status;
  sendWithFault(response, answer, strike);
}

function readCall(request: IncomingMessage): Call {
  const [path = "/", query = ""] = (request.url ?? "/").split(/\?(.*)/s, 2);
  return { method: request.method ?? "GET", path, query, host: request.headers.host ?? "127.0.0.1" };
}

/** As uvicorn sends them: its date, its name, and nothing about the connection. */
function setCommonHeaders(response: ServerResponse, now: Date): void {
  response.sendDate = false;
  response.removeHeader("connection");
  response.setHeader("date", now.toUTCString());
  response.setHeader("server", "uvicorn");
}
