import ky from "ky";
import type { IngestSettings } from "../settings.ts";
import { decodeBody, tooLarge } from "./decode-body.ts";
import { AttemptFailure, cutFailure, networkFailure, type Progress } from "./failure.ts";
import { rawFetch } from "./raw-fetch.ts";

export interface ExchangeRequest {
  url: URL;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body: string | undefined;
  settings: IngestSettings;
  signal: AbortSignal;
}

export interface Answer {
  status: number;
  headers: Headers;
  /** Decompressed. */
  body: Buffer;
  /** As it was sent. */
  sizeBytes: number;
}

const MAX_REDIRECTS = 3;

/** One request with its whole answer, redirects within the same origin followed. Throws AttemptFailure. */
export async function exchange(request: ExchangeRequest): Promise<Answer> {
  const watch = startWatch(request);
  let url = request.url;
  try {
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const answer = await readAnswer(request, url, watch);
      const target = redirectTarget(answer, url);
      if (target === undefined) return answer;
      url = target;
    }
    throw redirectFailure(`more than ${MAX_REDIRECTS} redirects`);
  } finally {
    watch.stop();
  }
}

async function readAnswer(request: ExchangeRequest, url: URL, watch: Watch): Promise<Answer> {
  const { method, headers, body: content } = request;
  const response = await ky(url, {
    method,
    headers,
    ...(content === undefined ? {} : { body: content }),
    signal: watch.signal,
    retry: 0,
    timeout: false,
    throwHttpErrors: false,
    redirect: "manual",
    fetch: rawFetch,
  }).catch((error: unknown) => {
    throw watch.reason() ?? networkFailure(error);
  });
  watch.onByte();
  const sent = await readBody(response, request.settings, watch);
  const body = await decodeBody({
    body: sent,
    encoding: sent.length > 0 || response.ok ? response.headers.get("content-encoding") : null,
    maxBytes: request.settings.maxBodyBytes,
  });
  return { status: response.status, headers: response.headers, body, sizeBytes: sent.length };
}

async function readBody(response: Response, settings: IngestSettings, watch: Watch): Promise<Buffer> {
  const announced = response.headers.get("content-length");
  const progress: Progress = {
    receivedBytes: 0,
    expectedBytes: announced === null ? undefined : Number(announced),
  };
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of response.body ?? []) {
      watch.onByte();
      progress.receivedBytes += chunk.byteLength;
      if (progress.receivedBytes > settings.maxBodyBytes) throw tooLarge(settings.maxBodyBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof AttemptFailure) throw error;
    throw watch.reason() ?? cutFailure(error, progress);
  }
  return Buffer.concat(chunks);
}

/** The limits of one exchange. They are of the real world: a clock that tests set does not move them. */
interface Watch {
  signal: AbortSignal;
  onByte(): void;
  /** Why the exchange was ended from this side, if it was. */
  reason(): unknown;
  stop(): void;
}

function startWatch({ settings, signal }: ExchangeRequest): Watch {
  const controller = new AbortController();
  const total = setTimeout(
    () => controller.abort(timeout("was not complete after", settings.requestTimeoutMs, "timeout_seconds")),
    settings.requestTimeoutMs,
  );
  const idle = setTimeout(
    () => controller.abort(timeout("sent no byte for", settings.idleTimeoutMs, "idle_timeout_seconds")),
    settings.idleTimeoutMs,
  );
  const onAbort = () => controller.abort(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    onByte: () => idle.refresh(),
    reason: () => (controller.signal.aborted ? controller.signal.reason : undefined),
    stop: () => {
      clearTimeout(total);
      clearTimeout(idle);
      signal.removeEventListener("abort", onAbort);
    },
  };
}

function timeout(what: string, limitMs: number, setting: string): AttemptFailure {
  return new AttemptFailure(`the answer ${what} ${limitMs / 1000} s`, {
    code: "API_TIMEOUT",
    isRetryable: true,
    hint: `see whether the service is overloaded, or raise ingest: ${setting} in project.yml`,
  });
}

/** Credentials and requests stay with the host that was configured. */
function redirectTarget(answer: Answer, from: URL): URL | undefined {
  const location = answer.headers.get("location");
  if (answer.status < 300 || answer.status > 399 || location === null) return undefined;
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target?.origin === from.origin) return target;
  throw redirectFailure(`a redirect to another host: ${target?.origin ?? "an address that cannot be read"}`);
}

function redirectFailure(what: string): AttemptFailure {
  return new AttemptFailure(`the server answered with ${what}`, {
    code: "API_REDIRECTED",
    isRetryable: false,
    hint: "give the address that the service really has",
  });
}
