import type { Dispatcher } from "undici";
import type { Context } from "../../core/context.ts";
import { ProjectError } from "../../core/errors.ts";
import { maskUrl } from "../../core/secrets.ts";
import { backoffMs } from "../backoff.ts";
import { noteWait } from "../progress.ts";
import type { IngestSettings } from "../settings.ts";
import type { Traffic } from "../stream-result.ts";
import type { AnswerSeen, Authenticator, Credentials } from "./authentication.ts";
import type { BaseUrl } from "./base-url.ts";
import { ENCODINGS } from "./decode-body.ts";
import { type Answer, exchange } from "./exchange.ts";
import { AttemptFailure } from "./failure.ts";
import type { HostGate, Pass } from "./host-gate.ts";
import { checkStatus } from "./status.ts";
import type { TargetRules } from "./target.ts";

export interface PageRequest {
  url: URL;
  method: "GET" | "POST";
  headers: Readonly<Record<string, string>>;
  /** JSON. */
  body: string | undefined;
  source: string;
  stream: string;
  /** Of a child stream: the record of the parent whose list it is. */
  parent: string | undefined;
  page: number;
  /** Statuses that are left to `parse`, besides those of success. */
  accepted: readonly number[];
  /** Counted up as the request goes on. */
  traffic: Traffic;
  signal: AbortSignal;
}

/** Asks one service for pages, again and again within the limits of the settings. */
export interface Client {
  /** Throws ProjectError when the attempts are used up or cannot help. A `parse` that throws AttemptFailure is an attempt that failed. */
  read<T>(request: PageRequest, parse: (answer: Answer) => T): Promise<T>;
}

export interface ClientParts {
  ctx: Context;
  settings: IngestSettings;
  gate: HostGate;
  base: BaseUrl;
  /** None: all that is sent is what the base URL holds. */
  authenticator: Authenticator | undefined;
  rules: TargetRules;
  dispatcher: Dispatcher;
}

export function createClient(parts: ClientParts): Client {
  return {
    read: async (request, parse) => {
      const startedMs = parts.ctx.clock.now().getTime();
      for (let attempt = 1; ; attempt++) {
        const outcome = await tryOnce(parts, { request, parse, attempt });
        if ("value" in outcome) return outcome.value;
        const tried = { attempts: attempt, startedMs };
        await outcome.pause;
        if (!outcome.failure.details.isRetryable || attempt >= parts.settings.maxAttempts) {
          throw pageError(parts, request, { ...outcome, ...tried });
        }
        request.traffic.retries += 1;
        if (outcome.pause === undefined) await backOff(parts, request, { ...outcome, ...tried });
      }
    },
  };
}

interface Attempt<T> {
  request: PageRequest;
  parse: (answer: Answer) => T;
  attempt: number;
}

interface Failed {
  failure: AttemptFailure;
  /** Set when the whole host has to wait: over when it resolves. */
  pause?: Promise<void> | undefined;
}

interface Tried extends Failed {
  attempts: number;
  startedMs: number;
}

async function tryOnce<T>(parts: ClientParts, work: Attempt<T>): Promise<{ value: T } | Failed> {
  const { request, parse, attempt } = work;
  let pass: Pass | undefined;
  try {
    pass = await parts.gate.enter({ isRetry: attempt > 1, signal: request.signal });
    const value = parse(await requestPage(parts, request));
    parts.gate.speedUp();
    return { value };
  } catch (error) {
    request.signal.throwIfAborted();
    if (!(error instanceof AttemptFailure)) throw error;
    // A pause has to begin before the place is given to the next request.
    return pass === undefined ? { failure: error } : spareHost(parts, work, { failure: error, pass });
  } finally {
    pass?.leave();
  }
}

async function requestPage(parts: ClientParts, request: PageRequest): Promise<Answer> {
  const { authenticator } = parts;
  let { answer, used } = await send(parts, request);
  if (used !== undefined && authenticator?.areRenewed(used, seen(request, answer, false))) {
    request.traffic.retries += 1;
    ({ answer, used } = await send(parts, request));
    if (used !== undefined) authenticator.areRenewed(used, seen(request, answer, true));
  }
  if (!request.accepted.includes(answer.status)) checkStatus(answer, parts.ctx.clock.now());
  return answer;
}

function seen({ stream }: PageRequest, { status }: Answer, isRepeat: boolean): AnswerSeen {
  return { status, stream, isRepeat };
}

/** One exchange. Credentials go to the origin of the base URL alone. */
async function send(
  { base, authenticator, settings, rules, dispatcher }: ClientParts,
  request: PageRequest,
): Promise<{ answer: Answer; used: Credentials | undefined }> {
  const { url, method, body, signal, traffic } = request;
  const { origin } = base.url;
  const used =
    url.origin === origin
      ? await authenticator?.credentialsFor({ method, url, body: body ?? null })
      : undefined;
  const own = base.authorization === undefined ? {} : { authorization: base.authorization };
  const credentials = {
    origin,
    headers: { ...own, ...used?.headers },
    params: { ...Object.fromEntries(base.url.searchParams), ...used?.params },
  };
  const headers = { "accept-encoding": ENCODINGS, ...request.headers };
  traffic.requests += 1;
  const answer = await exchange({
    url,
    method,
    headers,
    body,
    credentials,
    settings,
    signal,
    rules,
    dispatcher,
  });
  traffic.sizeBytes += answer.sizeBytes;
  return { answer, used };
}

/** Does what the failure asks for in respect of the host: nothing, a pause, or no request at all any more. */
function spareHost<T>(
  parts: ClientParts,
  { request, attempt }: Attempt<T>,
  { failure, pass }: { failure: AttemptFailure; pass: Pass },
): Failed {
  const { ctx, gate, settings } = parts;
  const { isRateLimit, isRetryable, retryAfterMs } = failure.details;
  if (!isRetryable || (!isRateLimit && retryAfterMs === undefined)) return { failure };
  if (retryAfterMs !== undefined && retryAfterMs > settings.maxRetryAfterMs) {
    const refusal = tooLongFailure(parts, retryAfterMs);
    gate.shut(refusal);
    return { failure: refusal };
  }
  if (isRateLimit) gate.slowDown(pass);
  const waitMs = retryAfterMs ?? backoffMs(ctx, settings, attempt);
  noteWait(request.traffic, ctx.clock.now().getTime(), waitMs);
  if (!gate.isPaused()) {
    const { host } = request.url;
    const message = `${host}: ${failure.message}; no request is sent to it for ${secondsText(waitMs)}`;
    ctx.log.warn("host_paused", message, { source: request.source, stream: request.stream, host, waitMs });
  }
  return { failure, pause: gate.pause(waitMs) };
}

async function backOff(parts: ClientParts, request: PageRequest, tried: Tried): Promise<void> {
  const waitMs = backoffMs(parts.ctx, parts.settings, tried.attempts);
  noteWait(request.traffic, parts.ctx.clock.now().getTime(), waitMs);
  const why = parts.ctx.secrets.mask(tried.failure.message);
  const { source, stream, page } = request;
  parts.ctx.log.warn(
    "request_retried",
    `${labelOf(request)}: ${why}; attempt ${tried.attempts + 1} of ${parts.settings.maxAttempts} in ${secondsText(waitMs)}`,
    { source, stream, page, attempt: tried.attempts + 1, why, waitMs },
  );
  await parts.ctx.clock.sleep(waitMs, request.signal);
}

function labelOf({ source, stream, parent, page }: PageRequest): string {
  return `${source}.${stream}${parent === undefined ? "" : ` of ${parent}`}, page ${page}`;
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function pageError(parts: ClientParts, request: PageRequest, tried: Tried): ProjectError {
  const { ctx, base, authenticator } = parts;
  const { code, detail, hint } = tried.failure.details;
  const why = detail === undefined ? [] : [ctx.secrets.mask(detail)];
  const spentMs = ctx.clock.now().getTime() - tried.startedMs;
  if (tried.attempts > 1) why.push(`tried ${tried.attempts} times in ${secondsText(spentMs)}`);
  return new ProjectError(code, {
    message: ctx.secrets.mask(`${labelOf(request)}: ${tried.failure.message}`),
    where: ctx.secrets.mask(maskUrl(request.url)),
    why,
    hint: hint ?? hintFor(code, { variable: base.variable, advice: authenticator?.advice }),
    cause: tried.failure,
  });
}

function tooLongFailure({ ctx, settings }: ClientParts, waitMs: number): AttemptFailure {
  const until = new Date(ctx.clock.now().getTime() + waitMs).toISOString();
  return new AttemptFailure(`the server asks to be left alone for ${Math.ceil(waitMs / 1000)} s`, {
    code: "API_RATE_LIMITED",
    isRetryable: false,
    detail: `that is longer than the ${settings.maxRetryAfterMs / 1000} s that a run waits at most`,
    hint: `run again after ${until}, or raise ingest: max_retry_after_seconds in project.yml`,
  });
}

function hintFor(
  code: string,
  { variable, advice }: { variable: string; advice?: string | undefined },
): string {
  const hints: Record<string, string> = {
    API_UNREACHABLE: `start the service, or set ${variable} to its address; npx run api is a stand-in for Moovitamix`,
    API_UNAUTHORIZED: advice ?? `put valid credentials into ${variable}: http://user:password@host`,
    API_FORBIDDEN: `ask for access to this list, or ${advice ?? `put other credentials into ${variable}`}`,
    API_NOT_FOUND: `check that ${variable} is the service's base address, and the stream's path`,
    API_REFUSED: "check the source's pageSize and paths against the service's documentation",
    API_RATE_LIMITED:
      "run again later, or set ingest: requests_per_second, or lower concurrency, in project.yml",
    API_BODY_MALFORMED: `check that ${variable} is the service itself and not a page before it, then run again`,
  };
  return hints[code] ?? "see whether the service is well, then run again: nothing of this stream was changed";
}
