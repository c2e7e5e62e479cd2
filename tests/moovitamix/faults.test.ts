import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FaultRule } from "../../moovitamix/faults.ts";
import { type Api, startApi } from "../../moovitamix/server.ts";
import { fetchText } from "./client.ts";

const NOW = new Date("2026-11-05T10:00:00Z");

let api: Api;
let honestText: string;
beforeAll(async () => {
  api = await startApi({ users: 20, tracks: 250, plays: 100, now: () => NOW });
  honestText = await fetchText(api, "/tracks?page=2");
});
afterAll(() => api.stop());
beforeEach(() => {
  api.faults = [];
  api.requests.length = 0;
});

function ask(rule: FaultRule): Promise<Response> {
  api.faults = [rule];
  return fetch(`${api.url}/tracks?page=2`);
}

describe("a fault by status", () => {
  it.each([
    [undefined, "1"],
    ["2", "2"],
    ["0", "0"],
    ["-1", "-1"],
    ["soon", "soon"],
    ["86400", "86400"],
    ["absent", null],
    ["date", "Thu, 05 Nov 2026 10:00:00 GMT"],
    ["date+90", "Thu, 05 Nov 2026 10:01:30 GMT"],
    ["date-5", "Thu, 05 Nov 2026 09:59:55 GMT"],
  ])("429 with Retry-After %s sends %s", async (retryAfter, expected) => {
    const response = await ask(retryAfter === undefined ? { kind: "429" } : { kind: "429", retryAfter });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, expected]);
    expect(await response.json()).toEqual({ detail: "Too Many Requests" });
  });

  it("5xx is 500, 502 or 503, or the one that was asked for", async () => {
    const statuses = new Set<number>();
    for (let round = 0; round < 30; round++) statuses.add((await ask({ kind: "5xx" })).status);
    expect([...statuses].sort()).toEqual([500, 502, 503]);
    expect((await ask({ kind: "5xx", status: 504 })).status).toBe(504);
  });

  it.each([401, 403, 404, 410])("status %i comes with a reason", async (status) => {
    const response = await ask({ kind: "status", status });
    expect(response.status).toBe(status);
    expect(await response.json()).toHaveProperty("detail");
  });
});

describe("a fault on the way", () => {
  it("reset breaks the connection before any answer", async () => {
    await expect(ask({ kind: "reset" })).rejects.toThrow("fetch failed");
    expect(api.requests).toMatchObject([{ path: "/tracks", page: 2, size: 100, status: 0, fault: "reset" }]);
  });

  it("reset within the body spoils the body", async () => {
    const response = ask({ kind: "reset", at: "random" }).then((answer) => answer.text());
    await expect(response).rejects.toThrow();
  });

  it.each([0, 0.3, 1])("cut with a length at %d holds back bytes", async (at) => {
    const response = await ask({ kind: "cut", at });
    expect(response.headers.get("content-length")).toBe(String(Buffer.byteLength(honestText)));
    await expect(response.text()).rejects.toThrow("terminated");
  });

  it("cut in chunks ends without the last chunk", async () => {
    const response = await ask({ kind: "cut", framing: "chunked", bytes: 40 });
    expect(response.headers.get("transfer-encoding")).toBe("chunked");
    await expect(response.text()).rejects.toThrow("terminated");
  });

  it("cut of a gzip stream has the length of what was sent", async () => {
    const response = await ask({ kind: "cut", framing: "gzip", at: 0.9 });
    expect(response.headers.get("content-encoding")).toBe("gzip");
    const length = Number(response.headers.get("content-length"));
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(Buffer.byteLength(honestText));
    await response.text().catch(() => "some clients notice");
  });

  it("stall at the start sends nothing", async () => {
    api.faults = [{ kind: "stall" }];
    const patience = new AbortController();
    const response = fetch(`${api.url}/users`, { signal: patience.signal });
    await expect.poll(() => api.requests).toMatchObject([{ path: "/users", status: 0, fault: "stall" }]);
    patience.abort();
    await expect(response).rejects.toThrow("aborted");
  });

  it.each([
    ["headers", 0],
    ["body", 0.6],
    ["drip", 0],
  ] as const)("stall in %s sends the headers and a part of the body", async (where, share) => {
    const response = await ask({ kind: "stall", where, ms: 20 });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const enough = where === "headers" ? 0 : Math.max(3, Math.floor(share * Buffer.byteLength(honestText)));
    let received = 0;
    while (received < enough) received += (await reader.read()).value?.length ?? 0;
    expect(received).toBe(enough);
    await reader.cancel();
  });

  it("delay gives the right answer in the end", async () => {
    expect(await (await ask({ kind: "delay", ms: 5 })).text()).toBe(honestText);
  });
});

describe("a rule", () => {
  const statuses = async (targets: string[]) => {
    const seen: number[] = [];
    for (const target of targets) seen.push((await fetch(`${api.url}${target}`)).status);
    return seen;
  };

  it("strikes only its stream and its page", async () => {
    api.faults = [{ kind: "429", stream: "tracks", page: 2 }];
    expect(await statuses(["/tracks?page=2", "/tracks", "/users?page=2"])).toEqual([429, 200, 200]);
  });

  it("strikes as often as it may, after as many requests as it lets through", async () => {
    api.faults = [{ kind: "status", status: 401, times: 2, after: 1 }];
    expect(await statuses(["/users", "/users", "/tracks", "/users"])).toEqual([200, 401, 401, 200]);
  });

  it("gives way to the next rule when it is used up", async () => {
    api.faults = [
      { kind: "429", times: 1 },
      { kind: "status", status: 403 },
    ];
    expect(await statuses(["/users", "/users"])).toEqual([429, 403]);
  });

  it("leaves refused calls and documents alone", async () => {
    api.faults = [{ kind: "5xx" }];
    expect(await statuses(["/tracks?page=0", "/openapi.json", "/nope"])).toEqual([422, 200, 404]);
  });

  it("strikes with its probability, the same attempts for the same seed", async () => {
    const faults: FaultRule[] = [{ kind: "429", probability: 0.3 }];
    const runs: number[][] = [];
    for (let run = 0; run < 2; run++) {
      const other = await startApi({
        users: 1,
        tracks: 1,
        plays: 0,
        seed: 5,
        faults: structuredClone(faults),
      });
      for (let round = 0; round < 100; round++) await fetchText(other, "/users");
      runs.push(other.requests.map(({ status }) => status));
      await other.stop();
    }
    expect(runs[1]).toEqual(runs[0]);
    const struck = runs[0]?.filter((status) => status === 429).length ?? 0;
    expect(struck).toBeGreaterThan(15);
    expect(struck).toBeLessThan(45);
  });
});
