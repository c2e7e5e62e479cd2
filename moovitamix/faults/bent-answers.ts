import { STATUS_CODES } from "node:http";
import { type Answer, answerJson, answerText, cutPage, type Page, type PageRequest } from "../answers.ts";
import type { FaultRule } from "../faults.ts";
import { damageItems, renumberItems } from "./damage.ts";
import type { Strike } from "./strikes.ts";

export interface Scene {
  request: PageRequest;
  records: readonly unknown[];
  now: () => Date;
}

const HTML = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>";

/** What the service answers instead; for a fault on the way, the right answer. Nothing stored is changed. */
export function answerWithFault(strike: Strike, scene: Scene): Answer {
  const { rule } = strike;
  const page = cutPage(scene.records, scene.request);
  return (
    answerWithStatus(strike, scene.now) ??
    answerWithBody(rule, page) ??
    answerJson(200, bendEnvelope(rule, page) ?? bendPage(strike, scene, page))
  );
}

function answerWithStatus({ rule, random }: Strike, now: () => Date): Answer | undefined {
  switch (rule.kind) {
    case "429":
      return answerStatus(429, waitHeaders(rule.retryAfter ?? "1", now));
    case "5xx":
      return answerStatus(rule.status ?? random.pick([500, 502, 503]), waitHeaders(rule.retryAfter, now));
    case "status":
      return answerStatus(rule.status ?? 403, waitHeaders(rule.retryAfter, now));
    case "no-content":
      return { status: 204, headers: {}, body: Buffer.alloc(0) };
    default:
      return undefined;
  }
}

function answerStatus(status: number, headers: Record<string, string>): Answer {
  const reason = STATUS_CODES[status] ?? "Unknown";
  // uvicorn says nothing more about a crash of the service; the other 5xx come from a gateway.
  if (status === 500) return answerText(500, "text/plain; charset=utf-8", reason, headers);
  if (status > 500)
    return answerText(status, "text/html", `<html><h1>${status} ${reason}</h1></html>`, headers);
  return answerJson(status, { detail: reason }, headers);
}

function waitHeaders(retryAfter: string | undefined, now: () => Date): Record<string, string> {
  if (retryAfter === undefined || retryAfter === "absent") return {};
  const date = /^date([+-]\d+)?$/.exec(retryAfter);
  if (!date) return { "retry-after": retryAfter };
  return { "retry-after": new Date(now().getTime() + Number(date[1] ?? 0) * 1000).toUTCString() };
}

function answerWithBody(rule: FaultRule, page: Page): Answer | undefined {
  const text = JSON.stringify(page);
  switch (rule.kind) {
    case "html":
      return answerText(200, "text/html; charset=utf-8", HTML);
    case "empty":
      return answerText(200, "application/json", "");
    case "body":
      return answerText(rule.status ?? 200, rule.type ?? "application/json", rule.body ?? "");
    case "bom":
      return answerText(200, "application/json", `\uFEFF${text}`);
    case "latin1":
      return withLatin1(text);
    case "not-json":
      return answerText(
        200,
        "application/json",
        breakText(page, rule.record ?? Math.floor(page.items.length / 2)),
      );
    default:
      return undefined;
  }
}

/** A lone byte of Latin-1 within the first text of the first record. */
function withLatin1(text: string): Answer {
  const body = Buffer.from(text.replace(/:"/, ':"é'), "latin1");
  const headers = { "content-length": String(body.length), "content-type": "application/json" };
  return { status: 200, headers, body };
}

function breakText(page: Page, record: number): string {
  const before = page.items.slice(0, record).map((item) => `${JSON.stringify(item)},`);
  return `{"items":[${before.join("")}{"id": NaN, Traceback (most recent call last)`;
}

function bendEnvelope(rule: FaultRule, page: Page): unknown {
  switch (rule.kind) {
    case "error-object":
      return { error: { code: 500, message: "Internal error" } };
    case "array":
      return page.items;
    case "null-items":
      return { ...page, items: null };
    case "object-items":
      return { ...page, items: Object.fromEntries(page.items.entries()) };
    case "null-total":
      return { items: page.items, total: null, page: page.page, size: page.size };
    case "high-total":
      return { ...page, total: page.total + 150, pages: Math.ceil((page.total + 150) / page.size) };
    case "wrong-page":
      return { ...page, page: page.page + 1 };
    default:
      return undefined;
  }
}

function bendPage({ rule, random }: Strike, { request, records }: Scene, page: Page): Page {
  const { size, stream } = request;
  const isPastEnd = page.page > page.pages && page.pages > 0;
  switch (rule.kind) {
    case "broken":
      return { ...page, items: damageItems(page.items, { ...rule, stream, random }) };
    case "repeat":
      return { ...page, items: cutPage(records, { page: 1, size }).items };
    case "last-again":
      return isPastEnd ? { ...page, items: cutPage(records, { page: page.pages, size }).items } : page;
    case "endless":
      return makeEndless(page, { request, records });
    default:
      return page;
  }
}

/** Every page is full and says that there is one more. */
function makeEndless(page: Page, { request, records }: Omit<Scene, "now">): Page {
  const counts = { total: (page.page + 1) * page.size, pages: page.page + 1 };
  if (page.pages === 0) return { ...page, ...counts };
  const lap = Math.floor((page.page - 1) / page.pages);
  const { items } = cutPage(records, { page: ((page.page - 1) % page.pages) + 1, size: page.size });
  return { ...page, ...counts, items: lap === 0 ? items : renumberItems(items, request.stream, lap) };
}
