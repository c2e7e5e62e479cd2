import { describe, expect, it } from "vitest";
import { EXIT } from "../../core/errors.ts";
import { startApi } from "../../moovitamix/server.ts";
import { fetchText } from "./client.ts";

const EMPTY = { users: 0, tracks: 0, plays: 0 };

describe("startApi", () => {
  it("says so when the port is taken", async () => {
    const api = await startApi(EMPTY);
    await expect(startApi({ ...EMPTY, port: api.port })).rejects.toMatchObject({
      code: "PORT_IN_USE",
      message: `port ${api.port} is in use`,
      hint: `stop what listens there, or choose another port: --port ${api.port + 1}`,
      exitCode: EXIT.environment,
    });
    await api.stop();
  });

  it("logs what was asked for", async () => {
    const api = await startApi({ ...EMPTY, now: () => new Date(5000) });
    for (const target of ["/users?page=3&size=7", "/tracks?size=0", "/nope?page=2"])
      await fetchText(api, target);
    expect(api.requests).toEqual([
      { path: "/users", page: 3, size: 7, at: 5000, status: 200 },
      { path: "/tracks", page: 0, size: 0, at: 5000, status: 422 },
      { path: "/nope", page: 0, size: 0, at: 5000, status: 404 },
    ]);
    await api.stop();
  });

  it("refuses what goes beyond the rate limit until the second is over", async () => {
    let nowMs = 1000;
    const api = await startApi({ ...EMPTY, rateLimit: 2, now: () => new Date(nowMs) });
    for (const ms of [1000, 1500, 1600, 1999, 2000, 2001, 2500]) {
      nowMs = ms;
      await fetchText(api, "/users");
    }
    expect(api.requests.map(({ status }) => status)).toEqual([200, 200, 429, 429, 200, 429, 200]);
    await api.stop();
  });

  it("says how long to wait when the rate limit is reached", async () => {
    const api = await startApi({ ...EMPTY, rateLimit: 0 });
    const response = await fetch(`${api.url}/tracks`);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await response.json()).toEqual({ detail: "Too Many Requests" });
    await api.stop();
  });

  it("stops although a client still waits for an answer, and only once", async () => {
    const api = await startApi({ ...EMPTY, faults: [{ kind: "stall", where: "headers" }] });
    const response = await fetch(`${api.url}/tracks`);
    await api.stop();
    await api.stop();
    await expect(response.text()).rejects.toThrow("terminated");
    await expect(fetch(api.url)).rejects.toThrow("fetch failed");
  });
});
