import type { Dispatcher } from "undici";
import type { Context } from "../../core/context.ts";

/** Whose requests go over a wire. */
export interface WireOwner {
  source: string;
  /** The environment variable that holds its address; undefined when the address is in its definition. */
  variable: string | undefined;
  url: URL;
  /** Parameters of addresses that hold credentials. */
  secretParams: readonly string[];
}

/** Where the exchange with services is kept, or comes from. */
export interface Tape {
  isReplay: boolean;
  /** What stands between a source and the network. A replay lets nothing through. Throws RECORDING_SOURCE (exit 2). */
  wire(owner: WireOwner): Dispatcher.DispatchInterceptor;
  /** The context that sources are read in: a replay has the addresses of its recording, and waits for nobody. */
  contextOf(ctx: Context): Context;
}

/** One request and what came of it, as it is kept: without secrets. */
export interface Exchange {
  request: {
    method: string;
    url: string;
    headers: Record<string, string>;
    body: string | null;
  };
  answer: {
    status: number;
    headers: Record<string, string | string[]>;
    body: Buffer;
  } | null;
  /** Why no answer came, or not the whole of it. */
  failure: { code: string; message: string } | null;
}

/** What tells requests apart. */
export function requestKey({ method, url, headers, body }: Exchange["request"]): string {
  const range = headers.range === undefined ? "" : `, range ${headers.range}`;
  return `${method} ${url}${range}${body === null ? "" : `, body ${body}`}`;
}
