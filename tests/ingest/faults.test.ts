import v8 from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, onTestFinished, test } from "vitest";
import { type FaultRule, parseFaults } from "../../moovitamix/faults.ts";
import { sendBody, sendPage, trackTexts } from "./scripted-api.ts";
import { withApi, withScript, withWorld } from "./setup.ts";

const QUICK = { idle_timeout_seconds: 0.4, timeout_seconds: 1 };

test.each([
  "5xx@tracks/2x5",
  "status(status=408)@tracks/1x2",
  "reset@tracks/2x3",
  "reset(at=0.5)@tracks/3x3",
  "cut(framing=length,at=0.4)@tracks/2x3",
  "cut(framing=chunked,at=0.4)@tracks/2x3",
  "cut(framing=gzip,at=0.4)@tracks/2x3",
  "html@tracks/2x3",
  "not-json(record=3)@tracks/2x3",
  "empty@tracks/1x3",
  "no-content@tracks/2x3",
  "error-object@tracks/2x3",
  "latin1@tracks/2x1",
  "array@tracks/2x3",
  "null-items@tracks/2x3",
  "object-items@tracks/2x3",
  "bom@tracks",
])("gets the whole list in spite of %s", async (text) => {
  const faults = parseFaults(text);
  const { api, world } = await withApi({ faults });
  const result = await world.loadOne("tracks");
  expect(result).toMatchObject({ status: "ok", error: null, retries: faults[0]?.times ?? 0 });
  expect(await world.texts("tracks")).toEqual(api.data.tracks.map((one) => JSON.stringify(one)).sort());
});

test.each([
  "stall(where=start)@tracks/2x1",
  "stall(where=headers)@tracks/2x1",
  "stall(where=body)@tracks/2x1",
  "stall(where=drip,ms=100)@tracks/2x1",
])("gets the whole list in spite of %s", async (text) => {
  const { api, world } = await withApi({ faults: parseFaults(text) });
  const result = await world.loadOne("tracks", QUICK);
  expect(result.status).toBe("ok");
  expect(result.retries).toBeGreaterThanOrEqual(1);
  expect(await world.texts("tracks")).toEqual(api.data.tracks.map((one) => JSON.stringify(one)).sort());
});

/** The message, and a part of `why`, of a fault that never ends. */
const LASTING: [string, string, RegExp, RegExp][] = [
  [
    "5xx(status=503)@tracks/2",
    "API_FAILING",
    /page 2: the server answered 503 Service Unavailable/,
    /tried 6 times in 15.5 s/,
  ],
  [
    "cut(framing=length,bytes=4000)@tracks/2",
    "API_BODY_CUT",
    /page 2: the answer broke off after 4000 of \d+ bytes/,
    /tried 6/,
  ],
  [
    "html@tracks/2",
    "API_BODY_MALFORMED",
    /page 2: the answer is not JSON/,
    /at character 0 of \d+; there it reads "<!/i,
  ],
  [
    "not-json(record=3)@tracks/2",
    "API_BODY_MALFORMED",
    /page 2: the answer is not JSON/,
    /at character \d{3} of/,
  ],
  ["empty@tracks/2", "API_BODY_MALFORMED", /page 2: the answer is empty/, /tried 6/],
  ["no-content@tracks/2", "API_BODY_MALFORMED", /page 2: the server answered 204 No Content/, /tried 6/],
  ["latin1@tracks/2", "API_BODY_MALFORMED", /page 2: the answer is not UTF-8/, /at character \d+/],
  [
    "null-items@tracks/2",
    "API_BODY_MALFORMED",
    /page 2: the answer is not a page: "items": expected array, received null/,
    /tried 6/,
  ],
  [
    "array@tracks/2",
    "API_BODY_MALFORMED",
    /page 2: the answer is not a page: expected object, received array/,
    /tried 6/,
  ],
  [
    "error-object@tracks/2",
    "API_BODY_MALFORMED",
    /page 2: the answer is not a page: "items"/,
    /there it reads/,
  ],
  ["401@tracks", "API_UNAUTHORIZED", /page 1: the server answered 401/, /the answer begins/],
  ["403@tracks", "API_FORBIDDEN", /page 1: the server answered 403/, /the answer begins/],
  ["404@tracks", "API_NOT_FOUND", /page 1: the server answered 404/, /the answer begins/],
  ["status(status=422)@tracks", "API_REFUSED", /page 1: the server answered 422/, /the answer begins/],
  [
    "high-total@tracks",
    "RECORDS_MISSING",
    /250 of 400 announced records came/,
    /nothing of this stream was changed/,
  ],
  [
    "wrong-page@tracks/2",
    "PAGE_WRONG",
    /page 2: the answer says that it is page/,
    /landed twice or not at all/,
  ],
  ["repeat@tracks", "PAGE_REPEATED", /page \d: it holds the same records as page \d/, /has no end/],
];

test.each(LASTING)(
  "fails after its attempts, with place and reason: %s",
  async (text, code, message, why) => {
    const { api, world } = await withApi({ faults: parseFaults(text) });
    const { status, error, counts } = await world.loadOne("tracks");
    expect({ status, code: error?.code, exitCode: error?.exitCode }).toEqual({
      status: "failed",
      code,
      exitCode: 1,
    });
    expect(error?.message).toMatch(/^moovitamix\.tracks/);
    expect(error?.message).toMatch(message);
    expect(error?.why.join("\n")).toMatch(why);
    expect(error?.where).toMatch(new RegExp(`^${api.url}/tracks\\?page=\\d&size=100$`));
    expect(error?.hint).toMatch(/\w+/);
    expect(counts.received).toBe(0);
  },
);

test.each([
  ["stall(where=start)@tracks", "the answer sent no byte for 0.4 s", /idle_timeout_seconds/],
  ["stall(where=body)@tracks", "the answer sent no byte for 0.4 s", /idle_timeout_seconds/],
  ["stall(where=drip,ms=50)@tracks", "the answer was not complete after 1 s", /ingest: timeout_seconds/],
])("names the limit that ran out and its setting: %s", async (text, message, hint) => {
  const { world } = await withApi({ faults: parseFaults(text) });
  const { error } = await world.loadOne("tracks", { ...QUICK, max_attempts: 2 });
  expect(error?.message).toContain(message);
  expect(error?.hint).toMatch(hint);
});

test.each(["headers", "body", "drip"])(
  "keeps its limits while memory is tidied up: stall in %s",
  async (where) => {
    v8.setFlagsFromString("--expose-gc");
    const timer = setInterval(runInNewContext("gc"), 100);
    onTestFinished(() => clearInterval(timer));
    const { world } = await withApi({ faults: parseFaults(`stall(where=${where},ms=200)@tracks/2`) });
    const { error } = await world.loadOne("tracks", { ...QUICK, max_attempts: 2 });
    expect(error).toMatchObject({ code: "API_TIMEOUT", exitCode: 1 });
  },
);

test("waits longer before each attempt", async () => {
  const { world } = await withApi({ faults: parseFaults("html@tracks/1") });
  await world.loadOne("tracks");
  expect(world.sleeps).toEqual([500, 1000, 2000, 4000, 8000]);
});

test("gives up on a refused connection within 30 s, saying what to start or set", async () => {
  const { api, world } = await withScript(() => {});
  await api.stop();
  const { error } = await world.loadOne("tracks");
  expect(world.sleeps.reduce((sum, ms) => sum + ms)).toBeLessThan(30_000);
  expect(error?.message).toBe("moovitamix.tracks, page 1: the connection was refused");
  expect(error?.hint).toBe(
    "start the service, or set MOOVITAMIX_URL to its address; npx run api is a stand-in for Moovitamix",
  );
});

test("does not repeat what cannot go better", async () => {
  const { api, world } = await withApi({ faults: parseFaults("404@tracks") });
  await world.loadOne("tracks");
  expect(api.requests).toHaveLength(1);
});

test("refuses a body beyond the limit, naming the setting", async () => {
  const { api, world } = await withScript((visit) => sendPage(visit, trackTexts(100)));
  const { error } = await world.loadOne("tracks", { max_body_mb: 0.001 });
  expect(error).toMatchObject({ code: "API_BODY_TOO_LARGE", hint: expect.stringContaining("max_body_mb") });
  expect(api.requests).toHaveLength(1);
});

test("follows redirects within the same host and no others", async () => {
  const { world } = await withScript((visit) => {
    if (visit.stream === "users")
      return visit.response.writeHead(307, { location: "http://example.com/x" }).end();
    if (visit.request.url?.startsWith("/tracks")) {
      return visit.response
        .writeHead(307, { location: `/moved?page=${visit.page}&size=${visit.size}` })
        .end();
    }
    sendPage(visit, visit.stream === "moved" ? trackTexts(120) : []);
  });
  const [tracks, users] = await world.load();
  expect(tracks).toMatchObject({ status: "ok", counts: { new: 120 } });
  expect(users?.error).toMatchObject({
    code: "HOST_REFUSED",
    message: expect.stringContaining("http://example.com"),
    hint: expect.stringContaining("allowed_hosts"),
  });
});

test.each([
  ["/tracks?page=1", "more than 3 redirects"],
  ["http://", "a redirect to an address that cannot be read"],
])("gives up on a redirect to %s", async (location, what) => {
  const { world } = await withScript((visit) => visit.response.writeHead(302, { location }).end());
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "API_REDIRECTED",
    message: expect.stringContaining(what),
    hint: "give the address that the service really has",
  });
});

test("lands the other streams when one fails, and keeps its former version", async () => {
  const { api, world } = await withApi();
  await world.load();
  const before = await world.texts("users");
  api.faults = parseFaults("5xx@users/2");
  const texts: FaultRule[] = api.faults;
  api.data.users.splice(0, 10);
  const results = await world.load();
  expect(texts).toHaveLength(1);
  expect(results.map((result) => result.status)).toEqual(["ok", "failed", "ok"]);
  expect(await world.texts("users")).toEqual(before);
  expect(
    await world.rows(
      "select outcome, received, error from raw_moovitamix._loads where load_id > 3 and stream = 'users'",
    ),
  ).toEqual([
    [
      "failed",
      "0",
      expect.stringMatching(/^moovitamix.users, page 2: the server answered 50\d .*tried 6 times/),
    ],
  ]);
});

test("sends nothing and names the nearest streams when one is unknown", async () => {
  const { api, world } = await withApi();
  const wrong = world.load({ streams: ["moovitamix.tracks", "listen_histroy"] });
  await expect(wrong).rejects.toMatchObject({
    code: "STREAM_UNKNOWN",
    message: 'unknown stream "listen_histroy"',
    exitCode: 2,
    why: [
      expect.stringContaining("nearest names: listen_history"),
      expect.stringContaining("moovitamix.users"),
    ],
  });
  expect(api.requests).toEqual([]);
});

test.each(["ftp://host/", "localhost:8000", "not a url", "htp://u:pw-secret@host"])(
  "refuses the address %s before any request",
  async (url) => {
    const world = await withWorld({ url });
    const error = await world.load().catch((thrown: Error) => thrown);
    expect(error).toMatchObject({
      code: "BASE_URL_INVALID",
      exitCode: 2,
      hint: expect.stringContaining("MOOVITAMIX_URL"),
    });
    expect(JSON.stringify(error) + String(error)).not.toContain("pw-secret");
  },
);

test("sends the credentials of the address and shows them nowhere", async () => {
  const { api, world: first } = await withScript((visit) => {
    const sent = visit.request.headers.authorization;
    sendBody(visit.response, `your header ${sent} and p@ss-secret`, 401);
  });
  first.close();
  const world = await withWorld({ url: api.url.replace("//", "//user:p%40ss-secret@") });
  const results = await world.load();
  const shown = JSON.stringify([
    results,
    results.map(({ error }) => error?.message),
    world.log,
    await world.rows("from raw_moovitamix._loads"),
  ]);
  expect(shown).toContain("your header Basic ***");
  expect(shown).not.toMatch(/ss-secret|dXNlcjpw/);
});

test("takes a path prefix, a trailing slash and the parameters of the address", async () => {
  const seen: (string | undefined)[] = [];
  const { api, world: unused } = await withScript((visit) => {
    seen.push(visit.request.url);
    sendPage(visit, []);
  });
  unused.close();
  const world = await withWorld({ url: `${api.url}/v1/?key=k` });
  await world.load({ streams: ["tracks"] });
  expect(seen).toEqual(["/v1/tracks?key=k&page=1&size=100"]);
});
