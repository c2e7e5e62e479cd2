import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createContext } from "../../core/context.ts";
import { projectErrorsOf } from "../../core/errors.ts";
import type { Authentication, RestSourceDefinition, Secret } from "../../core/sillon.ts";
import { checkIngest } from "../../ingest/ingest.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { source as moovitamix } from "../../ingest/sources/moovitamix.ts";
import { sendBody, sendPage, startScriptedApi, trackTexts, type Visit } from "./scripted-api.ts";
import { withScript, withWorld } from "./setup.ts";

const SECRET = 'marker/"1"+ü';
const TOKEN: Secret = { env: "API_TOKEN" };

function sourceWith(authentication: Authentication, name = "moovitamix"): RestSourceDefinition {
  return { ...moovitamix, name, authentication };
}

function secretFile(text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), "sillon-secret-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "secret"), text);
  chmodSync(join(folder, "secret"), mode);
  return join(folder, "secret");
}

/** What the one request for tracks carried. */
async function requestOf(
  authentication: Authentication,
  more: { env?: Record<string, string>; line?: string } = {},
): Promise<IncomingMessage> {
  const requests: IncomingMessage[] = [];
  const { world } = await withScript(
    (visit) => {
      requests.push(visit.request);
      sendPage(visit, trackTexts(1));
    },
    { ...more, source: sourceWith(authentication), env: { API_TOKEN: "token-of-the-api", ...more.env } },
  );
  const result = await world.loadOne("tracks");
  expect(result.error).toBeNull();
  const [request] = requests;
  if (request === undefined) throw new Error("no request came");
  return request;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

test("sends a bearer token, an API key and basic credentials", async () => {
  const bearer = await requestOf({ type: "bearer", token: TOKEN });
  expect(bearer.headers.authorization).toBe("Bearer token-of-the-api");
  const header = await requestOf({ type: "api_key", name: "X-Key", value: TOKEN });
  expect(header.headers["x-key"]).toBe("token-of-the-api");
  const env = { API_TOKEN: SECRET };
  const query = await requestOf({ type: "api_key", name: "key", in: "query", value: TOKEN }, { env });
  expect(new URL(query.url ?? "", "http://x").searchParams.get("key")).toBe(SECRET);
  const basic = await requestOf({ type: "basic", user: "me", password: TOKEN }, { env });
  expect(basic.headers.authorization).toBe(`Basic ${base64(`me:${SECRET}`)}`);
  const both = await requestOf(
    { type: "basic", user: { env: "USER_NAME" }, password: TOKEN },
    { env: { USER_NAME: "u" } },
  );
  expect(both.headers.authorization).toBe(`Basic ${base64("u:token-of-the-api")}`);
});

test("asks a custom function for headers of each request", async () => {
  const { headers } = await requestOf({
    type: "custom",
    headers: async ({ method, url, body, secret }) => ({
      "X-Signed": `${method} ${new URL(url).pathname} ${body} ${secret(TOKEN)}`,
    }),
  });
  expect(headers["x-signed"]).toBe("GET /tracks null token-of-the-api");
});

test("a custom function that fails or gives no headers fails the stream, without a second request", async () => {
  const failing = async (headers: () => never) => {
    const { api, world } = await withScript((visit) => sendPage(visit, []), {
      source: sourceWith({ type: "custom", headers }),
    });
    const { error } = await world.loadOne("tracks");
    expect(api.requests).toEqual([]);
    return error;
  };
  const thrown = await failing(() => {
    throw new Error("no clock");
  });
  expect(thrown).toMatchObject({
    code: "AUTHENTICATION_FAILED",
    message: expect.stringContaining("no clock"),
  });
  expect(thrown?.hint).toBe("correct the function in the source's file");
  const empty = await failing((() => ({ "x-a": 1 })) as unknown as () => never);
  expect(empty?.message).toContain("gave no headers: texts by name");
});

test("reads the first line of a file and of standard input", async () => {
  const file = await requestOf({
    type: "bearer",
    token: { file: secretFile("\uFEFFfrom-a-file\r\nmore\n") },
  });
  expect(file.headers.authorization).toBe("Bearer from-a-file");
  const stdin = await requestOf({ type: "bearer", token: { stdin: true } }, { line: "from-standard-input" });
  expect(stdin.headers.authorization).toBe("Bearer from-standard-input");
});

function mistakesOf(
  sources: RestSourceDefinition[],
  env: Record<string, string> = {},
  line = "a-line-of-text",
) {
  const log: string[] = [];
  const sink = ({ message }: { message: string }) => void log.push(message);
  const ctx = createContext({
    projectDir: tmpdir(),
    env: { MOOVITAMIX_URL: "http://127.0.0.1:1", ...env },
    sink,
    readLine: () => line,
  });
  try {
    checkIngest(ctx, { sources, settings: ingestSettings.parse({}) });
    return { errors: [], log };
  } catch (error) {
    return { errors: projectErrorsOf(error), log };
  }
}

test.each<[Secret, string, string]>([
  [TOKEN, "environment variable API_TOKEN holds no secret", "set API_TOKEN"],
  [{ file: "none/such" }, "file none/such cannot be read", "first line of none/such"],
  [{ stdin: true }, "standard input holds no secret", "run ingest < secret.txt"],
])("a secret that is missing is told before any request: %j", (token, message, hint) => {
  const { errors } = mistakesOf([sourceWith({ type: "bearer", token })], {}, "");
  expect(errors).toMatchObject([{ code: "SECRET_MISSING", exitCode: 2, message }]);
  expect(errors[0]?.hint).toContain(hint);
});

test("a secret that no header can carry is refused without being shown", () => {
  const env = { API_TOKEN: "half\u0007hidden-token" };
  const { errors } = mistakesOf([sourceWith({ type: "bearer", token: TOKEN })], env);
  expect(errors).toMatchObject([
    { code: "SECRET_INVALID", exitCode: 2, hint: expect.stringContaining("copied whole") },
  ]);
  expect(JSON.stringify(errors)).not.toContain("hidden-token");
});

test("standard input holds one secret", () => {
  const twice = { type: "basic", user: { stdin: true }, password: { stdin: true } } as const;
  expect(mistakesOf([sourceWith(twice)]).errors).toMatchObject([
    { code: "SECRETS_ON_STDIN", exitCode: 2, hint: expect.stringContaining("{ env: NAME }") },
  ]);
  const bearer = { type: "bearer", token: { stdin: true } } as const;
  expect(mistakesOf([sourceWith(bearer), sourceWith(bearer, "other")]).errors).toHaveLength(1);
  expect(mistakesOf([sourceWith(bearer)]).errors).toEqual([]);
});

test("warns of a file that everybody can read, and of a secret too short to be masked", () => {
  const place = { file: secretFile("a-long-secret\n", 0o644) };
  const { log } = mistakesOf([sourceWith({ type: "bearer", token: place })]);
  expect(log).toEqual([
    expect.stringContaining("can be read by every user of this machine; to fix: chmod 600"),
  ]);
  const short = mistakesOf([sourceWith({ type: "bearer", token: TOKEN })], { API_TOKEN: "abc" });
  expect(short.log).toEqual([expect.stringContaining("fewer than 8 characters")]);
});

test("a refused credential is named by its place", async () => {
  const { world } = await withScript(
    ({ request, response }) => sendBody(response, `{"you sent": "${request.headers.authorization}"}`, 401),
    { source: sourceWith({ type: "bearer", token: TOKEN }), env: { API_TOKEN: "token-of-the-api" } },
  );
  const { error } = await world.loadOne("tracks");
  expect(error).toMatchObject({
    code: "API_UNAUTHORIZED",
    hint: "put a valid token into environment variable API_TOKEN",
    why: [expect.stringContaining("Bearer ***")],
  });
});

test("credentials stay with their origin when a redirect leads to another one, and come along within it", async () => {
  const seen: Record<string, [string | undefined, string | null]> = {};
  const answer = (place: string, visit: Visit) => {
    const { searchParams } = new URL(visit.request.url ?? "", "http://x");
    seen[place] = [visit.request.headers.authorization, searchParams.get("key")];
    sendPage(visit, []);
  };
  const other = await startScriptedApi((visit) => answer("other", visit));
  onTestFinished(() => other.stop());
  const own = await startScriptedApi((visit) => {
    const moved = `/moved?page=${visit.page}&size=${visit.size}`;
    const location = { tracks: moved, users: `${other.url}${moved}` }[visit.stream];
    if (location === undefined) return answer("same", visit);
    visit.response.writeHead(302, { location }).end();
  });
  onTestFinished(() => own.stop());
  const world = await withWorld({
    url: own.url.replace("//", "//me:pass-word-1@"),
    source: sourceWith({ type: "api_key", name: "key", in: "query", value: TOKEN }),
    env: { API_TOKEN: "token-of-the-api" },
  });
  const settings = { allowed_hosts: [new URL(other.url).host] };
  const results = await world.load({ streams: ["tracks", "users"], settings });
  expect(results.map(({ status }) => status)).toEqual(["ok", "ok"]);
  expect(seen).toEqual({
    same: [`Basic ${base64("me:pass-word-1")}`, "token-of-the-api"],
    other: [undefined, null],
  });
});
