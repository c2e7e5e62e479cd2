import { AttemptFailure } from "./failure.ts";
import { isInternalAddress } from "./internal-addresses.ts";

/** Where the requests of a source may go. */
export interface TargetRules {
  /** The addresses that were configured: they may be anywhere. */
  own: readonly URL[];
  /** `ingest: allowed_hosts` of project.yml: hosts with or without a port, `*.example.com`, `*`. */
  allowedHosts: readonly string[];
}

/**
 * Throws AttemptFailure (HOST_REFUSED) unless a request may go to `url`: an http or https address on the host and port
 * of a configured one or on an allowed host. A pattern such as `*` allows no address that is not of the public Internet.
 * What a name resolves to is checked when the connection is made.
 */
export function checkTarget(url: URL, rules: TargetRules): void {
  if (!/^https?:$/.test(url.protocol)) throw refusal(`${url.protocol} addresses are not requested`, url);
  if (rules.own.some((one) => one.hostname === url.hostname && portOf(one) === portOf(url))) return;
  if (isOwnWithOtherScheme(url, rules)) return;
  const entries = rules.allowedHosts.filter((entry) => isMatch(entry, url));
  if (entries.some((entry) => !isPattern(entry))) return;
  if (entries.length === 0) throw refusal("it is not the source's own host", url);
  if (isInternalAddress(url.hostname)) throw internalRefusal(url.hostname);
}

/** Whether a name may lead to loopback, private and metadata addresses: it was configured or is listed by itself. */
export function isTrustedName(hostname: string, { own, allowedHosts }: TargetRules): boolean {
  if (own.some((url) => bare(url.hostname) === bare(hostname))) return true;
  return allowedHosts.some((entry) => !isPattern(entry) && bare(hostOf(entry).hostname) === bare(hostname));
}

/** What became of a name that leads where it must not. */
export function internalRefusal(hostname: string, address = hostname): AttemptFailure {
  const leads = address === hostname ? "is" : `leads to ${address},`;
  return refused(
    `the host "${hostname}" is refused`,
    `it ${leads} a loopback, private or metadata address`,
    hostname,
  );
}

function refusal(why: string, url: URL): AttemptFailure {
  const shown = url.host === "" ? `${url.protocol} …` : `${url.protocol}//${url.host}`;
  return refused(`the address ${shown} is refused`, why, url.host || "its host");
}

function refused(message: string, detail: string, host: string): AttemptFailure {
  return new AttemptFailure(message, {
    code: "HOST_REFUSED",
    isRetryable: false,
    detail,
    hint: `if it is to be trusted, list "${host}" under ingest: allowed_hosts in project.yml`,
  });
}

const DEFAULT_PORTS: Record<string, string> = { "http:": "80", "https:": "443" };

function portOf(url: URL): string {
  return url.port || (DEFAULT_PORTS[url.protocol] ?? "");
}

/** The same host at the usual port of the other scheme, as links of services behind a proxy are. */
function isOwnWithOtherScheme(url: URL, { own }: TargetRules): boolean {
  return url.port === "" && own.some((one) => one.port === "" && one.hostname === url.hostname);
}

function isPattern(entry: string): boolean {
  return entry.startsWith("*");
}

function isMatch(entry: string, url: URL): boolean {
  if (entry === "*") return true;
  const { hostname, port } = hostOf(entry.replace(/^\*\./, ""));
  if (port !== "" && port !== portOf(url)) return false;
  return isPattern(entry) ? url.hostname.endsWith(`.${hostname}`) : url.hostname === hostname;
}

/** As URLs write it: numbers of any writing become addresses, letters small ones. */
function hostOf(entry: string): { hostname: string; port: string } {
  const [, host = "", port = ""] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  const hostname = URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : host;
  return { hostname, port };
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "");
}
