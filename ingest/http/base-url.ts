import { environmentValue } from "../../core/config.ts";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { RestSourceDefinition } from "../../core/sillon.ts";

/** Where a source's service is, its credentials taken out of the address. */
export interface BaseUrl {
  url: URL;
  authorization: string | undefined;
  /** The environment variable that changes it. */
  variable: string;
}

/** A value of the query at least this long may be a token. */
const TOKEN_LENGTH = 8;

/** Throws BASE_URL_MISSING or BASE_URL_INVALID (exit 2). Makes the credentials in it known as secrets. */
export function resolveBaseUrl(ctx: Context, source: RestSourceDefinition): BaseUrl {
  const variable = source.baseUrl.env;
  const text = environmentValue(ctx.env, variable) ?? source.baseUrl.default;
  if (text === undefined) throw invalid("BASE_URL_MISSING", variable, "holds no address");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    const shown = text.replace(/[^/]*@/, "***@").replace(/[?#].*$/, "");
    throw invalid("BASE_URL_INVALID", variable, `is not an http or https address: "${shown}"`);
  }
  const authorization = takeCredentials(ctx, url);
  for (const value of url.searchParams.values()) if (value.length >= TOKEN_LENGTH) ctx.secrets.add(value);
  url.hash = "";
  return { url, authorization, variable };
}

function takeCredentials(ctx: Context, url: URL): string | undefined {
  const [user, password] = [decode(url.username), decode(url.password)];
  if (user === "" && password === "") return undefined;
  const pair = `${user}:${password}`;
  // A name without a password is a token by itself; otherwise a name such as "admin" is no secret.
  for (const secret of [pair, password || user, url.password || url.username]) ctx.secrets.add(secret);
  url.username = "";
  url.password = "";
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}

/** A lone percent sign stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(code: string, variable: string, what: string): ProjectError {
  return new ProjectError(code, {
    message: `${variable} ${what}`,
    where: `environment variable ${variable}`,
    hint: `set ${variable} to an address such as http://127.0.0.1:8000`,
    exitCode: EXIT.usage,
  });
}

/** The address of an endpoint: the base's own path and parameters stay. */
export function endpointUrl(base: BaseUrl, path: string): URL {
  const url = new URL(base.url);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${path.replace(/^\/+/, "")}`;
  return url;
}
