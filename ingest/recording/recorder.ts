import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import type { Context } from "../../core/context.ts";
import { messageOf } from "../../core/errors.ts";
import { decodeBody } from "../http/decode-body.ts";
import { AttemptFailure } from "../http/failure.ts";
import type { IngestSettings } from "../settings.ts";
import { createRecording, newManifest, writeExchange, writeManifest } from "./folder.ts";
import { isSignIn, learnTokens, maskAddress, maskContent, maskHeaders, maskRequest } from "./masking.ts";
import type { Exchange, Tape, WireOwner } from "./tape.ts";

/**
 * Keeps every request and its answer in a folder, as they happened: retries, redirects and sign-ins too. Secrets are
 * masked, and compressed bodies are kept decompressed. Throws RECORDING_EXISTS (exit 2).
 */
export function createRecorder(ctx: Context, folder: string, settings: IngestSettings): Tape {
  createRecording(folder);
  const manifest = newManifest(ctx.clock.now());
  writeManifest(folder, manifest);
  let last = 0;
  const wire = (owner: WireOwner): Dispatcher.DispatchInterceptor => {
    const { source, variable = null, url } = owner;
    manifest.sources[source] = { variable, base_url: maskAddress(ctx.secrets, owner, url) };
    writeManifest(folder, manifest);
    return (dispatch) => (options, handler) => {
      const number = ++last;
      const keep = (exchange: Exchange) => writeExchange(folder, { source, number, exchange });
      return dispatch(options, listen({ ctx, owner, settings, options, keep }, handler));
    };
  };
  return { isReplay: false, wire, contextOf: (context) => context };
}

interface Listening {
  ctx: Context;
  owner: WireOwner;
  settings: IngestSettings;
  options: Dispatcher.DispatchOptions;
  keep(exchange: Exchange): void;
}

/** Hands everything on. The end of an answer waits until it is kept: whatever it brought on is in the recording. */
function listen(listening: Listening, handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  const chunks: Buffer[] = [];
  let start: { status: number; headers: IncomingHttpHeaders } | null = null;
  const save = (failure: Exchange["failure"]) =>
    keepAnswer(listening, { start, sent: Buffer.concat(chunks), failure });
  return {
    onRequestStart: (controller, context) => handler.onRequestStart?.(controller, context),
    onRequestUpgrade: (controller, ...rest) => handler.onRequestUpgrade?.(controller, ...rest),
    onResponseStart: (controller, status, headers, text) => {
      if (status >= 200) start = { status, headers };
      handler.onResponseStart?.(controller, status, headers, text);
    },
    onResponseData: (controller, chunk) => {
      chunks.push(Buffer.from(chunk));
      handler.onResponseData?.(controller, chunk);
    },
    onResponseEnd: (controller, trailers) => {
      void save(null).then(
        () => handler.onResponseEnd?.(controller, trailers),
        (error: Error) => handler.onResponseError?.(controller, error),
      );
    },
    onResponseError: (controller, error) => {
      const failure = failureOf(error);
      const saved = failure === null ? Promise.resolve() : save(failure);
      const tell = () => handler.onResponseError?.(controller, error);
      void saved.then(tell, tell);
    },
  };
}

/** Null when this side gave up for a reason that no service is to blame for. */
function failureOf(error: unknown): Exchange["failure"] {
  if (error instanceof AttemptFailure) return { code: error.details.code, message: error.message };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code === "" || code === "UND_ERR_ABORTED" ? null : { code, message: messageOf(error) };
}

async function keepAnswer(
  { ctx: { secrets }, owner, settings, options, keep }: Listening,
  {
    start,
    sent,
    failure,
  }: {
    start: { status: number; headers: IncomingHttpHeaders } | null;
    sent: Buffer;
    failure: Exchange["failure"];
  },
): Promise<void> {
  const address = new URL(options.path, String(options.origin)).href;
  const decoded = await decodedAnswer(start?.headers ?? {}, sent, settings);
  if (isSignIn(textOf(options.body))) learnTokens(secrets, decoded.body);
  keep({
    request: maskRequest(secrets, owner, options),
    answer: start && {
      status: start.status,
      headers: maskHeaders(secrets, { owner, url: address, headers: decoded.headers }),
      body: maskContent(secrets, decoded.body),
    },
    failure,
  });
}

function textOf(body: unknown): string | null {
  return typeof body === "string" || Buffer.isBuffer(body) ? body.toString() : null;
}

/** Without its compression, so that secrets in it are found. What cannot be decompressed is kept as empty: it cannot be read either. */
async function decodedAnswer(
  headers: IncomingHttpHeaders,
  sent: Buffer,
  { maxBodyBytes }: IngestSettings,
): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> {
  const encoding = headers["content-encoding"] ?? null;
  if (encoding === null || sent.length === 0) return { headers, body: sent };
  try {
    const body = await decodeBody({ body: sent, encoding, maxBytes: maxBodyBytes });
    const { "content-encoding": _encoding, "content-length": _length, ...kept } = headers;
    return { headers: { ...kept, "x-recorded-encoding": encoding }, body };
  } catch (error) {
    if (error instanceof AttemptFailure) return { headers, body: Buffer.alloc(0) };
    throw error;
  }
}
