import type { Dispatcher } from "undici";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestNames } from "../../core/nearest.ts";
import type { RestSourceDefinition } from "../../core/sillon.ts";
import { AttemptFailure } from "../http/failure.ts";
import { type Manifest, type Recorded, readExchanges, readManifest } from "./folder.ts";
import { maskRequest } from "./masking.ts";
import { requestKey, type Tape, type WireOwner } from "./tape.ts";

/** Stands for every secret of a replay: a recording holds none. */
const STAND_IN = { name: "SILLON_REPLAYED_SECRET", value: "secret-of-a-replay" };

/**
 * Answers requests from a recording; nothing reaches the network. The same request again gets the next answer that it
 * had, and at last the last one. Throws RECORDING_MISSING and RECORDING_DAMAGED (exit 2).
 */
export function createPlayer(folder: string): Tape {
  const manifest = readManifest(folder);
  const tapes = new Map<string, Map<string, Recorded[]>>();
  return {
    isReplay: true,
    contextOf: (ctx) => contextOf(ctx, manifest),
    wire: (owner) => {
      const { source } = owner;
      if (manifest.sources[source] === undefined) throw sourceMissing(folder, manifest, source);
      const tape = tapes.get(source) ?? answersByRequest(readExchanges(folder, source));
      tapes.set(source, tape);
      return () => (options, handler) => {
        play({ folder, owner, tape, options }, handler);
        return true;
      };
    },
  };
}

function contextOf(ctx: Context, { sources }: Manifest): Context {
  const addresses = Object.values(sources).flatMap(({ variable, base_url }) =>
    variable === null ? [] : [[variable, base_url]],
  );
  return {
    ...ctx,
    env: { ...ctx.env, ...Object.fromEntries(addresses), [STAND_IN.name]: STAND_IN.value },
    clock: { now: ctx.clock.now, sleep: async (_ms, signal) => signal.throwIfAborted() },
  };
}

/** The source as it is read without its secrets: only what its requests are told apart by is left. */
export function withoutSecrets(source: RestSourceDefinition): RestSourceDefinition {
  const { authentication, ...rest } = source;
  const place = { env: STAND_IN.name };
  if (authentication?.type === "oauth2_client_credentials")
    return { ...rest, authentication: { ...authentication, clientId: "replay", clientSecret: place } };
  if (authentication?.type === "api_key" && authentication.in === "query")
    return { ...rest, authentication: { ...authentication, value: place } };
  return rest;
}

function answersByRequest(exchanges: readonly Recorded[]): Map<string, Recorded[]> {
  const answers = new Map<string, Recorded[]>();
  for (const exchange of exchanges) {
    const key = requestKey(exchange.request);
    answers.set(key, [...(answers.get(key) ?? []), exchange]);
  }
  return answers;
}

interface Playing {
  folder: string;
  owner: WireOwner;
  tape: Map<string, Recorded[]>;
  options: Dispatcher.DispatchOptions;
}

function play(playing: Playing, handler: Dispatcher.DispatchHandler): void {
  const control = controller();
  handler.onRequestStart?.(control, {});
  const stopped = control.reason;
  if (stopped !== null) return void handler.onResponseError?.(control, stopped);
  const found = nextAnswer(playing);
  if (found instanceof Error) return void handler.onResponseError?.(control, found);
  const { answer, failure } = found;
  if (answer !== null) {
    control.rawHeaders = answer.headers;
    handler.onResponseStart?.(control, answer.status, answer.headers, "");
    const body = answer.body();
    if (body.length > 0) handler.onResponseData?.(control, body);
  }
  if (failure === null) handler.onResponseEnd?.(control, {});
  else handler.onResponseError?.(control, errorOf(failure));
}

function controller(): Dispatcher.DispatchController {
  let reason: Error | null = null;
  return {
    get aborted() {
      return reason !== null;
    },
    paused: false,
    get reason() {
      return reason;
    },
    abort: (error) => {
      reason ??= error;
    },
    // A body comes as one piece: there is nothing to hold back.
    pause: () => {},
    resume: () => {},
  };
}

/** Asked again, what this side gave up on fails in the same words; what the network broke in the same code. */
function errorOf({ code, message }: { code: string; message: string }): Error {
  if (code.startsWith("API_")) return new AttemptFailure(message, { code, isRetryable: true });
  return Object.assign(new Error(message), { code });
}

function nextAnswer({ folder, owner, tape, options }: Playing): Recorded | Error {
  // A replay has no secrets to mask: stand-ins are where the recording has its masks.
  const key = requestKey(maskRequest({ ...NO_SECRETS }, owner, options));
  const answers = tape.get(key);
  const next = (answers?.length ?? 0) > 1 ? answers?.shift() : answers?.[0];
  return next ?? notRecorded(folder, key, [...tape.keys()]);
}

const NO_SECRETS = { add: () => false, mask: (text: string) => text, isEmpty: () => true };

function notRecorded(folder: string, key: string, recorded: readonly string[]): AttemptFailure {
  const [nearest] = nearestTo(key, recorded);
  const near = nearest === undefined ? "it holds no request of this source" : `the nearest one is ${nearest}`;
  return new AttemptFailure("the request is not in the recording", {
    code: "REPLAY_UNKNOWN",
    isRetryable: false,
    detail: `asked for: ${key}; ${near}`,
    hint: `replay into a warehouse that is as it was before ${folder} was recorded, with the same options; or record anew`,
  });
}

/** The one with the fewest other letters; long texts are compared by their ends, where they differ. */
function nearestTo(key: string, recorded: readonly string[]): string[] {
  const near = nearestNames(key, recorded.slice(0, MOST_COMPARED));
  return near.length > 0 ? near : recorded.slice(0, 1);
}

const MOST_COMPARED = 5000;

function sourceMissing(folder: string, { sources }: Manifest, source: string): ProjectError {
  return new ProjectError("RECORDING_SOURCE", {
    message: `the recording holds nothing of the source "${source}"`,
    where: folder,
    why: [`it holds: ${Object.keys(sources).join(", ") || "no source"}`],
    hint: "name the streams that were recorded: run ingest SOURCE.STREAM --replay FOLDER",
    exitCode: EXIT.usage,
  });
}
