import { expect, onTestFinished, test } from "vitest";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { FORMS, type Form, type ListOptions, listSource, rowTexts, startListServer } from "./list-server.ts";
import { withWorld } from "./setup.ts";

const ALL = Object.keys(FORMS) as Form[];
const PAGED = ALL.filter((form) => form !== "single");

async function withList(
  form: Form,
  options: Partial<ListOptions> = {},
  changes: Partial<RestStreamDefinition> = {},
) {
  const server = await startListServer({ form, list: rowTexts(35), ...options });
  onTestFinished(() => server.stop());
  const world = await withWorld({ url: server.url, source: listSource(form, changes) });
  return { server, world };
}

test.each(ALL)("reads a whole list by %s, each record as it was sent", async (form) => {
  const { server, world } = await withList(form);
  const pages = form === "single" ? 1 : 4;
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", pages, counts: { received: 35 } });
  expect(await world.texts("tracks")).toEqual(server.list.toSorted());
  // The first page is asked for once more.
  expect(server.requests).toHaveLength(form === "single" ? 1 : 5);
});

test.each(ALL)("reads a whole list by %s that announces no total", async (form) => {
  const { server, world } = await withList(form, { isCounting: false });
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 35 } });
  expect(await world.texts("tracks")).toEqual(server.list.toSorted());
});

test.each(ALL)("takes an empty list by %s for empty", async (form) => {
  const { server, world } = await withList(form, { list: [] });
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 0 } });
  expect(server.requests).toHaveLength(1);
});

test.each(["page", "offset", "range"] as const)(
  "follows a server that gives fewer records by %s",
  async (form) => {
    const { server, world } = await withList(form, { most: 4 });
    expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", pages: 9, counts: { received: 35 } });
    expect(await world.texts("tracks")).toEqual(server.list.toSorted());
  },
);

test.each(["page", "offset", "range"] as const)(
  "reads pages by %s side by side when it knows the total",
  async (form) => {
    const { server, world } = await withList(form);
    let most = 0;
    const waiting: (() => void)[] = [];
    server.answer = (asked, response) => {
      if (server.requests.length !== 2 && server.requests.length !== 3) return false;
      waiting.push(() => response.destroy());
      most = Math.max(most, waiting.length);
      if (waiting.length === 2) for (const answer of waiting.splice(0)) answer();
      return asked !== undefined;
    };
    expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", retries: 2 });
    expect(most).toBe(2);
  },
);

test("sends a POST with the mark in its body, and everything else as it is defined", async () => {
  const { server, world } = await withList(
    "post",
    {},
    {
      params: { lang: "en", deep: true },
      headers: { "X-Client": "sillon" },
    },
  );
  await world.loadOne("tracks");
  expect(server.requests.map(({ body }) => JSON.parse(body).page.after)).toEqual([
    undefined,
    "10",
    "20",
    "30",
    undefined,
  ]);
  expect(JSON.parse(server.requests[1]?.body ?? "")).toEqual({
    filter: { genre: "jazz" },
    page: { size: 10, after: "10" },
  });
  expect(server.requests[1]).toMatchObject({
    method: "POST",
    headers: { "content-type": "application/json", "x-client": "sillon" },
  });
  expect(server.requests[1]?.url.search).toBe("?lang=en&deep=true");
});

test("gives a number back as it stood in the answer, however many digits it has", async () => {
  const big = "12345678901234567890";
  const { server, world } = await withList("cursor");
  server.answer = (asked, response) => {
    const isFirst = !asked.url.searchParams.has("after");
    response.end(`{"rows":[{"id":${isFirst ? 1 : 2}}],"meta":{"next":${isFirst ? big : null}}}`);
    return true;
  };
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 2 } });
  expect(server.requests[1]?.url.search).toBe(`?after=${big}`);
});

test("takes the answer itself for the list", async () => {
  const { server, world } = await withList("link", {}, { records: "" });
  server.answer = (_, response) => {
    response.setHeader("x-total", "2");
    response.end(' [ {"id": 1 } ,{"id":2}]\n');
    return true;
  };
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", pages: 1 });
  expect(await world.texts("tracks")).toEqual(['{"id": 1 }', '{"id":2}']);
});

test("takes everything from a server that does not know ranges", async () => {
  const { server, world } = await withList("range");
  server.answer = (_, response) => {
    response.end(`{"rows":[${server.list.join(",")}]}`);
    return true;
  };
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", pages: 1, counts: { received: 35 } });
});

test("says so when a range is not the one that was asked for", async () => {
  const { server, world } = await withList("range");
  server.answer = (_, response) => {
    response.writeHead(206, { "content-range": "items 0-9/35" });
    response.end(`{"rows":[${server.requests.map((_one, id) => `{"id":${id}}`).join(",")}]}`);
    return true;
  };
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "PAGE_WRONG",
    message: expect.stringMatching(
      /^moovitamix\.tracks, page \d: the answer says that it begins at 0, not at \d$/,
    ),
  });
});

test.each([
  ["items 0-9", "content-range"],
  [undefined, "without content-range"],
])("does not guess from the content-range %s", async (range, said) => {
  const { server, world } = await withList("range");
  server.answer = (_, response) => {
    response.writeHead(206, range === undefined ? {} : { "content-range": range }).end('{"rows":[]}');
    return true;
  };
  const { error } = await world.loadOne("tracks", { max_attempts: 2 });
  expect(error).toMatchObject({ code: "API_BODY_MALFORMED", hint: expect.stringContaining("unit") });
  expect(error?.message).toContain(said);
});

test.each(PAGED)("fails when fewer records come by %s than were announced", async (form) => {
  const { world } = await withList(form, { announced: 40 });
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "RECORDS_MISSING",
    message: "moovitamix.tracks: 35 of 40 announced records came",
  });
});

test.each(["http://127.0.0.2:1/tracks", "file:///etc/passwd", "//127.0.0.3/x"])(
  "does not follow a next link to %s",
  async (target) => {
    const { server, world } = await withList("next_url");
    server.answer = (_, response) => {
      response.end(`{"rows":[{"id":1}],"meta":{"url":"${target}"}}`);
      return true;
    };
    expect((await world.loadOne("tracks")).error).toMatchObject({
      code: "HOST_REFUSED",
      message: expect.stringMatching(/page 1: the address .* is refused$/),
    });
    expect(server.requests).toHaveLength(1);
  },
);
