import { Readable } from "node:stream";
import { type Dispatcher, request as send } from "undici";

/** Statuses whose answer has no body. */
const BODILESS = new Set([204, 205, 304]);

/**
 * fetch for ky that connects as the dispatcher allows, follows no redirect and hands over the body as it was sent: the standard one takes a
 * compressed body that breaks off for a whole one.
 */
export async function rawFetch(
  dispatcher: Dispatcher,
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  const request = new Request(input, init);
  const headers: Record<string, string> = {};
  request.headers.forEach((value, name) => {
    headers[name] = value;
  });
  const answer = await send(request.url, {
    dispatcher,
    method: request.method as Dispatcher.HttpMethod,
    headers,
    body: request.body === null ? null : Buffer.from(await request.arrayBuffer()),
    signal: request.signal,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  if (BODILESS.has(answer.statusCode)) await answer.body.dump();
  // The types of Node's and of the standard's streams differ in name only.
  const body = BODILESS.has(answer.statusCode) ? null : (Readable.toWeb(answer.body) as ReadableStream);
  return new Response(body, {
    status: answer.statusCode,
    headers: headersOf(answer.headers),
  });
}

function headersOf(received: Record<string, string | string[] | undefined>): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    for (const one of [value ?? []].flat()) headers.append(name, one);
  }
  return headers;
}
