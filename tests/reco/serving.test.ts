import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import Sqlite from "libsql";
import { describe, expect, test } from "vitest";
import { openFeedback } from "../../reco/feedback/open.ts";
import { readAnswers, send, sendBytes, serve, tell, writeServingStore } from "./serving-files.ts";

const LIST = "/v1/users/u0/recommendations";

test("a list has its items with title, artist, score and why, and names its model", async () => {
  const { url } = await serve();
  const { status, headers, body } = await send(url, `${LIST}?k=2`);
  expect([status, body]).toEqual([
    200,
    {
      user_id: "u0",
      shelf: "discover",
      model_version: 1,
      fallback: false,
      items: [
        {
          rank: 1,
          track_id: "t0",
          title: "Title 0",
          artist: "Artist 0",
          score: 2,
          why: "because you play something",
        },
        {
          rank: 2,
          track_id: "t1",
          title: "Title 1",
          artist: "Artist 1",
          score: 1.975,
          why: "because you play something",
        },
      ],
    },
  ]);
  expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  const again = await send(url, `${LIST}?k=2`, { headers: { "if-none-match": String(headers.etag) } });
  expect([again.status, again.body]).toEqual([304, ""]);
});

test("a stranger gets what is popular, and is told so", async () => {
  const { url } = await serve();
  const { status, body } = await send(url, "/v1/users/nobody/recommendations?k=1");
  expect([status, body.fallback, body.items[0].track_id]).toEqual([200, true, "t30"]);
  expect((await send(url, "/v1/users/nobody/playlists")).body).toMatchObject({ fallback: true });
});

test("a list of a genre has that genre alone, and on repeat what was played", async () => {
  const { url } = await serve();
  const { body } = await send(url, `${LIST}?genre=Jazz&k=100`);
  expect(body.items.map(({ track_id }: { track_id: string }) => Number(track_id.slice(1)) % 2)).not.toContain(
    0,
  );
  expect(body.items.length).toBeGreaterThan(5);
  const repeat = await send(url, `${LIST}?shelf=on_repeat&k=1`);
  expect(repeat.body.items[0].track_id).toBe("t20");
});

test("playlists, similar tracks and why a track is recommended", async () => {
  const { url } = await serve();
  expect((await send(url, "/v1/users/u0/playlists")).body.playlists[0].items).toHaveLength(5);
  expect(
    (await send(url, "/v1/tracks/t3/similar?k=2")).body.items.map(
      (one: { track_id: string }) => one.track_id,
    ),
  ).toEqual(["t4", "t5"]);
  expect((await send(url, "/v1/users/u0/tracks/t1/why")).body).toMatchObject({
    recommended: true,
    reasons: [{ shelf: "discover", rank: 2, why: "because you play something" }],
  });
});

describe("what nobody can mean", () => {
  const json = { "content-type": "application/json", "idempotency-key": "k" };
  test.each<
    [
      string,
      string,
      { method?: string; headers?: Record<string, string>; body?: string },
      [number, string, string | null],
    ]
  >([
    ["k of 0", `${LIST}?k=0`, {}, [422, "REQUEST_INVALID", "k"]],
    ["k of 1e9", `${LIST}?k=1e9`, {}, [422, "REQUEST_INVALID", "k"]],
    ["k twice", `${LIST}?k=1&k=2`, {}, [400, "REQUEST_INVALID", "k"]],
    ["an unknown shelf", `${LIST}?shelf=top`, {}, [422, "REQUEST_INVALID", "shelf"]],
    ["an unknown parameter", `${LIST}?__proto__=1`, {}, [400, "REQUEST_INVALID", "__proto__"]],
    [
      "played tracks without played tracks",
      `${LIST}?shelf=on_repeat&exclude_seen=true`,
      {},
      [422, "REQUEST_INVALID", "exclude_seen"],
    ],
    ["an unknown genre", `${LIST}?genre=Rok`, {}, [422, "GENRE_UNKNOWN", "genre"]],
    [
      "an id of 200 characters",
      `/v1/users/${"u".repeat(200)}/recommendations`,
      {},
      [422, "REQUEST_INVALID", "id"],
    ],
    ["control characters in an id", "/v1/users/a%00b/recommendations", {}, [422, "REQUEST_INVALID", "id"]],
    ["an unknown track", "/v1/tracks/none/similar", {}, [404, "TRACK_UNKNOWN", "track_id"]],
    ["an unknown route", "/v1/user", {}, [404, "ROUTE_UNKNOWN", "path"]],
    ["an unknown method", LIST, { method: "PUT" }, [405, "METHOD_UNKNOWN", "method"]],
    ["a method that traces", LIST, { method: "TRACE" }, [405, "METHOD_UNKNOWN", "method"]],
    ["another machine's name", LIST, { headers: { host: "evil.example" } }, [403, "HOST_REFUSED", "host"]],
    [
      "another site's page",
      "/v1/feedback",
      { method: "POST", headers: { ...json, origin: "http://evil.example" } },
      [403, "ORIGIN_REFUSED", "origin"],
    ],
    [
      "a form",
      "/v1/feedback",
      { method: "POST", headers: { "content-type": "text/plain" } },
      [415, "TYPE_UNKNOWN", "content-type"],
    ],
    [
      "a compressed body",
      "/v1/feedback",
      { method: "POST", headers: { ...json, "content-encoding": "gzip" } },
      [415, "ENCODING_UNKNOWN", "content-encoding"],
    ],
    [
      "a large body",
      "/v1/feedback",
      { method: "POST", headers: json, body: " ".repeat(16_385) },
      [413, "BODY_TOO_LARGE", "body"],
    ],
    [
      "no JSON",
      "/v1/feedback",
      { method: "POST", headers: json, body: "{no" },
      [400, "BODY_UNREADABLE", "body"],
    ],
    [
      "10,000 levels",
      "/v1/feedback",
      { method: "POST", headers: json, body: "[".repeat(8000) + "]".repeat(8000) },
      [422, "REQUEST_INVALID", "body"],
    ],
    [
      "no key",
      "/v1/feedback",
      { method: "POST", headers: { "content-type": "application/json" }, body: "{}" },
      [400, "REQUEST_INVALID", "idempotency-key"],
    ],
  ])("%s is refused with the field named", async (_, path, options, wanted) => {
    const { url } = await serve();
    const { status, headers, body } = await send(url, path, options);
    expect([status, body.error.code, body.error.field]).toEqual(wanted);
    expect(body.error.hint).not.toBe("");
    expect(headers).toMatchObject({
      "content-security-policy": expect.stringContaining("frame-ancestors 'none'"),
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
      "content-type": "application/json; charset=utf-8",
    });
  });

  test.each([
    [
      "headers that never fit",
      `GET /v1/health?${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`,
      "431",
      "HEADERS_TOO_LARGE",
    ],
    ["no HTTP", "hello\r\n\r\n", "400", "REQUEST_UNREADABLE"],
    ["no Host header", "GET /v1/health HTTP/1.1\r\nConnection: close\r\n\r\n", "400", "REQUEST_INVALID"],
  ])("%s get an answer with all headers", async (_, bytes, status, code) => {
    const { url } = await serve();
    const text = await sendBytes(url, bytes);
    expect(text).toContain(`HTTP/1.1 ${status} `);
    expect(text).toContain(code);
    expect(text.toLowerCase()).toContain("x-content-type-options: nosniff");
  });

  test("a request that does not come to an end is closed, and others do not notice", async () => {
    const { url } = await serve();
    const slow = sendBytes(url, "GET /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
    expect((await send(url, LIST)).status).toBe(200);
    const text = await slow;
    expect(text).toContain("HTTP/1.1 408 ");
    expect(text).toContain("TOO_SLOW");
  }, 30_000);

  test("a connection on which nothing was sent is closed without a word", async () => {
    const { url } = await serve();
    expect(await sendBytes(url, "")).toBe("");
  }, 30_000);

  test.each([
    [{ kind: "love" }, "kind"],
    [{ kind: "listen" }, "listened_ms"],
    [{ kind: "like", listened_ms: -1 }, "listened_ms"],
    [{ kind: "like", position: 0 }, "position"],
  ])("feedback of %j names the field", async (part, field) => {
    const { url } = await serve();
    const { status, body } = await tell(url, { user_id: "u0", track_id: "t1", ...part });
    expect([status, body.error.field]).toEqual([422, field]);
  });
});

describe("feedback", () => {
  const event = { user_id: "u0", track_id: "t1", kind: "dislike" };

  test("is stored once, and another event with its key is refused", async () => {
    const { url, folder } = await serve();
    const sent = Array.from({ length: 5 }, () => tell(url, event, { key: "same" }));
    expect((await Promise.all(sent)).map(({ status }) => status)).toEqual([201, 201, 201, 201, 201]);
    const other = await tell(url, { ...event, kind: "like" }, { key: "same" });
    expect([other.status, other.body.error.code]).toEqual([409, "KEY_REUSED"]);
    const store = new Sqlite(join(folder, "feedback.db"));
    expect(store.prepare("select key, kind from feedback").all()).toMatchObject([
      { key: "same", kind: "dislike" },
    ]);
    store.close();
  });

  test("changes the next list at once", async () => {
    const { url } = await serve();
    const tracks = async () =>
      (await send(url, `${LIST}?k=5`)).body.items.map((one: { track_id: string }) => one.track_id);
    expect(await tracks()).toEqual(["t0", "t1", "t2", "t3", "t4"]);
    await tell(url, event);
    expect(await tracks()).not.toContain("t1");
    await tell(url, { ...event, track_id: "t30", kind: "like" });
    const liked = (await send(url, `${LIST}?k=20`)).body.items;
    expect(liked).toContainEqual(
      expect.objectContaining({ track_id: "t31", why: "because you like Title 30" }),
    );
    await tell(url, { ...event, kind: "like" });
    expect((await send(url, `${LIST}?shelf=on_repeat&k=1`)).body.items[0]).toMatchObject({
      track_id: "t1",
      why: "you like it",
    });
  });

  test("of an unknown track is a 404, and none is confirmed that could not be stored", async () => {
    const { url, folder } = await serve();
    expect((await tell(url, { ...event, track_id: "none" })).body.error.code).toBe("TRACK_UNKNOWN");
    renameSync(join(folder, "feedback.db"), join(folder, "elsewhere.db"));
    const lost = await tell(url, event);
    expect([lost.status, lost.body.error.code, lost.headers["retry-after"]]).toEqual([
      503,
      "FEEDBACK_UNWRITTEN",
      "1",
    ]);
    expect((await send(url, `${LIST}?k=1`)).status).toBe(200);
    expect((await send(url, "/v1/health")).body.problems.join()).toContain("the file was moved away");
  });

  test("is taken by a server that was started while another program held the store", async () => {
    const { folder, stop } = await serve();
    await stop();
    const holder = new Sqlite(join(folder, "feedback.db"));
    holder.exec("begin immediate");
    const { url } = await serve("{}", { folder, isEmpty: true });
    expect((await send(url, LIST)).status).toBe(200);
    holder.exec("rollback");
    holder.close();
    expect((await tell(url, { user_id: "u0", track_id: "t1", kind: "like" })).status).toBe(201);
  });

  test("whose file was moved away without its log is no reason to make a new one", async () => {
    const { folder, url } = await serve();
    const file = join(folder, "feedback.db");
    await tell(url, { user_id: "u0", track_id: "t1", kind: "like" });
    renameSync(file, `${file}.away`);
    expect(() => openFeedback(file)).toThrow("the file is gone, and feedback.db-wal beside it");
    renameSync(`${file}.away`, file);
    expect((await tell(url, { user_id: "u0", track_id: "t2", kind: "like" })).status).toBe(201);
  });

  test("and every answer that was given are in the store when the server has stopped", async () => {
    const { url, folder, stop } = await serve();
    const { headers } = await send(url, `${LIST}?k=3`);
    await send(url, `${LIST}?k=3`);
    await stop();
    expect(readAnswers(folder)).toMatchObject([
      {
        request_id: headers["x-request-id"],
        user_id: "u0",
        shelf: "discover",
        model_version: 1,
        propensity: 1,
        is_fallback: 0,
        tracks: ["t0", "t1", "t2"],
      },
      { user_id: "u0" },
    ]);
  });
});

test("a user who was erased is a stranger of whom nothing is left", async () => {
  const { url, folder, serving, stop } = await serve();
  await tell(url, { user_id: "u0", track_id: "t1", kind: "like" });
  await send(url, LIST);
  expect((await send(url, "/v1/users/u0", { method: "DELETE" })).body).toEqual({ erased: true });
  expect((await send(url, LIST)).body.fallback).toBe(true);
  const refused = await tell(url, { user_id: "u0", track_id: "t1", kind: "like" });
  expect([refused.status, refused.body.error.code]).toEqual([404, "USER_ERASED"]);
  expect((await send(url, "/v1/users/u1/recommendations")).body.fallback).toBe(false);
  await stop();
  const files = [join(folder, "feedback.db"), ...readdirSync(serving).map((name) => join(serving, name))];
  expect(files.filter((file) => /(^|[^a-z])u0([^0-9]|$)/.test(readFileSync(file, "latin1")))).toEqual([]);
});

describe("a version of the lists", () => {
  const version = async (url: string) => (await send(url, LIST)).body.model_version;

  test("is taken over without a failed request", async () => {
    const { url, serving, recommender } = await serve();
    for (let number = 2; number < 6; number++) {
      writeServingStore(serving, { name: `n${number}`, version: number });
      const replies = await Promise.all([send(url, LIST), recommender.refresh(), send(url, LIST)]);
      expect(replies.map((reply) => (reply as { status?: number } | undefined)?.status ?? 200)).toEqual([
        200, 200, 200,
      ]);
      await recommender.refresh();
      expect(await version(url)).toBe(number);
    }
  });

  test.each<[string, (file: string) => void, string]>([
    ["cut", (file) => writeFileSync(file, readFileSync(file).subarray(0, 9000)), "its checksum is"],
    ["changed in one byte", (file) => writeFileSync(file, flipped(readFileSync(file))), "its checksum is"],
    ["empty", (file) => writeFileSync(file, ""), "its checksum is"],
    ["missing", (file) => renameSync(file, `${file}.gone`), "the file is missing"],
  ])("that is %s is refused, the former one goes on, and health says why", async (_, damage, why) => {
    const { url, serving, recommender } = await serve();
    const file = writeServingStore(join(serving, "aside"), { name: "z", version: 2 });
    const place = join(serving, file.split("/").at(-1) ?? "");
    renameSync(file, place);
    damage(place);
    renameSync(join(serving, "aside", "current.json"), join(serving, "current.json"));
    await recommender.refresh();
    expect(await version(url)).toBe(1);
    const { body } = await send(url, "/v1/health");
    expect(body).toMatchObject({ ready: true, model_version: 1 });
    expect(body.problems[0]).toContain(why);
    expect(body.problems[0]).not.toContain(serving);
  });

  test.each<[string, Parameters<typeof writeServingStore>[1], string]>([
    ["an older format", { name: "z", version: 2, meta: { format: 0 } }, "format"],
    ["fewer lists than it says", { name: "z", version: 2, meta: { users: 7 } }, "lists of 7 users"],
    [
      "scores that are no numbers",
      {
        name: "z",
        version: 2,
        spoil: (store) => store.exec("update lists set items = replace(items, '1.975', 'null')"),
      },
      "finite score",
    ],
    [
      "no list for strangers",
      { name: "z", version: 2, spoil: (store) => store.exec("delete from fallbacks") },
      "no list for strangers",
    ],
  ])("with %s is refused", async (_, store, why) => {
    const { url, serving, recommender } = await serve();
    writeServingStore(serving, store);
    await recommender.refresh();
    expect(await version(url)).toBe(1);
    expect((await send(url, "/v1/health")).body.problems[0]).toContain(why);
  });

  test("is missing at first: 503 until there is one", async () => {
    const { url, serving, recommender } = await serve("{}", { isEmpty: true });
    const early = await send(url, LIST);
    expect([early.status, early.body.error.code, early.headers["retry-after"]]).toEqual([
      503,
      "NOT_READY",
      "5",
    ]);
    expect((await send(url, "/v1/health")).status).toBe(503);
    writeServingStore(serving, { name: "a", version: 1 });
    await recommender.refresh();
    expect(await version(url)).toBe(1);
  });

  test("of a challenger is served to its share of the users, always the same ones", async () => {
    const { url, serving, recommender, stop, folder } = await serve("{serving: {challenger_share: 0.5}}");
    writeServingStore(serving, { name: "c", version: 2, alias: "challenger" });
    await recommender.refresh();
    const versions = async () =>
      Promise.all(
        Array.from(
          { length: 40 },
          async (_, user) => (await send(url, `/v1/users/x${user}/recommendations`)).body.model_version,
        ),
      );
    const first = await versions();
    expect(new Set(first)).toEqual(new Set([1, 2]));
    expect(await versions()).toEqual(first);
    await stop();
    const arms = readAnswers(folder).map(({ arm, propensity }) => `${arm} ${propensity}`);
    expect(new Set(arms)).toEqual(new Set(["challenger 0.5", "champion 0.5"]));
  });
});

function flipped(bytes: Buffer): Buffer {
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  return bytes;
}

describe("who may call", () => {
  const TOKEN = "a-token-of-some-length";
  const READ = "another-token-to-read";
  const event = { user_id: "u0", track_id: "t1", kind: "like" };
  test.each<[string, string | undefined, [number, number]]>([
    ["no token", undefined, [401, 401]],
    ["a wrong token", "wrong-wrong-wrong", [401, 401]],
    ["the token to read", READ, [200, 403]],
    ["the token", TOKEN, [200, 201]],
  ])("with %s", async (_, token, wanted) => {
    const { url } = await serve("{}", { access: { token: TOKEN, readToken: READ } });
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const [read, written] = [await send(url, LIST, { headers }), await tell(url, event, { headers })];
    expect([read.status, written.status]).toEqual(wanted);
    if (token === READ) expect(written.body.error.code).toBe("TOKEN_READS");
    expect((await send(url, "/v1/health")).status).toBe(200);
  });

  test("ten wrong tokens a minute, and then a wait", async () => {
    const { url } = await serve("{}", { access: { token: TOKEN } });
    const call = (token: string) => send(url, LIST, { headers: { authorization: `Bearer ${token}` } });
    for (let attempt = 0; attempt < 10; attempt++) expect((await call(`wrong-${attempt}`)).status).toBe(401);
    const last = await call("wrong-again");
    expect([last.status, last.body.error.code]).toEqual([429, "TOO_MANY_TOKENS"]);
    expect((await call(TOKEN)).status).toBe(200);
  });

  test("more requests than allowed wait", async () => {
    let now = 0;
    const { url } = await serve("{}", { access: { requestsPerSecond: 1, now: () => now } });
    const statuses = [];
    for (let attempt = 0; attempt < 3; attempt++) statuses.push((await send(url, LIST)).status);
    expect(statuses).toEqual([200, 200, 429]);
    expect((await send(url, LIST)).body.error.code).toBe("TOO_MANY_REQUESTS");
    now = 1500;
    expect((await send(url, LIST)).status).toBe(200);
  });
});

test("the routes that answer are those of the OpenAPI document, and its page has no scripts", async () => {
  const { url } = await serve();
  const { body } = await send(url, "/v1/openapi.json");
  const validator = new Validator();
  expect(await validator.validate(body)).toMatchObject({ valid: true });
  expect([validator.version, body.openapi]).toEqual(["3.1", "3.1.0"]);
  expect(
    Object.entries(body.paths)
      .flatMap(([path, methods]) => Object.keys(methods as object).map((one) => `${one} ${path}`))
      .sort(),
  ).toEqual([
    "delete /v1/users/{id}",
    "get /v1/health",
    "get /v1/tracks/{id}/similar",
    "get /v1/users/{id}/playlists",
    "get /v1/users/{id}/recommendations",
    "get /v1/users/{id}/tracks/{track_id}/why",
    "post /v1/feedback",
  ]);
  const page = await send(url, "/v1/docs");
  expect(page.body).toContain("/v1/users/{id}/recommendations");
  expect(page.body).not.toMatch(/<script|https?:\/\//);
  expect(page.headers["content-security-policy"]).toMatch(/style-src 'sha256-/);
});
