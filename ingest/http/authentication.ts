import type { Context } from "../../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { readSecret, secretName } from "../../core/secret-places.ts";
import type { Authentication, Secret } from "../../core/sillon.ts";
import { AttemptFailure } from "./failure.ts";

export interface RequestToSign {
  method: string;
  url: URL;
  body: string | null;
}

/** What a request carries to be let in. */
export interface Credentials {
  headers: Record<string, string>;
  params: Record<string, string>;
  /** Of credentials that are renewed: the how many-th they are. */
  version: number;
}

export interface Authenticator {
  /** Throws AttemptFailure or ProjectError when there are no credentials to be had. */
  credentialsFor(request: RequestToSign): Promise<Credentials>;
  /** Told of every answer. True when others have to be used from now on and the request is worth a repeat. */
  areRenewed(used: Credentials, answer: AnswerSeen): boolean;
  /** What to do when they are refused. */
  advice: string;
}

/** What an authenticator learns of an answer. */
export interface AnswerSeen {
  status: number;
  stream: string;
  /** The request was repeated with new credentials already. */
  isRepeat: boolean;
}

type Kind<T extends Authentication["type"]> = Extract<Authentication, { type: T }>;

/** All kinds but OAuth. Throws SECRET_MISSING and SECRET_INVALID (exit 2). */
export function createAuthenticator(
  ctx: Context,
  definition: Exclude<Authentication, Kind<"oauth2_client_credentials">>,
): Authenticator {
  switch (definition.type) {
    case "bearer": {
      const headers = { authorization: `Bearer ${headerSecret(ctx, definition.token)}` };
      return fixed({ headers }, adviceFor("token", definition.token));
    }
    case "api_key":
      return apiKey(ctx, definition);
    case "basic": {
      const user = textOf(ctx, definition.user);
      const pair = `${user}:${readSecret(ctx, definition.password)}`;
      return fixed({ headers: basicHeader(ctx, pair) }, adviceFor("password", definition.password));
    }
    case "custom":
      return custom(ctx, definition);
  }
}

/** The header of basic authentication. The pair, and so its base64, is masked from now on. */
export function basicHeader(ctx: Context, pair: string): { authorization: string } {
  ctx.secrets.add(pair);
  return { authorization: `Basic ${Buffer.from(pair, "utf8").toString("base64")}` };
}

/** A text of the definition, or the secret in its place. */
export function textOf(ctx: Context, given: string | Secret): string {
  return typeof given === "string" ? given : readSecret(ctx, given);
}

/** `put a valid token into environment variable X`. */
export function adviceFor(what: string, place: Secret): string {
  return `put a valid ${what} into ${secretName(place)}`;
}

function fixed(parts: Partial<Credentials>, advice: string): Authenticator {
  const credentials: Credentials = { headers: {}, params: {}, version: 1, ...parts };
  return { credentialsFor: async () => credentials, areRenewed: () => false, advice };
}

function apiKey(ctx: Context, { name, in: place = "header", value }: Kind<"api_key">): Authenticator {
  const parts =
    place === "query"
      ? { params: { [name]: readSecret(ctx, value) } }
      : { headers: { [name.toLowerCase()]: headerSecret(ctx, value) } };
  return fixed(parts, adviceFor("key", value));
}

const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function headerSecret(ctx: Context, place: Secret): string {
  const value = readSecret(ctx, place);
  if (HEADER_VALUE.test(value)) return value;
  throw new ProjectError("SECRET_INVALID", {
    message: `${secretName(place)} holds characters that no HTTP header can carry`,
    where: secretName(place),
    hint: "see whether it was copied whole and without line breaks",
    exitCode: EXIT.usage,
  });
}

/** Values that the project's function gives are masked as well, unless they are new ones each time. */
const MASKED_VALUES = 32;

function custom(ctx: Context, { headers: headersOf }: Kind<"custom">): Authenticator {
  const seen = new Set<string>();
  const advice = "see what the source's authentication.headers sends";
  return {
    advice,
    areRenewed: () => false,
    credentialsFor: async ({ method, url, body }) => {
      const secret = (place: Secret) => readSecret(ctx, place);
      let headers: unknown;
      try {
        headers = await headersOf({ method, url: url.href, body, secret });
      } catch (error) {
        if (error instanceof ProjectError) throw error;
        throw functionFailure(`failed: ${messageOf(error)}`, error);
      }
      if (!areHeaders(headers)) throw functionFailure("gave no headers: texts by name");
      for (const value of Object.values(headers)) {
        if (seen.size >= MASKED_VALUES) break;
        seen.add(value);
        ctx.secrets.add(value);
      }
      return { headers: lowerCased(headers), params: {}, version: 1 };
    },
  };
}

function areHeaders(value: unknown): value is Record<string, string> {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((one) => typeof one === "string" && HEADER_VALUE.test(one))
  );
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

function functionFailure(what: string, cause?: unknown): AttemptFailure {
  return new AttemptFailure(`the source's authentication.headers ${what}`, {
    code: "AUTHENTICATION_FAILED",
    isRetryable: false,
    hint: "correct the function in the source's file",
    cause,
  });
}
