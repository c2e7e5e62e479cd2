import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { FaultRule } from "../../moovitamix/faults.ts";
import { type Api, startApi } from "../../moovitamix/server.ts";
import { fetchPage, fetchText, type PageText } from "./client.ts";

let api: Api;
let honest: PageText;
let honestText: string;
beforeAll(async () => {
  api = await startApi({ users: 20, tracks: 250, plays: 100 });
  honestText = await fetchText(api, "/tracks?page=2");
  honest = JSON.parse(honestText);
});
afterAll(() => api.stop());
afterEach(() => {
  api.faults = [];
});

function ask(rule: FaultRule, target = "/tracks?page=2"): Promise<Response> {
  api.faults = [rule];
  return fetch(`${api.url}${target}`);
}

async function askPage(rule: FaultRule, target = "/tracks?page=2"): Promise<PageText> {
  return (await ask(rule, target)).json() as Promise<PageText>;
}

describe("a wrong body", () => {
  it.each<[FaultRule, (text: string) => boolean]>([
    [{ kind: "html" }, (text) => text.startsWith("<!DOCTYPE html>")],
    [{ kind: "empty" }, (text) => text === ""],
    [{ kind: "error-object" }, (text) => text.startsWith('{"error":')],
    [
      { kind: "not-json", record: 3 },
      (text) => text.split('"duration"').length === 4 && text.includes("NaN"),
    ],
    [{ kind: "array" }, (text) => text.startsWith('[{"id":')],
    [{ kind: "body", body: "{}" }, (text) => text === "{}"],
  ])("%o comes with status 200", async (rule, isMeant) => {
    const response = await ask(rule);
    expect(response.status).toBe(200);
    expect(await response.text()).toSatisfy(isMeant);
  });

  it("no-content has status 204", async () => {
    expect((await ask({ kind: "no-content" })).status).toBe(204);
  });

  it("bom puts a byte order mark before the JSON", async () => {
    const bytes = Buffer.from(await (await ask({ kind: "bom" })).arrayBuffer());
    expect(bytes.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
    expect(bytes.subarray(3).toString()).toBe(honestText);
  });

  it("latin1 is not UTF-8", async () => {
    const bytes = await (await ask({ kind: "latin1" })).arrayBuffer();
    expect(() => new TextDecoder("utf-8", { fatal: true }).decode(bytes)).toThrow();
  });
});

describe("a wrong envelope", () => {
  it.each<[FaultRule, object]>([
    [{ kind: "null-items" }, { items: null, total: 250 }],
    [{ kind: "object-items" }, { items: { "0": { id: expect.any(Number) } } }],
    [{ kind: "null-total" }, { total: null, page: 2, size: 100 }],
    [{ kind: "high-total" }, { total: 400, pages: 4 }],
    [{ kind: "wrong-page" }, { page: 3 }],
  ])("%o changes what it says", async (rule, expected) => {
    expect(await askPage(rule)).toMatchObject(expected);
  });

  it("null-total leaves the pages out", async () => {
    expect(await askPage({ kind: "null-total" })).not.toHaveProperty("pages");
  });

  it("repeat gives the first page whatever is asked", async () => {
    const { items } = await fetchPage(api, "/tracks");
    expect(await askPage({ kind: "repeat" }, "/tracks?page=3")).toMatchObject({ page: 3, items });
    expect(await askPage({ kind: "repeat" }, "/tracks?page=9")).toMatchObject({ page: 9, items });
  });

  it("last-again gives the last page past the end and true pages before it", async () => {
    const { items } = await fetchPage(api, "/tracks?page=3");
    expect(await askPage({ kind: "last-again" }, "/tracks?page=9")).toMatchObject({ page: 9, items });
    expect(await askPage({ kind: "last-again" })).toEqual(honest);
  });

  it("endless gives new records on every page and always one page more", async () => {
    const pages = [2, 5, 8].map((page) => askPage({ kind: "endless" }, `/tracks?page=${page}`));
    const ids = (await Promise.all(pages)).flatMap(({ items }) => items.map(({ id }) => id));
    expect(new Set(ids).size).toBe(300);
    expect(await askPage({ kind: "endless" }, "/tracks?page=8")).toMatchObject({ page: 8, pages: 9 });
  });
});

describe("a broken record", () => {
  it.each([
    ["type", (record) => ({ ...record, name: 7 })],
    ["missing", ({ name: _, ...rest }) => rest],
    ["null-key", (record) => ({ ...record, id: null })],
    ["scalar", () => 42],
    ["extra", (record) => ({ ...record, rating: 5 })],
    ["renamed", ({ name, ...rest }) => ({ ...rest, title: name })],
  ] as [FaultRule["damage"], (record: Record<string, unknown>) => unknown][])(
    "has the damage %s and leaves the others whole",
    async (damage, expected) => {
      const { items } = await askPage({ kind: "broken", record: 4, damage: damage ?? "type" });
      expect(items.splice(4, 1)).toEqual([expected({ ...honest.items[4] })]);
      expect(items).toEqual(honest.items.toSpliced(4, 1));
    },
  );

  it("differs from the stored one, which stays as it is", async () => {
    const stored = structuredClone(api.data);
    const { items } = await askPage({ kind: "broken" });
    expect(
      items.filter((item, index) => JSON.stringify(item) !== JSON.stringify(honest.items[index])),
    ).toHaveLength(1);
    expect(api.data).toEqual(stored);
  });
});
