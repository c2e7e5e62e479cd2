import { z } from "zod";
import type { Context } from "../../core/context.ts";
import { readSecret } from "../../core/secret-places.ts";
import type { Authentication } from "../../core/sillon.ts";
import { backoffMs } from "../backoff.ts";
import type { IngestSettings } from "../settings.ts";
import { type AnswerSeen, type Authenticator, adviceFor, basicHeader, textOf } from "./authentication.ts";
import { AttemptFailure } from "./failure.ts";
import { excerpt } from "./status.ts";

/** A request for a token: a form, posted. */
export interface SignIn {
  headers: Record<string, string>;
  body: string;
}

export interface SignInAnswer {
  status: number;
  body: Buffer;
}

type ClientCredentials = Extract<Authentication, { type: "oauth2_client_credentials" }>;

interface Token {
  value: string;
  /** When it is renewed unasked; infinite when its life is not known. */
  renewAtMs: number;
  version: number;
  /** An answer other than a refusal has come for it. */
  isAccepted: boolean;
}

interface Session {
  token: Token | undefined;
  /** The sign-in under way: whoever needs a token waits for the same one. */
  signingIn: Promise<Token> | undefined;
  /** The sign-in came to nothing: it is not tried again. */
  refusal: AttemptFailure | undefined;
  /** Streams that a new token did not help. */
  refusedStreams: Set<string>;
}

/**
 * OAuth's client credentials: one sign-in for all streams, kept in memory, again shortly before the token expires and
 * once when a token that worked is refused. A refused sign-in, and a token that was refused from the start, end it:
 * there is never a loop of sign-ins. Throws SECRET_MISSING (exit 2).
 */
export function createOauth(
  ctx: Context,
  definition: ClientCredentials,
  { post, settings }: { post(signIn: SignIn): Promise<SignInAnswer>; settings: IngestSettings },
): Authenticator {
  const signIn = signInOf(ctx, definition);
  const session: Session = {
    token: undefined,
    signingIn: undefined,
    refusal: undefined,
    refusedStreams: new Set(),
  };
  const advice = adviceFor("client secret", definition.clientSecret);
  const tokenNow = (): Promise<Token> => {
    if (session.refusal !== undefined) return Promise.reject(session.refusal);
    const { token } = session;
    if (token !== undefined && ctx.clock.now().getTime() < token.renewAtMs) return Promise.resolve(token);
    session.signingIn ??= askToken(ctx, { session, advice, settings, post: () => post(signIn) }).finally(
      () => {
        session.signingIn = undefined;
      },
    );
    return session.signingIn;
  };
  return {
    advice,
    credentialsFor: async () => {
      const { value, version } = await tokenNow();
      return { headers: { authorization: `Bearer ${value}` }, params: {}, version };
    },
    areRenewed: ({ version }, answer) => isWorthRepeat(session, version, answer),
  };
}

function isWorthRepeat(session: Session, version: number, { status, stream, isRepeat }: AnswerSeen): boolean {
  const { token, refusedStreams } = session;
  if (token === undefined) return false;
  const isNewest = token.version === version;
  if (status !== 401) {
    if (isNewest) token.isAccepted = true;
    return false;
  }
  if (isRepeat) refusedStreams.add(stream);
  if (refusedStreams.has(stream)) return false;
  // Otherwise another request has had it renewed meanwhile.
  if (isNewest) {
    if (!token.isAccepted) return false;
    token.renewAtMs = 0;
  }
  return true;
}

function signInOf(ctx: Context, definition: ClientCredentials): SignIn {
  const { scope, credentialsIn = "basic" } = definition;
  const id = textOf(ctx, definition.clientId);
  const secret = readSecret(ctx, definition.clientSecret);
  const form = new URLSearchParams({ grant_type: "client_credentials" });
  if (scope !== undefined) form.set("scope", scope);
  const headers: Record<string, string> = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  };
  if (credentialsIn === "body") {
    form.set("client_id", id);
    form.set("client_secret", secret);
  } else {
    // RFC 6749, 2.3.1: both are encoded as in a form before they are joined.
    Object.assign(headers, basicHeader(ctx, `${formEncoded(id)}:${formEncoded(secret)}`));
  }
  return { headers, body: form.toString() };
}

function formEncoded(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

const answerSchema = z.object({
  access_token: z.string().min(1),
  expires_in: z.coerce.number().positive().optional().catch(undefined),
});

interface Asking {
  session: Session;
  advice: string;
  settings: IngestSettings;
  post(): Promise<SignInAnswer>;
}

async function askToken(ctx: Context, asking: Asking): Promise<Token> {
  const { session } = asking;
  try {
    const { access_token, expires_in, askedMs } = await signInWithin(ctx, asking);
    ctx.secrets.add(access_token);
    const lifeMs = (expires_in ?? Number.POSITIVE_INFINITY) * 1000;
    const token: Token = {
      value: access_token,
      renewAtMs: askedMs + lifeMs - Math.min(lifeMs * EARLY_SHARE, EARLY_MS),
      version: (session.token?.version ?? 0) + 1,
      isAccepted: false,
    };
    session.token = token;
    return token;
  } catch (error) {
    if (error instanceof AttemptFailure) session.refusal = error;
    throw error;
  }
}

/** How long before its end a token is renewed: a tenth of its life, a minute at most. */
const EARLY_SHARE = 0.1;
const EARLY_MS = 60_000;

/** Asks again, within the limits of the settings, while the token address is out of reach or fails. */
async function signInWithin(ctx: Context, { advice, settings, post }: Asking) {
  for (let attempt = 1; ; attempt++) {
    const askedMs = ctx.clock.now().getTime();
    try {
      return { ...readAnswer(await post(), advice), askedMs };
    } catch (error) {
      const isWorth = error instanceof AttemptFailure && error.details.isRetryable;
      if (!isWorth || attempt >= settings.maxAttempts) throw error;
      const waitMs = backoffMs(ctx, settings, attempt);
      const message = `the sign-in failed: ${error.message}; attempt ${attempt + 1} of ${settings.maxAttempts}`;
      ctx.log.warn("sign_in_retried", message, { attempt: attempt + 1, waitMs });
      await ctx.clock.sleep(waitMs, ctx.signal);
    }
  }
}

function readAnswer({ status, body }: SignInAnswer, advice: string): z.output<typeof answerSchema> {
  const parsed = answerSchema.safeParse(parseJson(body.toString("utf8")));
  if (status >= 200 && status < 300 && parsed.success) return parsed.data;
  const what = status >= 200 && status < 300 ? "gave no access_token" : `answered ${status}`;
  throw new AttemptFailure(`the sign-in was refused: the token address ${what}`, {
    code: "SIGN_IN_REFUSED",
    isRetryable: status >= 500 || status === 429 || status === 408,
    detail: parsed.success ? undefined : `the answer begins: ${excerpt(body.toString("utf8"))}`,
    hint: `${advice}, and see whether the source's tokenUrl and scope are right`,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
