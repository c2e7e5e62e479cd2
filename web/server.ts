import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import type { Access } from "./access.ts";
import { createApp } from "./app.ts";
import { CONNECTIONS, drain, guardConnections, HOSTLESS, NOTICE_MS } from "./connections.ts";
import type { Served } from "./served.ts";
import { refuse } from "./serving/refusal.ts";

/** Answers requests below /v1. */
export type ServingListener = (request: IncomingMessage, response: ServerResponse) => void;

export interface WebServer {
  url: string;
  /** Finishes what is being answered, and closes; with notice it goes on for a moment, so that callers turn elsewhere. */
  stop(options?: { hasNotice: boolean }): Promise<void>;
}

const MIN_TOKEN_LENGTH = 16;

/** Throws TOKEN_NEEDED, TOKEN_SHORT (exit 2), PORT_IN_USE, HOST_UNUSABLE (exit 4). */
export async function startServer(
  served: Served,
  { host, port, serving }: { host: string; port: number; serving?: ServingListener },
): Promise<WebServer> {
  checkTokens(served.access, host);
  const listener = getRequestListener(createApp(served).fetch);
  let isStopping = false;
  const server = createServer(CONNECTIONS, (request, response) => {
    if (isStopping) response.setHeader("Connection", "close");
    if (serving !== undefined && /^\/v1(\/|$)/.test(request.url ?? "")) return serving(request, response);
    if (request.headers.host === undefined) return refuse(request, response, HOSTLESS);
    // The web's Request refuses such a method with an answer that lacks our headers.
    if (request.method === "TRACE" || request.method === "TRACK") request.method = "OPTIONS";
    void listener(request, response);
  });
  guardConnections(server);
  await listen(server, host, port);
  const { address, family, port: bound } = server.address() as AddressInfo; // a TCP server's address is an object
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}`,
    stop: ({ hasNotice } = { hasNotice: false }) => {
      isStopping = true;
      return drain(server, hasNotice ? NOTICE_MS : 0);
    },
  };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Throws TOKEN_NEEDED and TOKEN_SHORT (exit 2). */
export function checkTokens({ token, readToken }: Pick<Access, "token" | "readToken">, host: string): void {
  if (!isLoopback(host) && token === undefined) {
    throw new ProjectError("TOKEN_NEEDED", {
      message: `whoever reaches ${host} could start jobs`,
      where: "--host",
      hint: `set SILLON_TOKEN to a secret of ${MIN_TOKEN_LENGTH} characters or more, or leave --host out: then only this machine reaches it`,
      exitCode: EXIT.usage,
    });
  }
  for (const given of [token, readToken])
    if (given !== undefined && given.length < MIN_TOKEN_LENGTH)
      throw new ProjectError("TOKEN_SHORT", {
        message: `a token of ${given.length} characters can be guessed`,
        where: given === token ? "SILLON_TOKEN" : "SILLON_READ_TOKEN",
        hint: `take ${MIN_TOKEN_LENGTH} or more: openssl rand -hex 32`,
        exitCode: EXIT.usage,
      });
}

/** So many callers may come at once: of more, some would be let in only after many seconds. The system may allow fewer. */
const BACKLOG = 4_096;

/** Throws PORT_IN_USE and HOST_UNUSABLE (exit 4). */
export async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen({ port, host, backlog: BACKLOG }, resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ProjectError {
  const where = `${host}:${port}`;
  if (error.code === "EADDRINUSE")
    return new ProjectError("PORT_IN_USE", {
      message: `port ${port} is in use`,
      where,
      hint: "give another one with --port; 0 takes a free one",
      exitCode: EXIT.environment,
    });
  return new ProjectError("HOST_UNUSABLE", {
    message: `the server cannot listen there: ${messageOf(error)}`,
    where,
    hint: "give an address of this machine to --host, and a port from 1024 on to --port",
    exitCode: EXIT.environment,
  });
}
