import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Api, startApi } from "../../moovitamix/server.ts";
import type { Catalogue } from "../../moovitamix/world/records.ts";

interface CapturedAnswer {
  method: string;
  target: string;
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** What the real FastAPI service answered to the same calls, with the same records. */
const captured: { data: Catalogue; answers: CapturedAnswer[]; openapi: object } = JSON.parse(
  readFileSync(new URL("./fastapi-answers.json", import.meta.url), "utf8"),
);

let api: Api;
beforeAll(async () => {
  api = await startApi({ users: 0, tracks: 0, plays: 0 });
  Object.assign(api.data, captured.data);
});
afterAll(() => api.stop());

/** Without fetch, which would change the host, follow redirects and tidy up odd targets. */
async function call(method: string, target: string): Promise<CapturedAnswer> {
  const headers = { host: "moovitamix.test", connection: "keep-alive" };
  const outgoing = request({ host: "127.0.0.1", port: api.port, path: target, method, headers });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve).once("error", reject).end();
  });
  const received = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
  return {
    method,
    target,
    status: response.statusCode ?? 0,
    headers: Object.fromEntries(received),
    body: await text(response),
  };
}

describe("the stand-in answers as the FastAPI service does", () => {
  it.each(captured.answers.map((answer) => [answer.method, answer.target, answer] as const))(
    "%s %s",
    async (method, target, expected) => {
      const actual = await call(method, target);
      expect(actual.headers.date).toMatch(/^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/);
      delete actual.headers.date;
      if (!("content-length" in expected.headers)) {
        // The text of the documents differs; their status and type do not.
        actual.body = "";
        delete actual.headers["content-length"];
      }
      expect(actual).toEqual(expected);
    },
  );

  it("GET /openapi.json", async () => {
    const response = await fetch(`${api.url}/openapi.json`);
    expect(await response.json()).toEqual(captured.openapi);
  });

  it("GET /docs names the three endpoints", async () => {
    const page = await (await fetch(api.url)).text();
    expect(page.match(/href="\/(tracks|users|listen_history)"/g)).toHaveLength(3);
  });
});
