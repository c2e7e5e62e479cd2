import type { Dispatcher } from "undici";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { Authentication, RestSourceDefinition } from "../../core/sillon.ts";
import type { Tape } from "../recording/tape.ts";
import type { IngestSettings } from "../settings.ts";
import { type Authenticator, createAuthenticator } from "./authentication.ts";
import type { BaseUrl } from "./base-url.ts";
import { createAgent } from "./connect.ts";
import { exchange } from "./exchange.ts";
import { createOauth } from "./oauth2.ts";
import type { TargetRules } from "./target.ts";

/** How a source is entered: where its requests may go, through which connections, with which credentials. */
export interface Access {
  rules: TargetRules;
  dispatcher: Dispatcher;
  authenticator: Authenticator | undefined;
}

/** Throws SECRET_MISSING, SECRET_INVALID or TOKEN_URL_INVALID (exit 2) before any request. */
export function openAccess(
  ctx: Context,
  {
    source,
    base,
    settings,
    tape,
  }: {
    source: Pick<RestSourceDefinition, "name" | "authentication"> & { baseUrl?: { env: string } };
    base: BaseUrl;
    settings: IngestSettings;
    /** Where the exchange is kept, or comes from. */
    tape?: Tape | undefined;
  },
): Access {
  const { authentication } = source;
  const { allowedHosts } = settings;
  const rules = { own: [base.url], allowedHosts };
  const connect = (to: TargetRules): Dispatcher => {
    const agent = createAgent(to);
    if (tape === undefined) return agent;
    const { name, baseUrl } = source;
    const secretParams = [...base.url.searchParams.keys(), ...keyParams(authentication)];
    return agent.compose(tape.wire({ source: name, variable: baseUrl?.env, url: base.url, secretParams }));
  };
  if (authentication?.type !== "oauth2_client_credentials") {
    const authenticator = authentication === undefined ? undefined : createAuthenticator(ctx, authentication);
    return { rules, dispatcher: connect(rules), authenticator };
  }
  const tokenUrl = resolveTokenUrl(source.name, authentication, base);
  const dispatcher = connect({ own: [base.url, tokenUrl], allowedHosts });
  const place = { url: tokenUrl, rules: { own: [tokenUrl], allowedHosts: [] }, dispatcher };
  const authenticator = createOauth(ctx, authentication, {
    settings,
    post: (signIn) => exchange({ ...place, ...signIn, method: "POST", settings, signal: ctx.signal }),
  });
  return { rules, dispatcher, authenticator };
}

/** The parameter that holds a key. */
function keyParams(authentication: Authentication | undefined): string[] {
  return authentication?.type === "api_key" && authentication.in === "query" ? [authentication.name] : [];
}

type Oauth = Extract<Authentication, { type: "oauth2_client_credentials" }>;

/** An address, or a path at the host of the base URL. */
function resolveTokenUrl(source: string, { tokenUrl }: Oauth, base: BaseUrl): URL {
  const url = URL.canParse(tokenUrl, base.url.href) ? new URL(tokenUrl, base.url) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "")
    return url;
  throw new ProjectError("TOKEN_URL_INVALID", {
    message: `the tokenUrl of the source "${source}" is not an http or https address without credentials`,
    where: `source ${source}`,
    hint: 'write an address such as "https://login.example.com/oauth/token", or a path of the base URL\'s host',
    exitCode: EXIT.usage,
  });
}
