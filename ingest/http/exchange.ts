import ky from "ky";
import type { Dispatcher } from "undici";
import type { IngestSettings } from "../settings.ts";
import { decodeBody, tooLarge } from "./decode-body.ts";
import { AttemptFailure, cutFailure, networkFailure, type Progress } from "./failure.ts";
import { type AnswerHeaders, type Received, receive } from "./raw-fetch.ts";
import { checkTarget, type TargetRules } from "./target.ts";

export interface ExchangeRequest {
  url: URL;
  method: "GET" | "POST";
  headers: Record<string, string>;
  body?: string | undefined;
  /**
   * Sent to this origin alone, as are headers that say more than what is asked for. Parameters that the address has
   * already stay as they are.
   */
  credentials?: { origin: string; headers: Record<string, string>; params: Record<string, string> };
  rules: TargetRules;
  dispatcher: Dispatcher;
  settings: IngestSettings;
  signal: AbortSignal;
}

export interface Answer {
  status: number;
  headers: AnswerHeaders;
  /** Decompressed. */
  body: Buffer;
  /** As it was sent. */
  sizeBytes: number;
}

const MAX_REDIRECTS = 3;

/**
 * One request with its whole answer, redirects followed to where requests may go. Credentials stay with their origin,
 * and to another one go no headers but those that say what is asked for. Throws AttemptFailure.
 */
export async function exchange(request: ExchangeRequest): Promise<Answer> {
  const watch = startWatch(request);
  let url = request.url;
  try {
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const answer = await readAnswer(request, url, watch);
      const target = redirectTarget(request, answer, url);
      if (target === undefined) return answer;
      url = target;
    }
    throw redirectFailure(`more than ${MAX_REDIRECTS} redirects`);
  } finally {
    watch.stop();
  }
}

async function readAnswer(request: ExchangeRequest, url: URL, watch: Watch): Promise<Answer> {
  checkTarget(url, request.rules);
  const { method, body: content, dispatcher, settings } = request;
  const progress: Progress & { hasBegun: boolean } = {
    hasBegun: false,
    receivedBytes: 0,
    expectedBytes: undefined,
  };
  const onBytes = (count: number, headers: AnswerHeaders) => {
    watch.onByte();
    if (!progress.hasBegun) {
      const announced = headers.get("content-length");
      progress.expectedBytes = announced === null ? undefined : Number(announced);
      progress.hasBegun = true;
    }
    progress.receivedBytes += count;
    const largest = Math.max(progress.receivedBytes, progress.expectedBytes ?? 0);
    if (largest > settings.maxBodyBytes) throw tooLarge(settings.maxBodyBytes);
  };
  let received: Received | undefined;
  await ky(addressOf(request, url), {
    method,
    headers: headersFor(request, url),
    ...(content === undefined ? {} : { body: content }),
    retry: 0,
    timeout: false,
    throwHttpErrors: false,
    redirect: "manual",
    fetch: async (input, init) => {
      const sent = input instanceof Request ? input : new Request(input, init);
      received = await receive(sent, { dispatcher, signal: watch.signal, onBytes });
      // The answer itself is taken as it came.
      return new Response();
    },
  }).catch((error: unknown) => {
    if (error instanceof AttemptFailure) throw error;
    throw watch.reason() ?? (progress.hasBegun ? cutFailure(error, progress) : networkFailure(error));
  });
  if (received === undefined) throw new Error("no answer");
  const { status, headers, body: sent } = received;
  const isContent = sent.length > 0 || (status >= 200 && status < 300);
  const body = await decodeBody({
    body: sent,
    encoding: isContent ? headers.get("content-encoding") : null,
    maxBytes: settings.maxBodyBytes,
  });
  return { status, headers, body, sizeBytes: sent.length };
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

/** Credentials that a link or redirect holds are not sent. */
function addressOf({ credentials }: ExchangeRequest, url: URL): URL {
  const address = new URL(url);
  address.username = "";
  address.password = "";
  if (credentials?.origin !== url.origin) return address;
  for (const [name, value] of Object.entries(credentials.params))
    if (!address.searchParams.has(name)) address.searchParams.set(name, value);
  return address;
}

/** Headers that say nothing of who asks. */
const PUBLIC_HEADERS = ["accept", "accept-encoding", "content-type", "range", "user-agent"];

function headersFor({ headers, credentials, url: asked }: ExchangeRequest, url: URL): Record<string, string> {
  const isHome = url.origin === (credentials?.origin ?? asked.origin);
  const sent = Object.entries(headers).filter(
    ([name]) => isHome || PUBLIC_HEADERS.includes(name.toLowerCase()),
  );
  return { ...Object.fromEntries(sent), ...(credentials?.origin === url.origin ? credentials.headers : {}) };
}

/** Where a redirect leads. A request with a body is repeated nowhere but at its own origin. */
function redirectTarget(request: ExchangeRequest, answer: Answer, from: URL): URL | undefined {
  const location = answer.headers.get("location");
  if (answer.status < 300 || answer.status > 399 || location === null) return undefined;
  const target = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (target === undefined) throw redirectFailure("a redirect to an address that cannot be read");
  checkTarget(target, request.rules);
  const isRepeatable = target.origin === from.origin && [307, 308].includes(answer.status);
  if (request.method !== "GET" && !isRepeatable) throw redirectFailure("a redirect of a request with a body");
  return target;
}

function redirectFailure(what: string): AttemptFailure {
  return new AttemptFailure(`the server answered with ${what}`, {
    code: "API_REDIRECTED",
    isRetryable: false,
    hint: "give the address that the service really has",
  });
}
